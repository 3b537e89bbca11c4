// The error of a header block that cannot be decoded. The connection ends, since the tables of the peers now differ.

export class HpackError extends Error {
  override readonly name = 'HpackError';
  /** The block is well-formed so far, but far too large. Otherwise it is malformed (RFC 9113 4.3: COMPRESSION_ERROR). */
  readonly isExcessive: boolean;

  constructor(message: string, isExcessive = false) {
    super(message);
    this.isExcessive = isExcessive;
  }
}
