// Writes the integers and strings of a header block (RFC 7541 5). Hot path.
// Strings are written as they are: most fields become references, and Huffman coding costs more time than bytes save.

declare global {
  interface Buffer {
    /** Writes one byte per character. `write(…, 'latin1')` calls it after it has looked up the encoding. */
    latin1Write(text: string, offset: number, length: number): number;
  }
}

/** Writes an integer after the bits of `pattern` in the first byte (RFC 7541 5.1). Returns the index after it. */
export function writeInteger(out: Buffer, at: number, pattern: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = pattern | value;
    return at + 1;
  }
  out[at++] = pattern | mask;
  let rest = value - mask;
  for (; rest >= 128; rest >>>= 7) out[at++] = 128 | (rest & 127);
  out[at] = rest;
  return at + 1;
}

/** Writes a string, one byte per character (RFC 7541 5.2). Returns the index after it. */
export function writeString(out: Buffer, at: number, text: string): number {
  const from = writeInteger(out, at, 0, 127, text.length);
  out.latin1Write(text, from, text.length);
  return from + text.length;
}
