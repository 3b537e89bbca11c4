// Formats the access log: one line for every exchange that has ended, as JSON or as text for a terminal.
// Invariant: a line is valid JSON whatever the client sent, and has no header, no body, and no query, since that may
// carry secrets. Hot path: what requests share is formatted once, the rest is digits.
import { clockTime } from '../../../core/logger.ts';
import { FLAG, REQUEST, type FrameBytes } from './frames.ts';
import { llmValue } from '../store/llm-numbers.ts';
import { SHOWN_NUMBERS, type ModelLine } from './model-line.ts';

/** What the lines of many requests share. */
export interface AccessFacts {
  readonly protocol: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly cause: string;
  readonly detail: string;
  readonly remote: string;
  /** Subject of the client's certificate; empty without one. */
  readonly clientSubject: string;
  readonly attempts: number;
  readonly isAsync: boolean;
  /** An HTTP request or WebSocket over HTTP/2. */
  readonly isHttp2: boolean;
  readonly deployment: string;
  readonly environment: string;
  readonly replica: string;
  /** Name of the client's key; empty: none. */
  readonly key: string;
}

/** The text of a line before and after the numbers of one request. */
export interface AccessTexts {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly facts: AccessFacts;
}

const encoder = new TextEncoder();
const NO_NUMBERS = new Float64Array();
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text);

/** A line up to its id. The time stands at TIME_AT, its milliseconds at MILLIS_AT. */
const BEGIN = '{"time":"0000-00-00T00:00:00.000Z","level":"info","event":"exchange","request_id":"';
const TIME_AT = 9;
const MILLIS_AT = 29;
const TIME_BYTES = 24;
const QUEUE = bytesOf(',"queue_ms":');
const HEAD = bytesOf(',"head_ms":');
const NO_QUEUE_HEAD = bytesOf(',"queue_ms":0,"head_ms":');
const FIRST_BYTE = bytesOf(',"first_byte_ms":');
const REQUEST_BYTES = bytesOf(',"request_bytes":');
const RESPONSE_BYTES = bytesOf(',"response_bytes":');
const NULL = bytesOf('null');
const HEX = bytesOf('0123456789abcdef');
const ZERO = 48;
const DOT = 46;
/** Bytes of a JSON line without its shared texts and its id; the second of those of a model. */
const NUMBERS_BYTES = 512;
const MODEL_BYTES = 512;
const FIRST_BYTES = 64 * 1024;

export function accessTexts(facts: AccessFacts): AccessTexts {
  const { protocol, method, path, status, cause, detail, remote, attempts, isAsync } = facts;
  const { deployment, environment, replica, clientSubject, key, isHttp2 } = facts;
  return {
    before: bytesOf(
      `","protocol":"${protocol}","method":${JSON.stringify(method)},"path":${JSON.stringify(path)},"status":${status}` +
        `,"cause":"${cause}","duration_ms":`,
    ),
    after: bytesOf(
      `,"attempts":${attempts}` +
        (deployment === '' ? '' : `,"deployment":"${deployment}","environment":"${environment}"`) +
        (replica === '' ? '' : `,"replica":"${replica}"`) +
        (isAsync ? ',"async":true' : '') +
        (isHttp2 ? ',"http_version":"2"' : '') +
        (remote === '' ? '' : `,"remote":"${remote}"`) +
        (clientSubject === '' ? '' : `,"client_subject":${JSON.stringify(clientSubject)}`) +
        (key === '' ? '' : `,"key":${JSON.stringify(key)}`) +
        (detail === '' ? '' : `,"detail":${JSON.stringify(detail)}`) +
        '}\n',
    ),
    facts,
  };
}

/** Collects lines as bytes. */
export class AccessLines {
  readonly #isText: boolean;
  #bytes = new Uint8Array(FIRST_BYTES);
  /** What was taken last. */
  #spare = new Uint8Array(0);
  #end = 0;
  /** BEGIN with the time of the last line. */
  readonly #begin = bytesOf(BEGIN);
  #timeMs = -1;
  #secondMs = NaN;

  constructor(isText: boolean) {
    this.#isText = isText;
  }

  /** Adds the line of the request whose frame is at byte `at`. `model`, `numbers`: of a request to a
   * language model. */
  add(
    { before, after, facts }: AccessTexts,
    { u8, u32, f64 }: FrameBytes,
    at: number,
    model?: ModelLine,
    numbers = NO_NUMBERS,
  ): void {
    const double = at >> 3;
    const second = u32[(at >> 2) + 1]!;
    const idAt = at + 4 * REQUEST.ids;
    const idLength = second >>> 16;
    const isHex = (second & FLAG.hexId) !== 0;
    const startMs = f64[double + REQUEST.startMs / 2]!;
    const duration = f64[double + REQUEST.duration / 2]!;
    if (this.#isText)
      return this.addText(
        textLine(facts, startMs, duration, idText(u8, idAt, idLength, isHex), model?.text(numbers)),
      );
    this.#reserve(NUMBERS_BYTES + before.length + after.length + idLength);
    this.#putBegin(startMs);
    this.#putId(u8, idAt, idLength, isHex);
    this.#put(before);
    this.#putMillis(duration);
    const waited = f64[double + REQUEST.waited / 2]!;
    if (waited === 0) this.#put(NO_QUEUE_HEAD);
    else {
      this.#put(QUEUE);
      this.#putMillis(waited);
      this.#put(HEAD);
    }
    this.#putElapsed(f64[double + REQUEST.head / 2]!);
    this.#put(FIRST_BYTE);
    this.#putElapsed(f64[double + REQUEST.firstByte / 2]!);
    this.#put(REQUEST_BYTES);
    this.#putWhole(f64[double + REQUEST.requestBytes / 2]!);
    this.#put(RESPONSE_BYTES);
    this.#putWhole(f64[double + REQUEST.responseBytes / 2]!);
    if (model !== undefined) this.#putModel(model, numbers, after.length);
    this.#put(after);
  }

  /** `rest`: bytes that follow. */
  #putModel({ before, after }: ModelLine, numbers: Float64Array, rest: number): void {
    this.#reserve(MODEL_BYTES + before.length + after.length + rest);
    this.#put(before);
    for (const { index, name, scale } of SHOWN_NUMBERS) {
      const stored = numbers[index]!;
      if (stored === 0) continue;
      this.#put(name);
      if (scale === 1) this.#putWhole(stored - 1);
      else this.#put(bytesOf(String(llmValue(stored, scale))));
    }
    this.#put(after);
  }

  /** Adds bytes of whole lines. */
  addBytes(line: Uint8Array): void {
    this.#reserve(line.length);
    this.#put(line);
  }

  addText(line: string): void {
    this.addBytes(bytesOf(line));
  }

  /** Returns all lines so far, and begins anew. `undefined`: there are none. `areFree`: those taken before are written. */
  take(areFree: boolean): Uint8Array | undefined {
    if (this.#end === 0) return undefined;
    const taken = this.#bytes;
    const { length } = taken;
    // About as much is needed next time. Memory that is used again costs neither zeros nor a collection of garbage.
    this.#bytes = areFree && this.#spare.length >= length / 2 ? this.#spare : new Uint8Array(length);
    this.#spare = taken;
    const end = this.#end;
    this.#end = 0;
    return taken.subarray(0, end);
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#end + bytes));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
  }

  #put(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  #putBegin(epochMs: number): void {
    const begin = this.#begin;
    if (epochMs !== this.#timeMs) {
      this.#timeMs = epochMs;
      const millis = epochMs - this.#secondMs;
      if (millis >= 0 && millis < 1000) {
        begin[MILLIS_AT] = ZERO + Math.floor(millis / 100);
        begin[MILLIS_AT + 1] = ZERO + (Math.floor(millis / 10) % 10);
        begin[MILLIS_AT + 2] = ZERO + (millis % 10);
      } else {
        this.#secondMs = epochMs - (epochMs % 1000);
        encoder.encodeInto(new Date(epochMs).toISOString(), begin.subarray(TIME_AT, TIME_AT + TIME_BYTES));
      }
    }
    this.#put(begin);
  }

  #putId(id: Uint8Array, at: number, length: number, isHex: boolean): void {
    if (!isHex) return this.#put(id.subarray(at, at + length));
    const out = this.#bytes;
    let end = this.#end;
    for (let i = 0; i < length; i++) {
      const byte = id[at + (i >> 1)]!;
      out[end++] = HEX[(i & 1) === 0 ? byte >> 4 : byte & 15]!;
    }
    this.#end = end;
  }

  #putElapsed(micros: number): void {
    if (micros === 0) this.#put(NULL);
    else this.#putMillis(micros - 1);
  }

  /** Microseconds as milliseconds with three decimals. */
  #putMillis(micros: number): void {
    const millis = Math.floor(micros / 1000);
    const rest = micros - millis * 1000;
    this.#putWhole(millis);
    const out = this.#bytes;
    const hundreds = Math.floor(rest / 100);
    const tens = Math.floor(rest / 10) - hundreds * 10;
    out[this.#end++] = DOT;
    out[this.#end++] = ZERO + hundreds;
    out[this.#end++] = ZERO + tens;
    out[this.#end++] = ZERO + (rest - hundreds * 100 - tens * 10);
  }

  #putWhole(value: number): void {
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits++;
    let rest = value;
    const end = this.#end + digits;
    for (let at = end - 1; at >= this.#end; at--) {
      const quotient = Math.floor(rest / 10);
      this.#bytes[at] = ZERO + (rest - quotient * 10);
      rest = quotient;
    }
    this.#end = end;
  }
}

/** A request id as text. `at`: where its bytes begin. */
export const idText = (bytes: Uint8Array, at: number, length: number, isHex: boolean): string => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return isHex
    ? buffer.toString('hex', at, at + ((length + 1) >> 1)).slice(0, length)
    : buffer.toString('latin1', at, at + length);
};

/** The line for a terminal. `duration`: in microseconds. */
function textLine(facts: AccessFacts, startMs: number, duration: number, id: string, model = ''): string {
  const { method, path, status, cause, detail, deployment, replica } = facts;
  // JSON quoting, without the quotes: a client's control characters must not reach the terminal.
  const target = JSON.stringify(`${method} ${path}`).slice(1, -1);
  const where = deployment === '' ? '' : ` ${deployment}${replica === '' ? '' : `/${replica}`}`;
  return (
    `${clockTime(new Date(startMs))} ${status} ${target} ${(duration / 1000).toFixed(1)}ms` +
    `${where} ${id}${model}${cause === 'ok' ? '' : ` ${cause}`}${detail === '' ? '' : ` (${detail})`}\n`
  );
}
