// JSON text for terminals and logs.
// Invariant: the text has no control character and no line end, and parses to the same value as that of JSON.stringify.

/**
 * Characters that JSON.stringify does not escape: DEL and C1, since terminals take U+009B for the begin of a command; the
 * line and paragraph separators, since some programs split lines there.
 */
const UNESCAPED = /[\u007f-\u009f\u2028\u2029]/g;

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The JSON text of a value that has one, on one line and without control characters. */
export const escapedJson = (value: unknown): string => JSON.stringify(value).replace(UNESCAPED, escaped);
