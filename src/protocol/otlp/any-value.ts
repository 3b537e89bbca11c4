// Attribute values and log bodies (OTLP's AnyValue) as JavaScript values, and their form for JSON.
// Invariant: a value keeps its type: integers are bigint, doubles are number, bytes are Uint8Array.
// Attributes are a Map, so that a name such as `__proto__` has no special meaning.

/** `null`: a value without a type, which differs from an empty string and from no value. */
export type AnyValue =
  string | boolean | bigint | number | Uint8Array | null | readonly AnyValue[] | Attributes;

/** Attributes by name. OTLP forbids repeated names; if a name is repeated, the last value counts. */
export type Attributes = ReadonlyMap<string, AnyValue>;

/** A value as JSON represents it. */
export type PlainValue =
  string | boolean | number | null | readonly PlainValue[] | { readonly [name: string]: PlainValue };

/**
 * The value for JSON. Integers beyond a double's exact range become decimal strings, bytes become base64, and NaN and
 * the infinities become strings.
 */
export function plainValueOf(value: AnyValue): PlainValue {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return value instanceof Map ? plainAttributes(value) : (value as readonly AnyValue[]).map(plainValueOf);
}

/** Attributes as an object without a prototype, so that `__proto__` is an ordinary name. */
export function plainAttributes(attributes: Attributes): Record<string, PlainValue> {
  const plain = Object.create(null) as Record<string, PlainValue>;
  for (const [name, value] of attributes) plain[name] = plainValueOf(value);
  return plain;
}

/** The AnyValue of a JSON value. Integers become bigint. */
export function anyValueOf(plain: unknown): AnyValue {
  if (typeof plain === 'number') return Number.isSafeInteger(plain) ? BigInt(plain) : plain;
  if (typeof plain === 'string' || typeof plain === 'boolean' || typeof plain === 'bigint') return plain;
  if (Array.isArray(plain)) return plain.map(anyValueOf);
  return typeof plain === 'object' && plain !== null ? attributesFrom(plain) : null;
}

/** The attributes of a JSON object. */
export const attributesFrom = (plain: object): Attributes =>
  new Map(Object.entries(plain).map(([name, value]) => [name, anyValueOf(value)]));
