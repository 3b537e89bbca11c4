// Encodes and decodes OTLP messages as protobuf, with the tables of messages.ts.
// Invariant: any bytes give a message or a MalformedMessage, within the limits of limits.ts.
// Only this file imports protobufjs, and only its reader and writer of the wire format, since its reflection builds
// objects without a limit and loses bits of 64-bit integers.
import { createRequire } from 'node:module';
import type protobuf from 'protobufjs/minimal.js';
import { PartCounter, checkDepth, MalformedMessage } from './limits.ts';
import { emptyMessage, type MessageFields, type OtlpMessage } from './messages.ts';
import type { AnyValue, Attributes } from './any-value.ts';

let library: typeof protobuf | undefined;
/** Loaded on the first message, since most sidecars have none. */
const wire = () => (library ??= createRequire(import.meta.url)('protobufjs/minimal.js') as typeof protobuf);

type Reader = protobuf.Reader;
type Writer = protobuf.Writer;
type FieldsByNumber = ReadonlyMap<number, readonly [name: string, kind: MessageFields[string][1]]>;

const VARINT = 0;
const EIGHT_BYTES = 1;
const DELIMITED = 2;
const FOUR_BYTES = 5;

const WIRE_TYPES = {
  fixed64: EIGHT_BYTES,
  int64: VARINT,
  uint32: VARINT,
  fixed32: FOUR_BYTES,
  int32: VARINT,
  string: DELIMITED,
  traceId: DELIMITED,
  spanId: DELIMITED,
  value: DELIMITED,
  attributes: DELIMITED,
} as const;

const tablesByNumber = new Map<MessageFields, FieldsByNumber>();

/** A table by field number. Computed once per table. */
function byNumber(fields: MessageFields): FieldsByNumber {
  let known = tablesByNumber.get(fields);
  if (known === undefined) {
    known = new Map(Object.entries(fields).map(([name, [number, kind]]) => [number, [name, kind]]));
    tablesByNumber.set(fields, known);
  }
  return known;
}

/** Decodes one message. Throws MalformedMessage. */
export function readProtobuf<F extends MessageFields>(fields: F, bytes: Uint8Array): OtlpMessage<F> {
  // For a Buffer protobufjs uses BufferReader, which decodes UTF-8 natively.
  const reader = wire().Reader.create(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  try {
    const message = emptyMessage(fields);
    readFields(reader, reader.len, fields, message, new PartCounter());
    return message;
  } catch (error) {
    if (error instanceof MalformedMessage || !(error instanceof Error) || error instanceof TypeError)
      throw error;
    throw new MalformedMessage(`is not a valid protobuf message: ${error.message}`, { cause: error });
  }
}

/** Calls `read` for each field up to `end`. `read` returns false for an unknown field, which is then skipped. */
function forEachField(reader: Reader, end: number, read: (number: number, wire: number) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 0) throw new MalformedMessage('is not a valid protobuf message: it has field number 0');
    if (!read(tag >>> 3, tag & 7)) reader.skipType(tag & 7);
  }
  if (reader.pos !== end)
    throw new MalformedMessage('is not a valid protobuf message: a field exceeds its message');
}

/** Reads the length of a delimited field. Returns the index where the field ends. */
function readEnd(reader: Reader): number {
  const length = reader.uint32();
  if (length > reader.len - reader.pos)
    throw new MalformedMessage('is truncated: it ends in the middle of a field');
  return reader.pos + length;
}

function readFields(
  reader: Reader,
  end: number,
  fields: MessageFields,
  message: Record<string, unknown>,
  parts: PartCounter,
): void {
  const known = byNumber(fields);
  forEachField(reader, end, (number, wire) => {
    const [name, kind] = known.get(number) ?? [];
    if (name === undefined || kind === undefined) return false;
    if (typeof kind === 'string') {
      if (wire !== WIRE_TYPES[kind]) return false;
      message[name] = readField(reader, kind, message[name], parts);
      return true;
    }
    if (wire !== DELIMITED) return false;
    parts.add();
    const inner = kind.isList ? emptyMessage(kind.fields) : (message[name] as Record<string, unknown>);
    readFields(reader, readEnd(reader), kind.fields, inner, parts);
    if (kind.isList) (message[name] as unknown[]).push(inner);
    return true;
  });
}

function readField(
  reader: Reader,
  kind: keyof typeof WIRE_TYPES,
  before: unknown,
  parts: PartCounter,
): unknown {
  switch (kind) {
    case 'fixed64': {
      const low = reader.fixed32();
      return (BigInt(reader.fixed32()) << 32n) | BigInt(low);
    }
    case 'int64':
      return readInt64(reader);
    case 'uint32':
      return reader.uint32();
    case 'int32':
      return reader.int32();
    case 'fixed32':
      return reader.fixed32();
    case 'string':
      return reader.string();
    case 'traceId':
      return readId(reader, 16, 'traceId');
    case 'spanId':
      return readId(reader, 8, 'spanId');
    case 'value':
      return readValue(reader, readEnd(reader), parts, 0);
    case 'attributes': {
      // The empty Map is shared between messages, so it is not changed.
      const attributes = before instanceof Map && before.size > 0 ? before : new Map<string, AnyValue>();
      return readPair(reader, readEnd(reader), attributes, parts, 0);
    }
  }
}

function readInt64(reader: Reader): bigint {
  const { high, low } = reader.int64() as { high: number; low: number };
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function readId(reader: Reader, size: number, name: string): string {
  const bytes = reader.bytes();
  if (bytes.length !== 0 && bytes.length !== size)
    throw new MalformedMessage(
      `has an invalid ${name}: is ${bytes.length} bytes, must be ${size} bytes or empty`,
    );
  const id = Buffer.from(bytes).toString('hex');
  return /[^0]/.test(id) ? id : '';
}

/** Reads one KeyValue into `into`. */
function readPair(
  reader: Reader,
  end: number,
  into: Map<string, AnyValue>,
  parts: PartCounter,
  depth: number,
): Attributes {
  let name = '';
  let value: AnyValue = null;
  parts.add();
  forEachField(reader, end, (number, wire) => {
    if (wire !== DELIMITED || number > 2) return false;
    if (number === 1) name = reader.string();
    else value = readValue(reader, readEnd(reader), parts, depth);
    return true;
  });
  return into.set(name, value);
}

/** Reads an AnyValue. If several of its fields are set, the last one counts. */
function readValue(reader: Reader, end: number, parts: PartCounter, depth: number): AnyValue {
  checkDepth(depth);
  parts.add();
  let value: AnyValue = null;
  forEachField(reader, end, (number, wire) => {
    if (number === 1 && wire === DELIMITED) value = reader.string();
    else if (number === 2 && wire === VARINT) value = reader.bool();
    else if (number === 3 && wire === VARINT) value = readInt64(reader);
    else if (number === 4 && wire === EIGHT_BYTES) value = reader.double();
    else if (number === 5 && wire === DELIMITED) {
      const items: AnyValue[] = [];
      forEachField(reader, readEnd(reader), (inner, innerWire) => {
        if (inner !== 1 || innerWire !== DELIMITED) return false;
        items.push(readValue(reader, readEnd(reader), parts, depth + 1));
        return true;
      });
      value = items;
    } else if (number === 6 && wire === DELIMITED) {
      const map = new Map<string, AnyValue>();
      forEachField(reader, readEnd(reader), (inner, innerWire) => {
        if (inner !== 1 || innerWire !== DELIMITED) return false;
        readPair(reader, readEnd(reader), map, parts, depth + 1);
        return true;
      });
      value = map;
    } else if (number === 7 && wire === DELIMITED) value = new Uint8Array(reader.bytes());
    else return false;
    return true;
  });
  return value;
}

/** Encodes a message. Fields with their zero value are omitted, as proto3 requires. */
export function writeProtobuf<F extends MessageFields>(fields: F, message: OtlpMessage<F>): Uint8Array {
  const writer = wire().Writer.create();
  writeFields(writer, fields, message);
  return writer.finish();
}

/** A delimited field: its tag and its length, then its parts. */
export function delimited(number: number, parts: readonly Uint8Array[]): Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = wire().Writer.create().uint32(tag(number, DELIMITED)).uint32(length).finish();
  return [head, ...parts];
}

const tag = (number: number, wire: number): number => ((number << 3) | wire) >>> 0;

function writeFields(
  writer: Writer,
  fields: MessageFields,
  message: Readonly<Record<string, unknown>>,
): void {
  for (const name in fields) {
    const [number, kind] = fields[name]!;
    const value = message[name];
    if (typeof kind === 'string') writeField(writer, number, kind, value);
    else
      for (const inner of kind.isList ? (value as readonly Record<string, unknown>[]) : [value])
        writeDelimited(writer, number, () =>
          writeFields(writer, kind.fields, inner as Record<string, unknown>),
        );
  }
}

/** Writes a delimited field: its tag, its length, and what `write` writes. */
function writeDelimited(writer: Writer, number: number, write: () => void): void {
  writer.uint32(tag(number, DELIMITED)).fork();
  write();
  writer.ldelim();
}

function writeField(writer: Writer, number: number, kind: keyof typeof WIRE_TYPES, value: unknown): void {
  if (kind === 'attributes')
    for (const pair of value as Attributes) writeDelimited(writer, number, () => writePair(writer, pair));
  else if (kind === 'value') {
    if (value !== null) writeDelimited(writer, number, () => writeValue(writer, value as AnyValue));
  } else if (value !== 0 && value !== 0n && value !== '') {
    writer.uint32(tag(number, WIRE_TYPES[kind]));
    if (kind === 'fixed64') {
      const { low, high } = halves(value as bigint);
      writer.fixed32(low).fixed32(high);
    } else if (kind === 'int64') writeInt64(writer, value as bigint);
    else if (kind === 'traceId' || kind === 'spanId') writer.bytes(Buffer.from(value as string, 'hex'));
    else if (kind === 'string') writer.string(value as string);
    else writer[kind](value as number);
  }
}

const halves = (value: bigint): { low: number; high: number } => ({
  low: Number(BigInt.asUintN(32, value)),
  high: Number(BigInt.asUintN(32, value >> 32n)),
});

function writeInt64(writer: Writer, value: bigint): void {
  writer.int64({ ...halves(value), unsigned: false });
}

function writePair(writer: Writer, [name, value]: readonly [string, AnyValue]): void {
  writer.uint32(tag(1, DELIMITED)).string(name);
  writeDelimited(writer, 2, () => writeValue(writer, value));
}

function writeValue(writer: Writer, value: AnyValue): void {
  // A field of a oneof is written even if it has its zero value.
  if (typeof value === 'string') writer.uint32(tag(1, DELIMITED)).string(value);
  else if (typeof value === 'boolean') writer.uint32(tag(2, VARINT)).bool(value);
  else if (typeof value === 'bigint') writeInt64(writer.uint32(tag(3, VARINT)), value);
  else if (typeof value === 'number') writer.uint32(tag(4, EIGHT_BYTES)).double(value);
  else if (value === null) return;
  else if (value instanceof Uint8Array) writer.uint32(tag(7, DELIMITED)).bytes(value);
  else if (value instanceof Map)
    writeDelimited(writer, 6, () => {
      for (const pair of value as Attributes) writeDelimited(writer, 1, () => writePair(writer, pair));
    });
  else
    writeDelimited(writer, 5, () => {
      for (const item of value as readonly AnyValue[])
        writeDelimited(writer, 1, () => writeValue(writer, item));
    });
}
