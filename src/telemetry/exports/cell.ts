// The value of one column in one row of an exported file.
// Invariant: JSON is kept as the text that it had, so that large numbers and the order of names stay as they are.

/** A value that is JSON already, on one line. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Cell = string | number | JsonText | null;

/** The text as JSON on one line; `undefined`: it is not JSON. */
export function jsonTextOf(text: string): JsonText | undefined {
  if (parsed(text) === undefined) return undefined;
  // Line ends in JSON are between its values only; in texts they are escaped.
  return new JsonText(/[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, ' ') : text);
}

/** The object that a JSON text is; `undefined`: it is another value, or no JSON. */
export function objectIn(text: string | null): Record<string, unknown> | undefined {
  if (!text?.startsWith('{')) return undefined;
  return parsed(text) as Record<string, unknown> | undefined;
}

/** `undefined`: the text is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
