// Follows the events of a streamed response while its bytes pass, without keeping them: text/event-stream, or one JSON
// object per line. Hot path.
// Invariant: the same bytes give the same events at every split, and the same as protocol/http/event-stream.ts gives.
// Source: HTML standard, 9.2.5 and 9.2.6 (server-sent events).
import type { PayloadSink } from '../http/body-framing.ts';
import { indexOfByte } from './byte-search.ts';
import type { ResponseReader } from './response-reader.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const BOM = [0xef, 0xbb, 0xbf];

/** Of data that is not a JSON object this much is kept, in bytes. */
const MAX_TEXT_BYTES = 1024;
/** Longest name of a field that is of interest, plus 1. */
const MAX_NAME = 6;

/** States: what comes next, or what the last byte was in. */
const START = 0;
const LINE = 1;
const NAME = 2;
/** After the colon of a data field. */
const DATA_START = 3;
/** In data, before its first character. */
const DATA = 4;
const JSON_DATA = 5;
const TEXT_DATA = 6;
const TYPE_START = 7;
const TYPE = 8;
const IGNORED = 9;

/** What the data of the current event is so far. */
const NO_DATA = 0;
/** Empty lines. */
const BLANK = 1;
const OBJECT = 2;
const TEXT = 3;

const ERROR = 'error';
/** The global one is looked up at each use. */
const clock = performance;

export class EventReader implements PayloadSink {
  readonly #reader: ResponseReader;
  #isJsonLines = false;
  #state = START;
  #boms = 0;
  /** The last byte was a CR: an LF that follows belongs to the same line end. */
  #isAfterCr = false;
  #name = '';
  #data = NO_DATA;
  #text = '';
  /** Characters of the event's type that agree with `error`; -1: another type. */
  #errorType = -1;
  #nowMs = 0;
  /** The bytes come when they are sent. */
  isTimed = true;
  /** Where the next LF and the next CR of the current bytes are, if that is still ahead. */
  #nextLf = -1;
  #nextCr = -1;

  constructor(reader: ResponseReader) {
    this.#reader = reader;
  }

  /** Begins a body. `isJsonLines`: one JSON object per line. */
  begin(isJsonLines: boolean): void {
    this.#isJsonLines = isJsonLines;
    this.isTimed = true;
    this.#state = START;
    this.#boms = 0;
    this.#isAfterCr = false;
    this.#data = NO_DATA;
    this.#text = '';
    this.#errorType = -1;
    this.#reader.begin(true);
  }

  /** Reads bytes[from, to), which came just now. */
  push(bytes: Buffer, from: number, to: number): void {
    this.#nowMs = 0;
    this.#nextLf = this.#nextCr = -1;
    let i = from;
    while (i < to) {
      const byte = bytes[i]!;
      switch (this.#state) {
        case START:
          if (byte === BOM[this.#boms]) {
            i++;
            if (++this.#boms === BOM.length) this.#state = LINE;
          } else this.#state = this.#boms === 0 ? LINE : IGNORED;
          break;
        case LINE:
          i = this.#line(bytes, byte, i, to);
          break;
        case NAME:
          if (byte === COLON || byte === LF || byte === CR) {
            this.#endName(byte === COLON);
            if (byte === COLON) i++;
          } else {
            if (this.#name.length < MAX_NAME) this.#name += String.fromCharCode(byte);
            i++;
          }
          break;
        case DATA_START:
          this.#beginData();
          if (byte === SPACE) i++;
          break;
        case DATA:
          if (byte === OPEN_OBJECT) {
            this.#data = OBJECT;
            this.#state = JSON_DATA;
            const end = this.#reader.pushKnown(bytes, i, to);
            if (end !== -1) i = end;
          } else if (byte === LF || byte === CR) i = this.#endLine(byte, i);
          else if (byte <= SPACE) i++;
          else {
            this.#data = TEXT;
            this.#state = TEXT_DATA;
          }
          break;
        case JSON_DATA: {
          const end = byte === LF ? i : this.#lineEnd(bytes, i, to);
          this.#reader.push(bytes, i, end);
          i = end === to ? to : this.#endLine(bytes[end]!, end);
          break;
        }
        case TYPE_START:
          this.#state = TYPE;
          this.#errorType = 0;
          if (byte === SPACE) i++;
          break;
        case TYPE:
          if (byte === LF || byte === CR) i = this.#endLine(byte, i);
          else {
            const at = this.#errorType;
            this.#errorType = at !== -1 && byte === ERROR.charCodeAt(at) ? at + 1 : -1;
            if (this.#errorType === -1) this.#state = IGNORED;
            i++;
          }
          break;
        default: {
          const end = this.#lineEnd(bytes, i, to);
          const room = MAX_TEXT_BYTES - this.#text.length;
          if (this.#state === TEXT_DATA && room > 0)
            this.#text += bytes.latin1Slice(i, Math.min(end, i + room));
          i = end === to ? to : this.#endLine(bytes[end]!, end);
        }
      }
    }
  }

  /** The body has ended. `isWhole`: by its framing. The last event needs no blank line then. */
  end(isWhole: boolean): void {
    if (!isWhole) return;
    if (this.#state === NAME) this.#endName(false);
    else if (this.#state === DATA_START) this.#beginData();
    this.#endEvent();
  }

  /** Index of the next line end in bytes[from, to), or `to`. Each is searched for once. */
  #lineEnd(bytes: Buffer, from: number, to: number): number {
    if (this.#nextLf < from) this.#nextLf = indexOfByte(bytes, LF, from, to);
    if (this.#nextCr < from) this.#nextCr = indexOfByte(bytes, CR, from, to);
    return Math.min(this.#nextLf, this.#nextCr);
  }

  /** The value of a data field begins. */
  #beginData(): void {
    if (this.#data <= BLANK) {
      this.#data = BLANK;
      this.#state = DATA;
    } else if (this.#data === OBJECT) {
      this.#reader.endLine();
      this.#state = JSON_DATA;
    } else {
      if (this.#text.length < MAX_TEXT_BYTES) this.#text += '\n';
      this.#state = TEXT_DATA;
    }
  }

  /** At the begin of a line. */
  #line(bytes: Buffer, byte: number, i: number, to: number): number {
    if (this.#isAfterCr) {
      this.#isAfterCr = false;
      if (byte === LF) return i + 1;
    }
    if (byte === LF || byte === CR) {
      this.#endEvent();
      return this.#endLine(byte, i);
    }
    if (this.#isJsonLines) {
      this.#state = DATA;
      return i;
    }
    // "data:", the usual one.
    if (
      to - i > 4 &&
      byte === 0x64 &&
      bytes[i + 1] === 0x61 &&
      bytes[i + 2] === 0x74 &&
      bytes[i + 3] === 0x61 &&
      bytes[i + 4] === COLON
    ) {
      this.#state = DATA_START;
      return i + 5;
    }
    this.#name = '';
    this.#state = NAME;
    return i;
  }

  /** The line end at `i`. */
  #endLine(byte: number, i: number): number {
    this.#isAfterCr = byte === CR;
    this.#state = LINE;
    if (this.#isJsonLines) this.#endEvent();
    return i + 1;
  }

  #endName(hasValue: boolean): void {
    const name = this.#name;
    if (name === 'data') {
      if (hasValue) this.#state = DATA_START;
      else this.#beginData();
    } else if (name === 'event') {
      this.#state = hasValue ? TYPE_START : IGNORED;
      if (hasValue) this.#errorType = -1;
    }
    // llama.cpp sends errors in a field `error` instead of `data`.
    else if (name === ERROR && hasValue) {
      this.#state = DATA_START;
      this.#errorType = ERROR.length;
    } else this.#state = IGNORED;
  }

  #endEvent(): void {
    const data = this.#data;
    const isError = this.#errorType === ERROR.length;
    this.#errorType = -1;
    if (data === NO_DATA) return;
    this.#data = NO_DATA;
    const reader = this.#reader;
    if (data !== OBJECT) {
      const text = this.#text;
      this.#text = '';
      if (text.trim() === '[DONE]') reader.done();
      else if (isError) reader.endErrorText(completeText(text));
      return;
    }
    if (reader.isWhole) {
      if (this.#nowMs === 0 && this.isTimed && reader.hasContent) this.#nowMs = clock.now();
      reader.endEvent(isError ? ERROR : '', this.#nowMs);
    } else if (isError) reader.endErrorText('');
    reader.beginEvent();
  }
}

/** The text of UTF-8 bytes, without spaces around it and without a character that is cut at the end. */
const completeText = (bytes: string): string =>
  bytes === '' ? '' : new TextDecoder().decode(Buffer.from(bytes, 'latin1'), { stream: true }).trim();
