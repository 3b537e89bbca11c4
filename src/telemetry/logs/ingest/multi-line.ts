// Which plain lines belong to the one before them: tracebacks, stacks, indented text, PEM keys.
// Must stay true: a line that a logger began with a level of its own is never swallowed, and what is joined is bounded.

import { GROUP_HEADER, HEADER } from './line-prefix.ts';

/** Beyond either of these, the next line begins a record of its own. */
export interface MultiLineLimits {
  readonly maxLines: number;
  readonly maxBytes: number;
}

/** How Python goes on when one exception was raised while another was handled, or from it. */
const CHAINED =
  /^(?:During handling of the above exception, another exception occurred:|The above exception was the direct cause of the following exception:)$/;
const CAUSED = /^(?:Caused by: |Suppressed: )/;
/** A frame of Java or JavaScript: `at a.b.C.d(C.java:10)`, `at f (/app/a.js:1:1)`, `at /app/b.js:2:2`. */
const FRAME =
  /^[ \t]{1,16}at \S.{0,500}(?::\d+\)?|\((?:Native Method|Unknown Source|<anonymous>)\))(?: \{)?$/;
const CLOSING = /^[\])}]{1,8}[;,]?$/;
/** The last line of a traceback: a class's name alone or with a message. */
const RAISED = /^[A-Za-z_][\w.]*(?:Error|Exception|Warning|Exit|Interrupt|Iteration|Group)\b/;
const KEY = /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----/;
const KEY_LINE = /^(?:[A-Za-z0-9+/=]{1,80}|Proc-Type: .{1,40}|DEK-Info: .{1,80})?$/;

/**
 * plain; frames: in a traceback; raised: behind its last line; chained: another traceback was announced;
 * key: in a PEM private key.
 */
type Phase = 'plain' | 'frames' | 'raised' | 'chained' | 'key';

/** Last line of the traceback of a Python exception group. */
const GROUP_END = /^ {2,64}\+-{8,}\s*$/;
/** A line that names the exception, with the launcher's prefix in front. */
const ANNOUNCED = /(?:^|[)\]:|] ?)Exception [a-z]/;

/** True where the line alone shows that something broke: it begins a record, whatever was before it. */
export const isTraceback = (text: string): boolean =>
  text.startsWith(HEADER) || text.startsWith(GROUP_HEADER);

/** The lines of one record, as they come. */
export class MultiLine {
  readonly #limits: MultiLineLimits;
  #text: string;
  #lines = 1;
  #bytes: number;
  #blank = 0;
  #phase: Phase = 'plain';
  #isCut: boolean;
  #hasTraceback = false;
  /** Its first line reports a failure or announces what follows, so a traceback behind it belongs to it. */
  readonly #introducesTraceback: boolean;

  constructor(text: string, bytes: number, isCut: boolean, severity: number, limits: MultiLineLimits) {
    this.#text = text;
    this.#bytes = bytes;
    this.#isCut = isCut;
    this.#limits = limits;
    this.#introducesTraceback =
      severity >= 13 ||
      text.startsWith('Exception ') ||
      (severity === 0 && (text.endsWith(':') || ANNOUNCED.test(text.slice(0, 512))));
    const header = text.indexOf(HEADER);
    if (header !== -1) {
      this.#hasTraceback = true;
      // With text behind it in the same line, the whole traceback is on that line.
      if (text.slice(header + HEADER.length).trim() === '') this.#phase = 'frames';
    }
    if (KEY.test(text) && !text.includes('-----END')) this.#phase = 'key';
  }

  /** The text of its first line; `undefined` if it has more lines. */
  get onlyLine(): string | undefined {
    return this.#lines === 1 ? this.#text : undefined;
  }

  /** True if its first line belongs to a traceback that began earlier, unseen. */
  startInsideTraceback(): void {
    if (this.#phase === 'plain') this.#phase = 'frames';
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

  /** True if it has a traceback or a stack, or a part of one. */
  get isTrace(): boolean {
    return this.#hasTraceback || this.#phase === 'frames';
  }

  /** A blank line: part of the record only if something of it follows. */
  addBlank(): void {
    this.#blank++;
  }

  /**
   * Takes the line in and returns true where it belongs here; false: it begins another record.
   * `hasLevel`: the line has a logger's level in front.
   */
  append(text: string, bytes: number, isCut: boolean, hasLevel: (text: string) => boolean): boolean {
    if (!this.#belongs(text, hasLevel)) return false;
    if (this.#lines + this.#blank >= this.#limits.maxLines || this.#bytes + bytes > this.#limits.maxBytes) {
      this.#isCut = true;
      return false;
    }
    this.#text += '\n'.repeat(this.#blank + 1) + text;
    this.#lines += this.#blank + 1;
    this.#bytes += this.#blank + 1 + bytes;
    this.#blank = 0;
    this.#isCut ||= isCut;
    return true;
  }

  #belongs(text: string, hasLevel: (text: string) => boolean): boolean {
    if (this.#phase === 'key') {
      const isKeyLine = KEY_LINE.test(text.trim());
      if (!isKeyLine) this.#phase = 'plain';
      if (isKeyLine || text.trimStart().startsWith('-----END ')) return true;
    }
    if (isTraceback(text)) {
      if (this.#phase !== 'chained' && !(this.#phase === 'plain' && this.#introducesTraceback)) return false;
      this.#phase = 'frames';
      this.#hasTraceback = true;
      return true;
    }
    if (/^[ \t]/.test(text)) {
      // Groups of exceptions draw their tracebacks indented.
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
