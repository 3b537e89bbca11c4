// Writes OTLP log records as protobuf into one buffer. Unlike protobuf.ts it makes no message in memory first, since
// exporters send every stored record. Hot path while records are exported.
// Invariant: the bytes are those that protobuf.ts writes for the same log records.
import type { AnyValue } from './any-value.ts';
import { writeProtobuf } from './protobuf.ts';

/** Space for the tags and lengths of a field, and for a field of fixed size. */
const FIELD_BYTES = 32;
/** Bytes for the tag of a log record and its length, which is known at its end. */
const HEAD_BYTES = 3;
/** Texts below this length are copied one character after the other, which is faster than a native call. */
const SHORT_TEXT = 48;
/** Attributes that are kept encoded, of each name. */
const MAX_KEPT = 1024;

/** Tags: field number and wire type of messages.ts, in one byte. */
const TAG = {
  record: 0x12,
  time: 0x09,
  observedTime: 0x59,
  severityNumber: 0x10,
  severityText: 0x1a,
  body: 0x2a,
  attribute: 0x32,
  traceId: 0x4a,
  spanId: 0x52,
  pairName: 0x0a,
  pairValue: 0x12,
  valueText: 0x0a,
} as const;

const varintBytes = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;

/** Name of an attribute, and its encoded values. */
export class AttributeName {
  readonly name: string;
  /** The name as a field of an attribute, and the tag of the value. */
  readonly head: Uint8Array;
  /** Whole attributes by value. */
  readonly kept = new Map<string, Uint8Array>();

  constructor(name: string) {
    this.name = name;
    const pair = writeProtobuf({ name: [1, 'string'] }, { name });
    this.head = Uint8Array.of(...(name === '' ? [TAG.pairName, 0] : pair), TAG.pairValue);
  }
}

export class LogWriter {
  #bytes: Buffer;
  #view: DataView;
  #at = 0;
  /** Where the current log record and the text of its body begin. */
  #start = 0;
  #bodyAt = 0;
  #bodyBytes = 0;

  /** `bytes`: size of the buffer, which grows if it must. */
  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafe(bytes);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
  }

  /** Size of the buffer. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** The log records, each as an element of `logRecords`. Valid until the next one is begun. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Begins a log record. Its fields are written in the order of messages.ts, so of the methods below. */
  begin(timeNs: bigint): void {
    this.#reserve(HEAD_BYTES + FIELD_BYTES);
    this.#start = this.#at;
    this.#at += HEAD_BYTES;
    this.#bodyBytes = 0;
    if (timeNs === 0n) return;
    this.#bytes[this.#at] = TAG.time;
    this.#view.setBigUint64(this.#at + 1, timeNs, true);
    this.#bytes[this.#at + 9] = TAG.observedTime;
    this.#view.setBigUint64(this.#at + 10, timeNs, true);
    this.#at += 18;
  }

  /** 0: there is none. `text`: its name, in ASCII; '': there is none. */
  severity(number: number, text: string): void {
    if (number === 0) return;
    this.#reserve(FIELD_BYTES + 3 * text.length);
    this.#bytes[this.#at++] = TAG.severityNumber;
    this.#varint(number);
    if (text === '') return;
    this.#bytes[this.#at++] = TAG.severityText;
    this.#varint(text.length);
    this.#at += this.#write(text);
  }

  body(text: string): void {
    this.#reserve(FIELD_BYTES + 3 * text.length);
    this.#bytes[this.#at++] = TAG.body;
    this.#bodyBytes = this.#textValue(text);
    this.#bodyAt = this.#at - this.#bodyBytes;
  }

  attribute(name: AttributeName, value: AnyValue): void {
    if (typeof value === 'string') this.#textAttribute(name, value);
    else
      this.#raw(
        writeProtobuf({ attributes: [6, 'attributes'] }, { attributes: new Map([[name.name, value]]) }),
      );
  }

  /** Like `attribute`, for a value that many log records have. */
  repeatedAttribute(name: AttributeName, value: string): void {
    const kept = name.kept.get(value);
    if (kept !== undefined) return this.#raw(kept);
    const from = this.#at;
    this.#textAttribute(name, value);
    if (name.kept.size >= MAX_KEPT) name.kept.clear();
    name.kept.set(value, new Uint8Array(this.#bytes.subarray(from, this.#at)));
  }

  /** An attribute with the text of the body. */
  bodyAttribute({ head }: AttributeName): void {
    const length = this.#bodyBytes;
    this.#reserve(FIELD_BYTES + head.length + length);
    this.#attributeHead(head, length);
    this.#bytes.copyWithin(this.#at, this.#bodyAt, this.#bodyAt + length);
    this.#at += length;
  }

  /** Ends the log record. The ids are hex digits; '': there is none. */
  end(traceId: string, spanId: string): void {
    this.#reserve(2 * FIELD_BYTES + traceId.length + spanId.length);
    this.#id(TAG.traceId, traceId);
    this.#id(TAG.spanId, spanId);
    const length = this.#at - this.#start - HEAD_BYTES;
    const headBytes = 1 + varintBytes(length);
    if (headBytes !== HEAD_BYTES) {
      this.#reserve(FIELD_BYTES);
      this.#bytes.copyWithin(this.#start + headBytes, this.#start + HEAD_BYTES, this.#at);
    }
    this.#at = this.#start;
    this.#bytes[this.#at++] = TAG.record;
    this.#varint(length);
    this.#at += length;
  }

  #id(tag: number, id: string): void {
    if (id === '') return;
    const length = this.#bytes.write(id, this.#at + 2, 'hex');
    this.#bytes[this.#at] = tag;
    this.#bytes[this.#at + 1] = length;
    this.#at += 2 + length;
  }

  #textAttribute({ head }: AttributeName, text: string): void {
    this.#reserve(FIELD_BYTES + head.length + 3 * text.length);
    const from = this.#at;
    this.#attributeHead(head, text.length);
    const length = this.#write(text);
    if (length === text.length) this.#at += length;
    else {
      // The text is not ASCII, so it is longer than expected.
      const textAt = this.#at;
      this.#at = from;
      this.#attributeHead(head, length, textAt);
      this.#at += length;
    }
  }

  /** All of an attribute but its text of `length` bytes. `textAt`: where the text is, which is moved behind it. */
  #attributeHead(head: Uint8Array, length: number, textAt?: number): void {
    const valueBytes = 1 + varintBytes(length) + length;
    const pairBytes = head.length + varintBytes(valueBytes) + valueBytes;
    if (textAt !== undefined) {
      const to = this.#at + 1 + varintBytes(pairBytes) + pairBytes - length;
      this.#bytes.copyWithin(to, textAt, textAt + length);
    }
    this.#bytes[this.#at++] = TAG.attribute;
    this.#varint(pairBytes);
    for (let i = 0; i < head.length; i++) this.#bytes[this.#at++] = head[i]!;
    this.#varint(valueBytes);
    this.#bytes[this.#at++] = TAG.valueText;
    this.#varint(length);
  }

  /** Writes a text as the length of a value and the value. Returns the bytes of the text, which are the last ones. */
  #textValue(text: string): number {
    const length = Buffer.byteLength(text);
    this.#varint(1 + varintBytes(length) + length);
    this.#bytes[this.#at++] = TAG.valueText;
    this.#varint(length);
    this.#at += this.#write(text);
    return length;
  }

  /** Writes a text without moving on. Returns its bytes. */
  #write(text: string): number {
    if (text.length >= SHORT_TEXT) return this.#bytes.write(text, this.#at);
    const bytes = this.#bytes;
    const at = this.#at;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return bytes.write(text, at);
      bytes[at + i] = code;
    }
    return text.length;
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#at + more));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer, larger.byteOffset);
  }
}
