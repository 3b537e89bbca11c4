// Icons of 16 px and shapes of states of 10 px. They are decoration: the words beside them, or a label, say what is meant.
import type { JSX } from 'preact';

const ICONS = {
  search: (
    <>
      <circle cx="7" cy="7" r="4.5" />
      <path d="m10.5 10.5 3 3" />
    </>
  ),
  down: (
    <>
      <path d="m4.5 6.5 3.5 3.5 3.5-3.5" />
    </>
  ),
  right: (
    <>
      <path d="m6.5 4.5 3.5 3.5-3.5 3.5" />
    </>
  ),
  left: (
    <>
      <path d="M9.5 4.5 6 8l3.5 3.5" />
    </>
  ),
  up: (
    <>
      <path d="m4.5 9.5 3.5-3.5 3.5 3.5" />
    </>
  ),
  copy: (
    <>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M10.5 3.5v-.5a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h.5" />
    </>
  ),
  link: (
    <>
      <path d="M6.8 9.2a2.7 2.7 0 0 0 3.9 0l2-2a2.75 2.75 0 0 0-3.9-3.9l-.7.7" />
      <path d="M9.2 6.8a2.7 2.7 0 0 0-3.9 0l-2 2a2.75 2.75 0 0 0 3.9 3.9l.7-.7" />
    </>
  ),
  download: (
    <>
      <path d="M8 2.5v7.5M4.8 7.2 8 10.4l3.2-3.2M3 13.5h10" />
    </>
  ),
  play: (
    <>
      <path d="M5 3.5v9l7-4.5z" />
    </>
  ),
  pause: (
    <>
      <path d="M5.5 3.5v9M10.5 3.5v9" />
    </>
  ),
  close: (
    <>
      <path d="m4 4 8 8M12 4l-8 8" />
    </>
  ),
  plus: (
    <>
      <path d="M8 3.5v9M3.5 8h9" />
    </>
  ),
  check: (
    <>
      <path d="m3.5 8.5 3 3 6-7" />
    </>
  ),
  clock: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 5v3l2 1.5" />
    </>
  ),
  moon: (
    <>
      <path d="M13 9.3A5.3 5.3 0 1 1 6.7 3a4.2 4.2 0 0 0 6.3 6.3z" />
    </>
  ),
  key: (
    <>
      <circle cx="5.5" cy="10.5" r="2.8" />
      <path d="m7.6 8.4 5-5M11 5l1.6 1.6M9.3 6.7l1.2 1.2" />
    </>
  ),
  external: (
    <>
      <path d="M9.5 3H13v3.5M13 3 7.5 8.5M11.5 9.5v3a.5.5 0 0 1-.5.5H3.500a.5.5 0 0 1-.5-.5V5a.5.5 0 0 1 .5-.5h3" />
    </>
  ),
  filter: (
    <>
      <path d="M2.5 4h11M4.5 8h7M6.5 12h3" />
    </>
  ),
  refresh: (
    <>
      <path d="M13 8a5 5 0 1 1-1.5-3.550L13 6" />
      <path d="M13 3v3h-3" />
    </>
  ),
  more: (
    <>
      <circle cx="3.5" cy="8" r=".6" fill="currentColor" />
      <circle cx="8" cy="8" r=".6" fill="currentColor" />
      <circle cx="12.5" cy="8" r=".6" fill="currentColor" />
    </>
  ),
  good: (
    <>
      <path d="M5 7.500v6M5 7.5 7.5 2.500c1 0 1.7.7 1.5 1.800L8.5 6.500h3.600c.8 0 1.4.7 1.3 1.500l-.8 4.300c-.1.7-.7 1.2-1.3 1.200H5M5 7.500H2.500v6H5" />
    </>
  ),
  bad: (
    <>
      <path d="M11 8.500v-6M11 8.5 8.5 13.500c-1 0-1.7-.7-1.5-1.800l.5-2.200H3.900c-.8 0-1.4-.7-1.3-1.500l.8-4.300c.1-.7.7-1.2 1.3-1.200H11M11 8.500h2.500v-6H11" />
    </>
  ),
  tag: (
    <>
      <path d="M2.5 7.200V3a.5.5 0 0 1 .5-.5h4.200l6.1 6.100a.7.7 0 0 1 0 1L9.6 13.300a.7.7 0 0 1-1 0z" />
      <circle cx="5.3" cy="5.3" r=".7" />
    </>
  ),
  message: (
    <>
      <path d="M2.5 4a1 1 0 0 1 1-1h9a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H8l-3 2.500V11H3.500a1 1 0 0 1-1-1z" />
    </>
  ),
  warn: (
    <>
      <path d="M8 2.8 14 13H2z" />
      <path d="M8 6.500v3M8 11.300v.1" />
    </>
  ),
  error: (
    <>
      <path d="M5.4 2.500h5.200l2.9 2.900v5.200l-2.9 2.900H5.400l-2.9-2.900V5.400z" />
      <path d="M8 5.200v3.400M8 10.700v.1" />
    </>
  ),
  info: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 7.300v3.400M8 5.300v.1" />
    </>
  ),
  'check-circle': (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="m5.6 8.2 1.7 1.7 3.2-3.6" />
    </>
  ),
  curl: (
    <>
      <path d="m3.5 4.5 3 3.5-3 3.500M8.5 12h4" />
    </>
  ),
  columns: (
    <>
      <rect x="2.5" y="3" width="11" height="10" rx="1" />
      <path d="M6.2 3v10M9.8 3v10" />
    </>
  ),
  context: (
    <>
      <path d="M3 3.500h7M3 6.500h4M3 9.500h4M3 12.500h7" />
      <path d="M9.5 8h4M11.5 6l2 2-2 2" />
    </>
  ),
  wrap: (
    <>
      <path d="M2.5 4h11M2.5 12h4M2.5 8h9a2 2 0 0 1 0 4H9.500M11 10.5 9.5 12l1.5 1.5" />
    </>
  ),
  bolt: (
    <>
      <path d="M8.8 2 3.8 9H8l-.8 5 5-7H8z" />
    </>
  ),
  gear: (
    <>
      <circle cx="8" cy="8" r="2" />
      <path d="M8 2v2M8 12v2M2 8h2M12 8h2M3.8 3.800l1.4 1.400M10.8 10.800l1.4 1.400M12.2 3.800l-1.4 1.400M5.2 10.800l-1.4 1.4" />
    </>
  ),
  star: (
    <>
      <path d="m8 2.5 1.7 3.5 3.8.5-2.8 2.7.7 3.800L8 11.2 4.6 13l.7-3.800L2.5 6.5 6.3 6z" />
    </>
  ),
  arrow: (
    <>
      <path d="M3 8h10M9 4l4 4-4 4" />
    </>
  ),
  globe: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M2.5 8h11M8 2.500c2 2 2 9 0 11M8 2.500c-2 2-2 9 0 11" />
    </>
  ),
  stop: (
    <>
      <rect x="4" y="4" width="8" height="8" rx="1" />
    </>
  ),
  box: (
    <>
      <path d="M2.5 5 8 2.5 13.5 5v6L8 13.5 2.5 11z" />
      <path d="M2.5 5 8 7.5 13.5 5M8 7.500v6" />
    </>
  ),
  tool: (
    <>
      <path d="M9.5 3.200a3.3 3.3 0 0 0-3.3 4.500L2.7 11.200l2.1 2.1 3.5-3.500a3.3 3.3 0 0 0 4.4-4l-2 2-1.9-.5-.5-1.900z" />
    </>
  ),
  sun: (
    <>
      <circle cx="8" cy="8" r="3" />
      <path d="M8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1" />
    </>
  ),
} as const;

export type IconName = keyof typeof ICONS;

export const Icon = ({
  name,
  isSmall = false,
}: {
  readonly name: IconName;
  readonly isSmall?: boolean;
}): JSX.Element => (
  <svg class={isSmall ? 'i s' : 'i'} viewBox="0 0 16 16" aria-hidden="true">
    {ICONS[name]}
  </svg>
);

const SHAPES = {
  ok: (
    <>
      <circle cx="5" cy="5" r="4" fill="currentColor" />
    </>
  ),
  warn: (
    <>
      <path d="M5 .8 9.6 9H.4z" fill="currentColor" />
    </>
  ),
  err: (
    <>
      <rect x="1" y="1" width="8" height="8" rx="1" fill="currentColor" />
    </>
  ),
  idle: (
    <>
      <circle cx="5" cy="5" r="3.4" fill="none" stroke="currentColor" stroke-width="1.5" />
    </>
  ),
  paused: (
    <>
      <path d="M3 1.500v7M7 1.500v7" stroke="currentColor" stroke-width="2" />
    </>
  ),
  running: (
    <>
      <path
        d="M5 1.200a3.8 3.8 0 1 1-3.8 3.8"
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
      />
    </>
  ),
} as const;

/** ok ●, warn ▲, err ■, idle ○, running ◌, paused ‖. */
export type ShapeName = keyof typeof SHAPES;

export const Shape = ({ name }: { readonly name: ShapeName }): JSX.Element => (
  <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
    {SHAPES[name]}
  </svg>
);

export const Logo = (): JSX.Element => (
  <svg
    width="20"
    height="20"
    viewBox="0 0 20 20"
    aria-hidden="true"
    fill="none"
    stroke="currentColor"
    stroke-width="1.8"
    stroke-linecap="round"
  >
    <path d="M2 6.5c2.2-1.8 4.2-1.8 6.2 0" />
    <path d="M2 10.5c2.2-1.8 4.2-1.8 6.2 0" />
    <path d="M10.3 4v9" stroke-width="2.2" />
    <path d="M10.5 9c3.5 0 3.2 6 7.5 6" />
    <path d="M2 16h16" opacity=".45" />
  </svg>
);
