// OTLP in protobuf, walked by the tables of messages.ts.
// Must stay true: any bytes whatever are read to a message or to a Malformed, within the bounds; what is written can be
// read again with every bit. Only this file imports protobufjs, and of it what reads and writes the wire: its reflection
// would build objects without a bound first, and cut 64-bit numbers.
import { createRequire } from 'node:module';
import type protobuf from 'protobufjs/minimal.js';
import { Budget, checkDepth, Malformed } from './bounds.ts';
import { emptyOf, type MessageFields, type OtlpMessage } from './messages.ts';
import type { AnyValue, Attributes } from './any-value.ts';

let library: typeof protobuf | undefined;
/** Loaded with the first message: most sidecars send and get none. */
const wire = () => (library ??= createRequire(import.meta.url)('protobufjs/minimal.js') as typeof protobuf);

type Reader = protobuf.Reader;
type Writer = protobuf.Writer;
type Numbered = ReadonlyMap<number, readonly [name: string, kind: MessageFields[string][1]]>;

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

const numbered = new Map<MessageFields, Numbered>();

/** A table by number, as the wire needs it. */
function byNumber(fields: MessageFields): Numbered {
  let known = numbered.get(fields);
  if (known === undefined) {
    known = new Map(Object.entries(fields).map(([name, [number, kind]]) => [number, [name, kind]]));
    numbered.set(fields, known);
  }
  return known;
}

/** Reads one message. Throws Malformed. */
export function readProtobuf<F extends MessageFields>(fields: F, bytes: Uint8Array): OtlpMessage<F> {
  // A Buffer is read by a reader of its own, which knows UTF-8 by itself.
  const reader = wire().Reader.create(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  try {
    const message = emptyOf(fields);
    readFields(reader, reader.len, fields, message, new Budget());
    return message;
  } catch (error) {
    if (error instanceof Malformed || !(error instanceof Error) || error instanceof TypeError) throw error;
    throw new Malformed(`is no protobuf message: ${error.message}`, { cause: error });
  }
}

/** Calls `read` for every field up to `end`; `read` returns false for one that it does not know. */
function each(reader: Reader, end: number, read: (number: number, wire: number) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 0) throw new Malformed('is no protobuf message: it has a field without a number');
    if (!read(tag >>> 3, tag & 7)) reader.skipType(tag & 7);
  }
  if (reader.pos !== end)
    throw new Malformed('is no protobuf message: a part of it is longer than the whole');
}

/** Where a part that begins here with its length ends. */
function endOfPart(reader: Reader): number {
  const length = reader.uint32();
  if (length > reader.len - reader.pos) throw new Malformed('is cut off: it ends within a field');
  return reader.pos + length;
}

function readFields(
  reader: Reader,
  end: number,
  fields: MessageFields,
  message: Record<string, unknown>,
  budget: Budget,
): void {
  const known = byNumber(fields);
  each(reader, end, (number, wire) => {
    const [name, kind] = known.get(number) ?? [];
    if (name === undefined || kind === undefined) return false;
    if (typeof kind === 'string') {
      if (wire !== WIRE_TYPES[kind]) return false;
      message[name] = readField(reader, kind, message[name], budget);
      return true;
    }
    if (wire !== DELIMITED) return false;
    budget.take();
    const inner = kind.isList ? emptyOf(kind.fields) : (message[name] as Record<string, unknown>);
    readFields(reader, endOfPart(reader), kind.fields, inner, budget);
    if (kind.isList) (message[name] as unknown[]).push(inner);
    return true;
  });
}

function readField(reader: Reader, kind: keyof typeof WIRE_TYPES, before: unknown, budget: Budget): unknown {
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
      return readId(reader, 16, 'trace');
    case 'spanId':
      return readId(reader, 8, 'span');
    case 'value':
      return readValue(reader, endOfPart(reader), budget, 0);
    case 'attributes': {
      // The zero value is shared by all who have none.
      const attributes = before instanceof Map && before.size > 0 ? before : new Map<string, AnyValue>();
      return readPair(reader, endOfPart(reader), attributes, budget, 0);
    }
  }
}

function readInt64(reader: Reader): bigint {
  const { high, low } = reader.int64() as { high: number; low: number };
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function readId(reader: Reader, size: number, what: string): string {
  const bytes = reader.bytes();
  if (bytes.length !== 0 && bytes.length !== size)
    throw new Malformed(`has a ${what} id of ${bytes.length} bytes, must be ${size} or none`);
  const id = Buffer.from(bytes).toString('hex');
  return /[^0]/.test(id) ? id : '';
}

/** One KeyValue, put into the attributes. */
function readPair(
  reader: Reader,
  end: number,
  into: Map<string, AnyValue>,
  budget: Budget,
  depth: number,
): Attributes {
  let name = '';
  let value: AnyValue = null;
  budget.take();
  each(reader, end, (number, wire) => {
    if (wire !== DELIMITED || number > 2) return false;
    if (number === 1) name = reader.string();
    else value = readValue(reader, endOfPart(reader), budget, depth);
    return true;
  });
  return into.set(name, value);
}

/** AnyValue; of several that are said, the last counts. */
function readValue(reader: Reader, end: number, budget: Budget, depth: number): AnyValue {
  checkDepth(depth);
  budget.take();
  let value: AnyValue = null;
  each(reader, end, (number, wire) => {
    if (number === 1 && wire === DELIMITED) value = reader.string();
    else if (number === 2 && wire === VARINT) value = reader.bool();
    else if (number === 3 && wire === VARINT) value = readInt64(reader);
    else if (number === 4 && wire === EIGHT_BYTES) value = reader.double();
    else if (number === 5 && wire === DELIMITED) {
      const items: AnyValue[] = [];
      each(reader, endOfPart(reader), (inner, innerWire) => {
        if (inner !== 1 || innerWire !== DELIMITED) return false;
        items.push(readValue(reader, endOfPart(reader), budget, depth + 1));
        return true;
      });
      value = items;
    } else if (number === 6 && wire === DELIMITED) {
      const map = new Map<string, AnyValue>();
      each(reader, endOfPart(reader), (inner, innerWire) => {
        if (inner !== 1 || innerWire !== DELIMITED) return false;
        readPair(reader, endOfPart(reader), map, budget, depth + 1);
        return true;
      });
      value = map;
    } else if (number === 7 && wire === DELIMITED) value = new Uint8Array(reader.bytes());
    else return false;
    return true;
  });
  return value;
}

/** Writes a message; fields with their zero value are left out, as proto3 asks. */
export function writeProtobuf<F extends MessageFields>(fields: F, message: OtlpMessage<F>): Uint8Array {
  const writer = wire().Writer.create();
  writeFields(writer, fields, message);
  return writer.finish();
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
        writePart(writer, number, () => writeFields(writer, kind.fields, inner as Record<string, unknown>));
  }
}

/** A part with its length before it. */
function writePart(writer: Writer, number: number, write: () => void): void {
  writer.uint32(tag(number, DELIMITED)).fork();
  write();
  writer.ldelim();
}

function writeField(writer: Writer, number: number, kind: keyof typeof WIRE_TYPES, value: unknown): void {
  if (kind === 'attributes')
    for (const pair of value as Attributes) writePart(writer, number, () => writePair(writer, pair));
  else if (kind === 'value') {
    if (value !== null) writePart(writer, number, () => writeValue(writer, value as AnyValue));
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
  writePart(writer, 2, () => writeValue(writer, value));
}

function writeValue(writer: Writer, value: AnyValue): void {
  // One of several: said also where it is its kind's zero.
  if (typeof value === 'string') writer.uint32(tag(1, DELIMITED)).string(value);
  else if (typeof value === 'boolean') writer.uint32(tag(2, VARINT)).bool(value);
  else if (typeof value === 'bigint') writeInt64(writer.uint32(tag(3, VARINT)), value);
  else if (typeof value === 'number') writer.uint32(tag(4, EIGHT_BYTES)).double(value);
  else if (value === null) return;
  else if (value instanceof Uint8Array) writer.uint32(tag(7, DELIMITED)).bytes(value);
  else if (value instanceof Map)
    writePart(writer, 6, () => {
      for (const pair of value as Attributes) writePart(writer, 1, () => writePair(writer, pair));
    });
  else
    writePart(writer, 5, () => {
      for (const item of value as readonly AnyValue[]) writePart(writer, 1, () => writeValue(writer, item));
    });
}
