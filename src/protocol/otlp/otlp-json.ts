// OTLP in JSON, walked by the tables of messages.ts.
// Must stay true: OTLP's own mapping, which differs from protobuf's (contracts/logplane.md C3): ids in hex, enumerations
// as numbers, names in lowerCamelCase alone, what is not known ignored. 64-bit numbers are texts of decimals when they
// are written, and read exactly from texts and numbers alike.
import { Budget, checkDepth, Malformed } from './bounds.ts';
import { emptyOf, type MessageFields, type OtlpMessage } from './messages.ts';
import type { AnyValue, Attributes } from './any-value.ts';

type Json = Readonly<Record<string, unknown>>;
type Kind = Exclude<MessageFields[string][1], object>;

/** Reads one message. Throws Malformed. */
export function readJson<F extends MessageFields>(fields: F, text: string): OtlpMessage<F> {
  return readObject(fields, parse(text), 'the message', new Budget()) as OtlpMessage<F>;
}

function parse(text: string): unknown {
  try {
    // Only where there are numbers that a double could not hold: it looks at every value of the document.
    return /[:[,\s]-?\d{16}/.test(text)
      ? (JSON.parse(text, keepDigits as never) as unknown)
      : JSON.parse(text);
  } catch (error) {
    // A RangeError: nested so deeply that the parser gives up.
    if (error instanceof SyntaxError || error instanceof RangeError)
      throw new Malformed(`is no JSON: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Numbers beyond a double's whole ones stay the text that they are. */
const keepDigits = (_: string, value: unknown, { source }: { source?: string }): unknown =>
  typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER && /^-?\d+$/.test(source ?? '')
    ? source
    : value;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lists and objects by their kind alone: they may be as deep and as large as the whole request. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  return isObject(value) ? 'an object' : String(value);
}

function wrong(where: string, value: unknown, wanted: string): never {
  throw new Malformed(`has ${where} ${shown(value)}, must be ${wanted}`);
}

function readObject(
  fields: MessageFields,
  json: unknown,
  where: string,
  budget: Budget,
): Record<string, unknown> {
  if (!isObject(json)) return wrong(where, json, 'an object');
  budget.take();
  const message: Record<string, unknown> = emptyOf(fields);
  for (const name in fields) {
    const value = json[name];
    if (value === undefined || value === null) continue;
    const kind = fields[name]![1];
    if (typeof kind === 'string') message[name] = readField(kind, value, name, budget);
    else if (!kind.isList) message[name] = readObject(kind.fields, value, name, budget);
    else message[name] = listOf(value, name).map((item) => readObject(kind.fields, item, name, budget));
  }
  return message;
}

const listOf = (value: unknown, where: string): readonly unknown[] =>
  Array.isArray(value) ? value : wrong(where, value, 'a list');

function readField(kind: Kind, value: unknown, where: string, budget: Budget): unknown {
  switch (kind) {
    case 'fixed64':
      return readInteger(value, where, 0n, 2n ** 64n - 1n);
    case 'int64':
      return readInteger(value, where, -(2n ** 63n), 2n ** 63n - 1n);
    case 'int32':
      if (typeof value !== 'number') wrong(where, value, 'a whole number');
      return Number(readInteger(value, where, -(2n ** 31n), 2n ** 31n - 1n));
    case 'uint32':
    case 'fixed32':
      return Number(readInteger(value, where, 0n, 2n ** 32n - 1n));
    case 'string':
      return typeof value === 'string' ? value : wrong(where, value, 'a text');
    case 'traceId':
      return readId(value, where, 32);
    case 'spanId':
      return readId(value, where, 16);
    case 'value':
      return readValue(value, where, budget, 0);
    case 'attributes':
      return readPairs(value, where, budget, 0);
  }
}

function readInteger(value: unknown, where: string, min: bigint, max: bigint): bigint {
  const isWhole =
    typeof value === 'number'
      ? Number.isInteger(value)
      : typeof value === 'string' && /^-?\d{1,20}$/.test(value);
  if (!isWhole) return wrong(where, value, 'a whole number');
  const whole = BigInt(value as number | string);
  return whole < min || whole > max ? wrong(where, value, `from ${min} to ${max}`) : whole;
}

function readId(value: unknown, where: string, length: number): string {
  if (value === '') return '';
  if (typeof value !== 'string' || value.length !== length || /[^0-9a-f]/i.test(value))
    return wrong(where, value, `${length} hex characters`);
  return /[^0]/.test(value) ? value.toLowerCase() : '';
}

function readPairs(value: unknown, where: string, budget: Budget, depth: number): Attributes {
  const attributes = new Map<string, AnyValue>();
  for (const pair of listOf(value, where)) {
    budget.take();
    const key = isObject(pair) ? (pair['key'] ?? '') : pair;
    if (!isObject(pair) || typeof key !== 'string') return wrong(where, pair, 'pairs of key and value');
    attributes.set(key, readValue(pair['value'] ?? {}, `the value of ${shown(key)}`, budget, depth));
  }
  return attributes;
}

function readValue(json: unknown, where: string, budget: Budget, depth: number): AnyValue {
  checkDepth(depth);
  budget.take();
  if (!isObject(json)) return wrong(where, json, 'an object such as {"stringValue":"…"}');
  const { stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue, bytesValue } = json;
  if (isSaid(stringValue))
    return typeof stringValue === 'string' ? stringValue : wrong(where, json, 'a text');
  if (isSaid(boolValue))
    return typeof boolValue === 'boolean' ? boolValue : wrong(where, json, 'true or false');
  if (isSaid(intValue)) return readField('int64', intValue, where, budget) as bigint;
  if (isSaid(doubleValue)) return readDouble(doubleValue, where);
  if (isSaid(arrayValue))
    return valuesIn(arrayValue, where).map((item) => readValue(item, where, budget, depth + 1));
  if (isSaid(kvlistValue)) return readPairs(valuesIn(kvlistValue, where), where, budget, depth + 1);
  if (!isSaid(bytesValue)) return null;
  if (typeof bytesValue !== 'string' || /[^A-Za-z0-9+/_=-]/.test(bytesValue))
    return wrong(where, json, 'base64');
  return new Uint8Array(Buffer.from(bytesValue, 'base64'));
}

const isSaid = (value: unknown): boolean => value !== undefined && value !== null;

/** `{"values":[…]}`, of lists and maps alike. */
const valuesIn = (json: unknown, where: string): readonly unknown[] =>
  isObject(json) ? listOf(json['values'] ?? [], where) : wrong(where, json, '{"values":[…]}');

function readDouble(value: unknown, where: string): number {
  if (typeof value === 'number') return value;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
  return Number.isNaN(number) && value !== 'NaN' ? wrong(where, value, 'a number') : number;
}

/** Writes a message; fields with their zero value are left out. */
export function writeJson<F extends MessageFields>(fields: F, message: OtlpMessage<F>): string {
  return JSON.stringify(objectOf(fields, message));
}

function objectOf(fields: MessageFields, message: Json): Json {
  const json: Record<string, unknown> = {};
  for (const name in fields) {
    const kind = fields[name]![1];
    const value = message[name];
    if (typeof kind === 'string') {
      const said = fieldOf(kind, value);
      if (said !== undefined) json[name] = said;
    } else if (!kind.isList) json[name] = objectOf(kind.fields, value as Json);
    else if ((value as readonly Json[]).length > 0)
      json[name] = (value as readonly Json[]).map((item) => objectOf(kind.fields, item));
  }
  return json;
}

function fieldOf(kind: Kind, value: unknown): unknown {
  if (kind === 'value') return value === null ? undefined : anyOf(value as AnyValue);
  if (kind === 'attributes') {
    const attributes = value as Attributes;
    return attributes.size === 0 ? undefined : pairsOf(attributes);
  }
  if (value === 0 || value === 0n || value === '') return undefined;
  return typeof value === 'bigint' ? String(value) : value;
}

const pairsOf = (attributes: Attributes): unknown[] =>
  Array.from(attributes, ([key, value]) => ({ key, value: anyOf(value) }));

function anyOf(value: AnyValue): Json {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'bigint') return { intValue: String(value) };
  if (typeof value === 'number') return { doubleValue: Number.isFinite(value) ? value : String(value) };
  if (value === null) return {};
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString('base64') };
  if (value instanceof Map) return { kvlistValue: { values: pairsOf(value as Attributes) } };
  return { arrayValue: { values: (value as readonly AnyValue[]).map(anyOf) } };
}
