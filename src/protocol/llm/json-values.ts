// Reads values from untrusted JSON. A value of another type counts as missing.

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Parses a JSON text; `undefined` if it is not valid. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Parses a JSON object; `undefined` for every other text. */
export function parseObject(text: string): JsonObject | undefined {
  const value = parsedJson(text);
  return isObject(value) ? value : undefined;
}

/** JSON text of a value; `undefined` if it is too deeply nested. */
export function textOfJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The object in a field; `undefined` if it is missing. */
export const objectAt = (fields: JsonObject | undefined, name: string): JsonObject | undefined => {
  const value = fields?.[name];
  return isObject(value) ? value : undefined;
};

/** The array in a field; empty if it is missing. */
export const listAt = (fields: JsonObject | undefined, name: string): readonly unknown[] => {
  const value = fields?.[name];
  return Array.isArray(value) ? value : [];
};

/** The text in a field; empty if it is missing. */
export const textAt = (fields: JsonObject | undefined, name: string): string => {
  const value = fields?.[name];
  return typeof value === 'string' ? value : '';
};

/** The safe integer of 0 or more in a field; `undefined` if it is missing. */
export const countAt = (fields: JsonObject | undefined, name: string): number | undefined => {
  const value = fields?.[name];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
};

/** Maximum number of entries of a list that is assembled, such as choices, blocks and tool calls. */
export const MAX_LIST_ENTRIES = 128;

/** The list index in a field, 0 if it is missing; `undefined` if it is too large. */
export const indexAt = (fields: JsonObject, name: string): number | undefined => {
  const index = countAt(fields, name) ?? 0;
  return index < MAX_LIST_ENTRIES ? index : undefined;
};
