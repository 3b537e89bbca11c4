// Values of attributes and bodies (OTLP's AnyValue) as values of this language, and their plain form for JSON.
// Must stay true: a value keeps its kind. A whole number (bigint) is no floating one (number), and text is no bytes;
// names of attributes are keys of a Map, so that no name means anything to the language.

/** `null`: a value that is empty, which is neither the empty text nor absent. */
export type AnyValue =
  string | boolean | bigint | number | Uint8Array | null | readonly AnyValue[] | Attributes;

/** Attributes by name. OTLP forbids a name twice; where one comes twice, the last counts. */
export type Attributes = ReadonlyMap<string, AnyValue>;

/** A value that JSON can say. */
export type PlainValue =
  string | boolean | number | null | readonly PlainValue[] | { readonly [name: string]: PlainValue };

/** Whole numbers that a double cannot hold and bytes become text (decimal, base64), as do NaN and the infinities. */
export function plainOf(value: AnyValue): PlainValue {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return value instanceof Map ? plainAttributes(value) : (value as readonly AnyValue[]).map(plainOf);
}

/** Without a prototype: an attribute named `__proto__` is one like any other. */
export function plainAttributes(attributes: Attributes): Record<string, PlainValue> {
  const plain = Object.create(null) as Record<string, PlainValue>;
  for (const [name, value] of attributes) plain[name] = plainOf(value);
  return plain;
}

/** The value of something plain: a number that is whole is taken for a whole number. */
export function anyValueOf(plain: unknown): AnyValue {
  if (typeof plain === 'number') return Number.isSafeInteger(plain) ? BigInt(plain) : plain;
  if (typeof plain === 'string' || typeof plain === 'boolean' || typeof plain === 'bigint') return plain;
  if (Array.isArray(plain)) return plain.map(anyValueOf);
  return typeof plain === 'object' && plain !== null ? attributesFrom(plain) : null;
}

/** Attributes from what a JSON object says. */
export const attributesFrom = (plain: object): Attributes =>
  new Map(Object.entries(plain).map(([name, value]) => [name, anyValueOf(value)]));
