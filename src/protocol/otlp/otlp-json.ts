// Encodes and decodes OTLP messages as JSON, with the tables of messages.ts.
// Invariant: 64-bit integers are exact. They are written as decimal strings and read from strings and numbers.
// OTLP's JSON differs from protobuf's (docs/contracts/logs.md 3): ids are hex, enumerations are numbers, names are in
// lowerCamelCase only, and unknown names are ignored.
import { PartCounter, checkDepth, MalformedMessage } from './limits.ts';
import { emptyMessage, type MessageFields, type OtlpMessage } from './messages.ts';
import type { AnyValue, Attributes } from './any-value.ts';

type Json = Readonly<Record<string, unknown>>;
type Kind = Exclude<MessageFields[string][1], object>;

/** Decodes one message. Throws MalformedMessage. */
export function readJson<F extends MessageFields>(fields: F, text: string): OtlpMessage<F> {
  return readObject(fields, parse(text), 'message', new PartCounter()) as OtlpMessage<F>;
}

function parse(text: string): unknown {
  try {
    // The reviver is called for every value, so it is used only if there may be integers that a double cannot hold.
    return /[:[,\s]-?\d{16}/.test(text)
      ? (JSON.parse(text, keepExact as never) as unknown)
      : JSON.parse(text);
  } catch (error) {
    // RangeError: the parser's limit of nesting.
    if (error instanceof SyntaxError || error instanceof RangeError)
      throw new MalformedMessage(`is not valid JSON: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Replaces integers beyond a double's exact range by their source text. */
const keepExact = (_: string, value: unknown, { source }: { source?: string }): unknown =>
  typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER && /^-?\d+$/.test(source ?? '')
    ? source
    : value;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value for an error text. Arrays and objects are not printed, since they may be as large as the request. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  return isObject(value) ? 'an object' : String(value);
}

function wrong(where: string, value: unknown, wanted: string): never {
  throw new MalformedMessage(`has an invalid ${where}: is ${shown(value)}, must be ${wanted}`);
}

function readObject(
  fields: MessageFields,
  json: unknown,
  where: string,
  parts: PartCounter,
): Record<string, unknown> {
  if (!isObject(json)) return wrong(where, json, 'an object');
  parts.add();
  const message: Record<string, unknown> = emptyMessage(fields);
  for (const name in fields) {
    const value = json[name];
    if (value === undefined || value === null) continue;
    const kind = fields[name]![1];
    if (typeof kind === 'string') message[name] = readField(kind, value, name, parts);
    else if (!kind.isList) message[name] = readObject(kind.fields, value, name, parts);
    else message[name] = listOf(value, name).map((item) => readObject(kind.fields, item, name, parts));
  }
  return message;
}

const listOf = (value: unknown, where: string): readonly unknown[] =>
  Array.isArray(value) ? value : wrong(where, value, 'an array');

function readField(kind: Kind, value: unknown, where: string, parts: PartCounter): unknown {
  switch (kind) {
    case 'fixed64':
      return readInteger(value, where, 0n, 2n ** 64n - 1n);
    case 'int64':
      return readInteger(value, where, -(2n ** 63n), 2n ** 63n - 1n);
    case 'int32':
      if (typeof value !== 'number') wrong(where, value, 'an integer');
      return Number(readInteger(value, where, -(2n ** 31n), 2n ** 31n - 1n));
    case 'uint32':
    case 'fixed32':
      return Number(readInteger(value, where, 0n, 2n ** 32n - 1n));
    case 'string':
      return typeof value === 'string' ? value : wrong(where, value, 'a string');
    case 'traceId':
      return readId(value, where, 32);
    case 'spanId':
      return readId(value, where, 16);
    case 'value':
      return readValue(value, where, parts, 0);
    case 'attributes':
      return readPairs(value, where, parts, 0);
  }
}

function readInteger(value: unknown, where: string, min: bigint, max: bigint): bigint {
  const isInteger =
    typeof value === 'number'
      ? Number.isInteger(value)
      : typeof value === 'string' && /^-?\d{1,20}$/.test(value);
  if (!isInteger) return wrong(where, value, 'an integer');
  const integer = BigInt(value as number | string);
  return integer < min || integer > max ? wrong(where, value, `from ${min} to ${max}`) : integer;
}

function readId(value: unknown, where: string, length: number): string {
  if (value === '') return '';
  if (typeof value !== 'string' || value.length !== length || /[^0-9a-f]/i.test(value))
    return wrong(where, value, `${length} hex characters`);
  return /[^0]/.test(value) ? value.toLowerCase() : '';
}

function readPairs(value: unknown, where: string, parts: PartCounter, depth: number): Attributes {
  const attributes = new Map<string, AnyValue>();
  for (const pair of listOf(value, where)) {
    parts.add();
    const key = isObject(pair) ? (pair['key'] ?? '') : pair;
    if (!isObject(pair) || typeof key !== 'string') return wrong(where, pair, 'an object with key and value');
    attributes.set(key, readValue(pair['value'] ?? {}, `value of ${shown(key)}`, parts, depth));
  }
  return attributes;
}

function readValue(json: unknown, where: string, parts: PartCounter, depth: number): AnyValue {
  checkDepth(depth);
  parts.add();
  if (!isObject(json)) return wrong(where, json, 'an object such as {"stringValue":"…"}');
  const { stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue, bytesValue } = json;
  if (isSet(stringValue))
    return typeof stringValue === 'string' ? stringValue : wrong(where, json, 'a string');
  if (isSet(boolValue))
    return typeof boolValue === 'boolean' ? boolValue : wrong(where, json, 'true or false');
  if (isSet(intValue)) return readField('int64', intValue, where, parts) as bigint;
  if (isSet(doubleValue)) return readDouble(doubleValue, where);
  if (isSet(arrayValue))
    return valuesIn(arrayValue, where).map((item) => readValue(item, where, parts, depth + 1));
  if (isSet(kvlistValue)) return readPairs(valuesIn(kvlistValue, where), where, parts, depth + 1);
  if (!isSet(bytesValue)) return null;
  if (typeof bytesValue !== 'string' || /[^A-Za-z0-9+/_=-]/.test(bytesValue))
    return wrong(where, json, 'base64');
  return new Uint8Array(Buffer.from(bytesValue, 'base64'));
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null;

/** The items of `{"values":[…]}`, which arrays and maps have. */
const valuesIn = (json: unknown, where: string): readonly unknown[] =>
  isObject(json) ? listOf(json['values'] ?? [], where) : wrong(where, json, '{"values":[…]}');

function readDouble(value: unknown, where: string): number {
  if (typeof value === 'number') return value;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
  return Number.isNaN(number) && value !== 'NaN' ? wrong(where, value, 'a number') : number;
}

/** Encodes a message. Fields with their zero value are omitted. */
export function writeJson<F extends MessageFields>(fields: F, message: OtlpMessage<F>): string {
  return JSON.stringify(toObject(fields, message));
}

function toObject(fields: MessageFields, message: Json): Json {
  const json: Record<string, unknown> = {};
  for (const name in fields) {
    const kind = fields[name]![1];
    const value = message[name];
    if (typeof kind === 'string') {
      const encoded = toField(kind, value);
      if (encoded !== undefined) json[name] = encoded;
    } else if (!kind.isList) json[name] = toObject(kind.fields, value as Json);
    else if ((value as readonly Json[]).length > 0)
      json[name] = (value as readonly Json[]).map((item) => toObject(kind.fields, item));
  }
  return json;
}

function toField(kind: Kind, value: unknown): unknown {
  if (kind === 'value') return value === null ? undefined : toAnyValue(value as AnyValue);
  if (kind === 'attributes') {
    const attributes = value as Attributes;
    return attributes.size === 0 ? undefined : toPairs(attributes);
  }
  if (value === 0 || value === 0n || value === '') return undefined;
  return typeof value === 'bigint' ? String(value) : value;
}

const toPairs = (attributes: Attributes): unknown[] =>
  Array.from(attributes, ([key, value]) => ({ key, value: toAnyValue(value) }));

function toAnyValue(value: AnyValue): Json {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'bigint') return { intValue: String(value) };
  if (typeof value === 'number') return { doubleValue: Number.isFinite(value) ? value : String(value) };
  if (value === null) return {};
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString('base64') };
  if (value instanceof Map) return { kvlistValue: { values: toPairs(value as Attributes) } };
  return { arrayValue: { values: (value as readonly AnyValue[]).map(toAnyValue) } };
}
