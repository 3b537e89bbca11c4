// Finds the prefix that a launcher or logger puts before each line of a traceback: `(EngineCore_DP0 pid=77) `,
// `[rank0]: `, `app-1  | `, `ERROR 11-20 12:00:00 [core.py:708] `. The text after a prefix shows where it ends, so no
// list of launchers is needed.
// Invariant: every search takes time linear in the line.

export const HEADER = 'Traceback (most recent call last):';
/** First line of the traceback of a Python exception group. */
export const GROUP_HEADER = `  + Exception Group ${HEADER}`;
const FRAME = '  File "';
const SPACE = 0x20;
const TAB = 0x09;
/** Longest prefix, in characters. */
const MAX_LENGTH = 256;

/** A time within a prefix, which may differ from line to line. */
const TIME = /(?:\d{4}[-/.])?(?:\d\d[-/.]\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?/;
const TIME_HERE = new RegExp(TIME, 'y');

export class LinePrefix {
  readonly #before: string;
  /** The part after the time; `undefined`: the prefix has no time. */
  readonly #after: string | undefined;

  constructor(text: string) {
    const time = TIME.exec(text);
    this.#before = time ? text.slice(0, time.index) : text;
    this.#after = time ? text.slice(time.index + time[0].length) : undefined;
  }

  /** The line without the prefix; `undefined`: the line has another prefix, or none. */
  restOf(line: string): string | undefined {
    if (this.#after === undefined) return restAfter(line, 0, this.#before);
    if (!line.startsWith(this.#before)) return undefined;
    TIME_HERE.lastIndex = this.#before.length;
    const time = TIME_HERE.exec(line);
    return time ? restAfter(line, TIME_HERE.lastIndex, this.#after) : undefined;
  }
}

/** The text after `prefix`, which must be at `at`. A blank line may lack the last space of the prefix. */
function restAfter(line: string, at: number, prefix: string): string | undefined {
  if (line.startsWith(prefix, at)) return line.slice(at + prefix.length);
  return line.length - at === prefix.trimEnd().length && prefix.startsWith(line.slice(at)) ? '' : undefined;
}

/**
 * The prefix of a line that begins or continues a traceback; `undefined` for other lines and lines without a prefix.
 * `before`: the previous line, since a stack frame of JavaScript or Java is recognized by the prefix that both share.
 * `mayHaveTraceback`: false if the line has neither a header nor a stack frame of Python (line-marks.ts).
 */
export function prefixOf(
  line: string,
  before: string | undefined,
  mayHaveTraceback = true,
): LinePrefix | undefined {
  const ofPython = mayHaveTraceback ? (headerAt(line) ?? frameAt(line)) : undefined;
  const length = ofPython ?? sharedLength(line, before);
  if (length === undefined || length === 0 || length > MAX_LENGTH || /^\s/.test(line)) return undefined;
  return new LinePrefix(line.slice(0, length));
}

/** Index of the header of a traceback, if no text follows it. */
function headerAt(line: string): number | undefined {
  const at = line.indexOf(HEADER);
  if (at === -1 || line.slice(at + HEADER.length).trim() !== '') return undefined;
  const ofGroup = at - (GROUP_HEADER.length - HEADER.length);
  return line.startsWith(GROUP_HEADER, ofGroup) ? ofGroup : at;
}

/** Index of a stack frame of Python. */
function frameAt(line: string): number | undefined {
  const at = line.indexOf(FRAME);
  return at !== -1 && /", line \d/.test(line.slice(at)) ? at : undefined;
}

/** Length of the common beginning of both lines, if an indented frame (`at f (a.js:1:1)`) follows it in `line`. */
function sharedLength(line: string, before: string | undefined): number | undefined {
  if (before === undefined) return undefined;
  const most = Math.min(line.length, before.length, MAX_LENGTH);
  let length = 0;
  while (length < most && line.charCodeAt(length) === before.charCodeAt(length)) length++;
  const next = line.charCodeAt(length);
  if (length === 0 || (next !== SPACE && next !== TAB)) return undefined;
  return /^[ \t]{1,16}at \S/.test(line.slice(length, length + 32)) ? length : undefined;
}
