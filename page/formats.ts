// Numbers, times and sizes as people read them.
// Invariant: what is not known is `–`, never 0. Pure functions: zone and now are parameters.

/** A number and its unit, which are shown in two colours. */
export interface Figure {
  readonly text: string;
  readonly unit: string;
}

export const NONE: Figure = { text: '–', unit: '' };

/** Thin no-break space, between groups of three digits. */
const GROUP = '\u202f';

/** 2391004 → `2 391 004`. */
export const grouped = (n: number): string => {
  const [whole, rest] = String(n).split('.') as [string, string?];
  return whole.replace(/\B(?=(\d{3})+(?!\d))/g, GROUP) + (rest === undefined ? '' : `.${rest}`);
};

/** Three digits that count: 0.42, 8.2, 318, 2.13. */
function threeDigits(n: number): string {
  const size = Math.abs(n);
  if (size >= 100) return grouped(Math.round(n));
  return size >= 10 ? n.toFixed(1) : n.toFixed(2);
}

/** A duration in milliseconds: `0.42 ms`, `8.2 ms`, `318 ms`, `2.13 s`, `4m 12 s`, `1h 04 m`, `3d 2 h`. */
export function duration(ms: number | null | undefined): Figure {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return NONE;
  if (ms < 0) return { text: `-${duration(-ms).text}`, unit: duration(-ms).unit };
  if (ms < 1) return { text: ms === 0 ? '0' : ms.toFixed(2), unit: 'ms' };
  if (ms < 9.95) return { text: ms.toFixed(1), unit: 'ms' };
  if (ms < 999.5) return { text: String(Math.round(ms)), unit: 'ms' };
  if (ms < 59_995) return { text: (ms / 1000).toFixed(ms < 9995 ? 2 : 1), unit: 's' };
  const seconds = Math.round(ms / 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  if (seconds < 3600) return { text: `${Math.floor(seconds / 60)}m ${two(seconds % 60)}`, unit: 's' };
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return { text: `${Math.floor(minutes / 60)}h ${two(minutes % 60)}`, unit: 'm' };
  return { text: `${Math.floor(minutes / 1440)}d ${Math.floor((minutes % 1440) / 60)}`, unit: 'h' };
}

const scaled = (n: number, base: number, units: readonly string[]): Figure => {
  let at = 0;
  let value = n;
  while (Math.abs(value) >= base && at < units.length - 1) {
    value /= base;
    at++;
  }
  return { text: at === 0 ? grouped(Math.round(value)) : threeDigits(value), unit: units[at]! };
};

/** Bytes of files and traffic, in powers of 1,000. */
export const bytes = (n: number | null | undefined): Figure =>
  n === null || n === undefined ? NONE : scaled(n, 1000, ['B', 'kB', 'MB', 'GB', 'TB']);

/** Bytes of memory, in powers of 1,024. */
export const memory = (n: number | null | undefined): Figure =>
  n === null || n === undefined ? NONE : scaled(n, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);

/** A count: exact below 10,000, else `9.1 M`. */
export function count(n: number | null | undefined): Figure {
  if (n === null || n === undefined) return NONE;
  if (Math.abs(n) < 10_000) return { text: Number.isInteger(n) ? grouped(n) : threeDigits(n), unit: '' };
  return scaled(n, 1000, ['', 'k', 'M', 'G']);
}

/** A share from 0 to 1: `4.21 %`, two digits below 10, `< 0.01 %` rather than 0. */
export function share(part: number | null | undefined): Figure {
  if (part === null || part === undefined) return NONE;
  const percent = part * 100;
  if (percent > 0 && percent < 0.01) return { text: '< 0.01', unit: '%' };
  return { text: percent === 0 ? '0' : percent < 10 ? percent.toFixed(2) : percent.toFixed(1), unit: '%' };
}

/** Dollars: `$ 0.002318` for one request, `$ 81.90` for sums. Unknown prices are `unknown`, never 0. */
export function money(dollars: number | null | undefined): string {
  if (dollars === null || dollars === undefined) return 'unknown';
  if (dollars === 0) return '$ 0';
  return dollars < 0.1 ? `$ ${Number(dollars.toPrecision(4))}` : `$ ${grouped(Number(dollars.toFixed(2)))}`;
}

/** Text of a figure on one line. */
export const text = ({ text, unit }: Figure): string => (unit === '' ? text : `${text} ${unit}`);

export type Zone = 'UTC' | 'local';

const pad = (n: number, width = 2): string => String(n).padStart(width, '0');

/** The fields of a time in a zone. */
function fields(ms: number, zone: Zone): readonly number[] {
  const date = new Date(ms);
  return zone === 'UTC'
    ? [
        date.getUTCFullYear(),
        date.getUTCMonth(),
        date.getUTCDate(),
        date.getUTCHours(),
        date.getUTCMinutes(),
        date.getUTCSeconds(),
      ]
    : [
        date.getFullYear(),
        date.getMonth(),
        date.getDate(),
        date.getHours(),
        date.getMinutes(),
        date.getSeconds(),
      ];
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Time of day: `03:14:21.904`, or `03:14` with `digits` 'minutes'. */
export function clock(ms: number, zone: Zone, digits: 'minutes' | 'seconds' | 'ms' = 'ms'): string {
  const [, , , hour, minute, second] = fields(ms, zone) as [number, number, number, number, number, number];
  const short = `${pad(hour)}:${pad(minute)}`;
  if (digits === 'minutes') return short;
  const long = `${short}:${pad(second)}`;
  return digits === 'seconds' ? long : `${long}.${pad(Math.floor(ms) % 1000, 3)}`;
}

/** `27 Nov`, with the year if it is not that of `nowMs`. */
export function day(ms: number, zone: Zone, nowMs: number): string {
  const [year, month, date] = fields(ms, zone) as [number, number, number];
  return `${date} ${MONTHS[month]}${fields(nowMs, zone)[0] === year ? '' : ` ${year}`}`;
}

/** The time of day, with the date if it is not that of `nowMs`. */
export const moment = (
  ms: number,
  zone: Zone,
  nowMs: number,
  digits: 'minutes' | 'seconds' | 'ms' = 'seconds',
): string =>
  day(ms, zone, nowMs) === day(nowMs, zone, nowMs)
    ? clock(ms, zone, digits)
    : `${day(ms, zone, nowMs)} ${clock(ms, zone, digits)}`;

/** ISO 8601, for copies, files and titles. */
export function iso(ms: number, zone: Zone): string {
  if (zone === 'UTC') return new Date(ms).toISOString();
  const [year, month, date] = fields(ms, zone) as [number, number, number];
  const minutes = -new Date(ms).getTimezoneOffset();
  const sign = minutes < 0 ? '-' : '+';
  const offset = `${sign}${pad(Math.floor(Math.abs(minutes) / 60))}:${pad(Math.abs(minutes) % 60)}`;
  return `${year}-${pad(month + 1)}-${pad(date)}T${clock(ms, zone)}${offset}`;
}

/** `2 min ago`, `in 3 h`. Only as an addition to an absolute time. */
export function ago(ms: number, nowMs: number): string {
  const seconds = Math.round(Math.abs(nowMs - ms) / 1000);
  const [n, unit] =
    seconds < 60
      ? [seconds, 's']
      : seconds < 3600
        ? [Math.round(seconds / 60), 'min']
        : seconds < 172_800
          ? [Math.round(seconds / 3600), 'h']
          : [Math.round(seconds / 86_400), 'd'];
  return ms > nowMs ? `in ${n} ${unit}` : `${n} ${unit} ago`;
}

/** Nanoseconds since the epoch, as text of the API, to milliseconds with their fraction. */
export const msOfNs = (ns: string): number => Number(BigInt(ns) / 1000n) / 1000;

/**
 * Control characters other than line ends and tabs, bidirectional overrides and zero-width characters, which could make a
 * text look like another.
 */
const HIDDEN = /(?![\t\n\r])[\p{Cc}\p{Cf}]/gu;
const ESC = '\u001b';
const BEL = '\u0007';
/** Colours and titles of terminals (ECMA-48 5.4, 5.6). */
const ANSI = new RegExp(
  String.raw`${ESC}\[[0-9;:?]*[ -/]*[@-~]|${ESC}\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\)`,
  'g',
);

/** Text of a log as it can be shown: without colour codes, with marks for characters that cannot be seen. */
export const visible = (text: string): string =>
  text.replace(ANSI, '').replace(HIDDEN, (one) => {
    const code = one.codePointAt(0)!;
    return code < 0x20
      ? String.fromCharCode(0x2400 + code)
      : code === 0x7f
        ? '\u2421'
        : `\u27e8U+${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`;
  });

/** The same on one line, for rows of a list. */
export const visibleLine = (text: string): string =>
  visible(text)
    .replace(/\r\n|[\n\r\u2028\u2029]/g, ' ⏎ ')
    .replaceAll('\t', '  ');
