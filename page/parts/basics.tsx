// Small parts: states, figures, times, tags, buttons.
// Invariant: a state has a shape and a word, never a colour alone; each is a function of its data.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ago, iso, moment, NONE, type Figure } from '../formats.ts';
import { zone } from '../state.ts';
import { Icon, Shape, type IconName, type ShapeName } from './icons.tsx';

/** A shape and a word. */
export const State = ({
  shape,
  children,
}: {
  readonly shape: ShapeName;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <span class={`st ${shape === 'idle' ? 'off' : shape === 'running' || shape === 'paused' ? 'warn' : shape}`}>
    <Shape name={shape} />
    {children}
  </span>
);

/** A number with its unit; `–` for what is not known. */
export const Num = ({ figure }: { readonly figure: Figure }): JSX.Element =>
  figure === NONE ? (
    <span class="dim" aria-label="none">
      –
    </span>
  ) : (
    <span class="num">
      {figure.text}
      {figure.unit !== '' && <span class="u">{figure.unit}</span>}
    </span>
  );

/** A time in the chosen zone; hover: the whole time, and how long ago. `digits`: how exact. */
export const Time = ({
  ms,
  digits = 'seconds',
}: {
  readonly ms: number;
  readonly digits?: 'minutes' | 'seconds' | 'ms';
}): JSX.Element => {
  const now = Date.now();
  return (
    <time class="num nw" dateTime={iso(ms, 'UTC')} title={`${iso(ms, zone.value)}, ${ago(ms, now)}`}>
      {moment(ms, zone.value, now, digits)}
    </time>
  );
};

export type Tone = 'plain' | 'ok' | 'warn' | 'err' | 'note' | 'acc';

export const Pill = ({
  tone = 'plain',
  children,
}: {
  readonly tone?: Tone;
  readonly children: ComponentChildren;
}): JSX.Element => <span class={`pill ${tone === 'plain' ? '' : tone}`}>{children}</span>;

/** A bar from 0 to 1 beside a text that says the same. */
export const Meter = ({
  part,
  tone = 'plain',
}: {
  readonly part: number | null | undefined;
  readonly tone?: Tone;
}): JSX.Element => (
  <span class="meter" aria-hidden="true">
    <i
      class={tone === 'plain' ? '' : tone}
      style={{ width: `${Math.max(0, Math.min(1, part ?? 0)) * 100}%` }}
    />
  </span>
);

export interface ButtonProps {
  readonly icon?: IconName;
  readonly children?: ComponentChildren;
  /** Needed for a button without text; a tooltip for others. */
  readonly label?: string;
  readonly kind?: 'plain' | 'primary' | 'quiet' | 'danger' | 'bare';
  readonly isSmall?: boolean;
  readonly isOn?: boolean;
  /** Why it cannot be used; it is shown as its tooltip. */
  readonly off?: string | undefined;
  readonly onClick?: (event: MouseEvent) => void;
  readonly type?: 'button' | 'submit';
}

const KINDS = {
  plain: 'btn',
  primary: 'btn pri',
  quiet: 'btn quiet',
  danger: 'btn danger',
  bare: 'ib',
} as const;

/** A button that cannot be used stays in the order of the tab key, so that its reason can be read. */
export const Button = ({
  icon,
  children,
  label,
  kind = 'plain',
  isSmall = false,
  isOn,
  off,
  onClick,
  type = 'button',
}: ButtonProps): JSX.Element => (
  <button
    type={type}
    class={`${KINDS[kind]}${isSmall ? ' sm' : ''}${isOn === true ? ' on' : ''}${off === undefined ? '' : ' off'}`}
    aria-label={children === undefined ? label : undefined}
    aria-pressed={isOn}
    aria-disabled={off === undefined ? undefined : true}
    title={off ?? label}
    onClick={(event) => {
      if (off !== undefined) event.preventDefault();
      else onClick?.(event);
    }}
  >
    {icon !== undefined && <Icon name={icon} isSmall={isSmall || children !== undefined} />}
    {children}
  </button>
);

/** Copies a text, and says so for two seconds. */
export const Copy = ({
  text,
  label,
  children,
  kind = 'bare',
  icon = 'copy',
  isSmall = false,
  off,
}: {
  readonly text: string | (() => string);
  readonly label: string;
  readonly children?: ComponentChildren;
  readonly kind?: ButtonProps['kind'];
  readonly icon?: IconName;
  readonly isSmall?: boolean;
  readonly off?: string | undefined;
}): JSX.Element => {
  const [isDone, setDone] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <Button
      kind={kind}
      isSmall={isSmall}
      icon={isDone ? 'check' : icon}
      label={isDone ? 'Copied' : label}
      off={off}
      onClick={() => {
        void copyText(typeof text === 'string' ? text : text()).then((isCopied) => {
          if (!isCopied) return;
          setDone(true);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => setDone(false), 2000);
        });
      }}
    >
      {children}
    </Button>
  );
};

/** Copies a text. Returns false if the browser forbids it (plain HTTP under another name than localhost). */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** The older way, which works without a secure context. */
function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'vh';
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  return isCopied;
}

/** A choice between few values, side by side. */
export const Segments = <T extends string>({
  label,
  value,
  options,
  onChoose,
  isSmall = false,
}: {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (readonly [T, ComponentChildren])[];
  readonly onChoose: (value: T) => void;
  readonly isSmall?: boolean;
}): JSX.Element => (
  <div class={isSmall ? 'seg sm' : 'seg'} role="group" aria-label={label}>
    {options.map(([one, shown]) => (
      <button
        key={one}
        type="button"
        class={one === value ? 'on' : ''}
        aria-pressed={one === value}
        onClick={() => onChoose(one)}
      >
        {shown}
      </button>
    ))}
  </div>
);

/** A switch with a label for screen readers. */
export const Switch = ({
  isOn,
  label,
  onChange,
  off,
}: {
  readonly isOn: boolean;
  readonly label: string;
  readonly onChange: (isOn: boolean) => void;
  readonly off?: string | undefined;
}): JSX.Element => (
  <button
    type="button"
    role="switch"
    class={isOn ? 'sw on' : 'sw'}
    aria-checked={isOn}
    aria-label={label}
    aria-disabled={off === undefined ? undefined : true}
    title={off ?? label}
    onClick={() => off === undefined && onChange(!isOn)}
  />
);
