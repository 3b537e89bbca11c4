// Bytes of JSON texts (RFC 8259), and tables of what they can be.
import { parsedJson } from './json-values.ts';

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
const LF = 0x0a;
const CR = 0x0d;
export const SPACE = 0x20;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_LIST = 0x5b;
export const CLOSE_LIST = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;

/** A table of all bytes: 1 for those that are given. */
export function tableOf(bytes: readonly number[]): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of bytes) table[byte] = 1;
  return table;
}

/** 1: a byte of a string that is neither a quote nor a backslash. */
export const PLAIN = new Uint8Array(256).fill(1);
PLAIN[QUOTE] = PLAIN[BACKSLASH] = 0;
/** 1: a byte that ends a number, `true`, `false` or `null`. */
export const ENDS_SCALAR = tableOf([COMMA, CLOSE_LIST, CLOSE_OBJECT, SPACE, 0x09, LF, CR]);
/** 1: a byte that begins a number, `true`, `false` or `null`. */
export const BEGINS_SCALAR = tableOf(Array.from('-0123456789tfn', (one) => one.charCodeAt(0)));
/** 1: quotes and brackets. */
export const STRUCTURE = tableOf([QUOTE, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT]);

/** A number of 0 or more with a fraction or an exponent; NaN if it is not a whole one. */
export function wholeNumber(bytes: Buffer, from: number, to: number): number {
  const first = bytes[from]!;
  if (first < 0x30 || first > 0x39) return NaN;
  const value = parsedJson(bytes.latin1Slice(from, to));
  return typeof value === 'number' ? value : NaN;
}
