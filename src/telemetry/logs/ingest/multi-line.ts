// Decides which plain lines continue the line before them: tracebacks, stacks, indented text, PEM keys.
// Invariant: a line with a logger's level begins a new record, and a record has a limited number of lines and bytes.
import { MARK } from './line-marks.ts';
import { GROUP_HEADER, HEADER } from './line-prefix.ts';
import { SEVERITY } from '../severity.ts';

/** Limits of one record. At either limit, the next line begins a new record. */
export interface MultiLineLimits {
  readonly maxLines: number;
  readonly maxBytes: number;
}

/** Between two tracebacks of Python, if one exception was raised while another was handled, or from it. */
const CHAINED =
  /^(?:During handling of the above exception, another exception occurred:|The above exception was the direct cause of the following exception:)$/;
const CAUSED = /^(?:Caused by: |Suppressed: )/;
/** A stack frame of Java or JavaScript: `at a.b.C.d(C.java:10)`, `at f (/app/a.js:1:1)`, `at /app/b.js:2:2`. */
const FRAME =
  /^[ \t]{1,16}at \S.{0,500}(?::\d+\)?|\((?:Native Method|Unknown Source|<anonymous>)\))(?: \{)?$/;
const CLOSING = /^[\])}]{1,8}[;,]?$/;
/** Last line of a traceback: the class name, alone or with a message. */
const RAISED = /^[A-Za-z_][\w.]*(?:Error|Exception|Warning|Exit|Interrupt|Iteration|Group)\b/;
const KEY = /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----/;
const KEY_LINE = /^(?:[A-Za-z0-9+/=]{1,80}|Proc-Type: .{1,40}|DEK-Info: .{1,80})?$/;

/**
 * frames: within a traceback; raised: after its last line; chained: a line announced another traceback;
 * key: within a PEM private key.
 */
type Phase = 'plain' | 'frames' | 'raised' | 'chained' | 'key';

/** Last line of the traceback of a Python exception group. */
const GROUP_END = /^ {2,64}\+-{8,}\s*$/;
/** A line that announces an exception, after the prefix of a launcher. */
const ANNOUNCED = /(?:^|[)\]:|] ?)Exception [a-z]/;

/** True for the first line of a traceback. It begins a record unless the line before introduces it. */
export const isTraceback = (text: string): boolean =>
  text.startsWith(HEADER) || text.startsWith(GROUP_HEADER);

const isIndented = (text: string): boolean => text.charCodeAt(0) === 0x20 || text.charCodeAt(0) === 0x09;

/** One line of text. */
export interface OneLine {
  readonly text: string;
  readonly isCut: boolean;
  /** Its length as received. */
  readonly bytes: number;
  /** What may be in it (line-marks.ts). */
  readonly marks: number;
}

/** The lines of one record. */
export class MultiLine {
  readonly #limits: MultiLineLimits;
  #text: string;
  #lines = 1;
  #bytes: number;
  #blank = 0;
  #phase: Phase = 'plain';
  #isCut: boolean;
  #hasTraceback = false;
  readonly #first: string;
  readonly #severity: number;
  #marks: number;

  /** `severity`, `marks` (line-marks.ts): of the first line. */
  constructor({ text, bytes, isCut, marks }: OneLine, severity: number, limits: MultiLineLimits) {
    this.#first = text;
    this.#text = text;
    this.#bytes = bytes;
    this.#isCut = isCut;
    this.#severity = severity;
    this.#marks = marks;
    this.#limits = limits;
    const header = (marks & MARK.traceback) === 0 ? -1 : text.indexOf(HEADER);
    if (header !== -1) {
      this.#hasTraceback = true;
      // With text after the header, the whole traceback is on this line.
      if (text.slice(header + HEADER.length).trim() === '') this.#phase = 'frames';
    }
    if ((marks & MARK.key) !== 0 && KEY.test(text) && !text.includes('-----END')) this.#phase = 'key';
  }

  /** The text of the only line; `undefined` if there are more. */
  get onlyLine(): string | undefined {
    return this.#lines === 1 ? this.#text : undefined;
  }

  /** Tells that the first line belongs to a traceback whose beginning is missing. */
  startInsideTraceback(): void {
    if (this.#phase === 'plain') this.#phase = 'frames';
  }

  /** The marks of all lines together. */
  get marks(): number {
    return this.#marks;
  }
  get text(): string {
    return this.#text;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get isCut(): boolean {
    return this.#isCut;
  }
  get hasTraceback(): boolean {
    return this.#hasTraceback;
  }

  /** True if the record has a traceback or a stack, or a part of one. */
  get isTrace(): boolean {
    return this.#hasTraceback || this.#phase === 'frames';
  }

  /** Adds a blank line. It becomes part of the record only if another line of the record follows. */
  addBlank(): void {
    this.#blank++;
  }

  /**
   * Adds the line if it belongs to the record. Returns false if it begins another one. `text`: its text, which may lack a
   * prefix. `hasLevel`: returns true for a line that begins with a logger's level.
   */
  append({ bytes, isCut, marks }: OneLine, text: string, hasLevel: (text: string) => boolean): boolean {
    if (!this.#belongs(text, marks, hasLevel)) return false;
    if (this.#lines + this.#blank >= this.#limits.maxLines || this.#bytes + bytes > this.#limits.maxBytes) {
      this.#isCut = true;
      return false;
    }
    this.#text += '\n'.repeat(this.#blank + 1) + text;
    this.#lines += this.#blank + 1;
    this.#bytes += this.#blank + 1 + bytes;
    this.#blank = 0;
    this.#isCut ||= isCut;
    this.#marks |= marks;
    return true;
  }

  /** The first line reports a failure or announces a traceback, so a traceback after it belongs to the record. */
  get #introducesTraceback(): boolean {
    const text = this.#first;
    return (
      this.#severity >= SEVERITY.warn ||
      text.startsWith('Exception ') ||
      (this.#severity === 0 && (text.endsWith(':') || ANNOUNCED.test(text.slice(0, 512))))
    );
  }

  #belongs(text: string, marks: number, hasLevel: (text: string) => boolean): boolean {
    if (this.#phase === 'key') {
      const isKeyLine = KEY_LINE.test(text.trim());
      if (!isKeyLine) this.#phase = 'plain';
      if (isKeyLine || text.trimStart().startsWith('-----END ')) return true;
    }
    if ((marks & MARK.traceback) !== 0 && isTraceback(text)) {
      if (this.#phase !== 'chained' && !(this.#phase === 'plain' && this.#introducesTraceback)) return false;
      this.#phase = 'frames';
      this.#hasTraceback = true;
      return true;
    }
    if (isIndented(text)) {
      // Exception groups print their tracebacks indented.
      if (text.includes(HEADER) || FRAME.test(text)) this.#hasTraceback = true;
      else if (KEY.test(text)) this.#phase = 'key';
      else if (this.#phase === 'frames' && GROUP_END.test(text)) this.#phase = 'raised';
      return true;
    }
    if (this.#phase === 'frames') {
      const isKnown = RAISED.test(text);
      const isRaised = isKnown || !hasLevel(text);
      this.#phase = isRaised ? 'raised' : 'plain';
      this.#hasTraceback ||= isKnown;
      return isRaised;
    }
    if (this.#phase === 'raised' && CHAINED.test(text)) {
      this.#phase = 'chained';
      return true;
    }
    return CAUSED.test(text) || (this.#lines > 1 && CLOSING.test(text));
  }
}
