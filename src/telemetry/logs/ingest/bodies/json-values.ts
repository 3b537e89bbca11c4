// Reading values that somebody else wrote. Must stay true: what is not of the kind that was asked for is not there.

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A JSON object; `undefined` for everything else. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** As JSON; `undefined` for what is nested deeper than can be written. */
export function textOfJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

export const objectAt = (fields: JsonObject | undefined, name: string): JsonObject | undefined => {
  const value = fields?.[name];
  return isObject(value) ? value : undefined;
};

export const listAt = (fields: JsonObject | undefined, name: string): readonly unknown[] => {
  const value = fields?.[name];
  return Array.isArray(value) ? value : [];
};

export const textAt = (fields: JsonObject | undefined, name: string): string => {
  const value = fields?.[name];
  return typeof value === 'string' ? value : '';
};

/** A count: a whole number from 0 on that is exact. */
export const countAt = (fields: JsonObject | undefined, name: string): number | undefined => {
  const value = fields?.[name];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
};

/** Places in lists that a stream may write to: more than any answer has, and few enough to be kept. */
export const MAX_LIST_ENTRIES = 128;

export const indexAt = (fields: JsonObject, name: string): number | undefined => {
  const place = countAt(fields, name) ?? 0;
  return place < MAX_LIST_ENTRIES ? place : undefined;
};
