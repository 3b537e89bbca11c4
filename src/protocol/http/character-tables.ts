// Tables of bytes that parts of HTTP messages may have: 1 for each byte that is allowed.
// Each parser makes its own table, since a constant of the same module is read faster than an imported one.

/** 1 for each ASCII character that the pattern matches. */
export const charTable = (pattern: RegExp): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) =>
    byte < 128 && pattern.test(String.fromCharCode(byte)) ? 1 : 0,
  );

/** tchar (RFC 9110 5.6.2). */
export const tokenTable = (): Uint8Array => charTable(/[!#$%&'*+.^_`|~0-9A-Za-z-]/);

/** field-content (RFC 9110 5.5): visible characters, space, tab, and bytes from 0x80. */
export const textTable = (): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (byte === 9 || (byte >= 32 && byte !== 127) ? 1 : 0));
