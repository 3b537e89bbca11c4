// Bytes that all HTTP/2 connections hold for slow receivers.

/** Counts bytes of DATA that were received and not consumed yet. */
export class HeldBytes {
  readonly maxBytes: number;
  /** Bytes held now. */
  bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get isOver(): boolean {
    return this.bytes > this.maxBytes;
  }
}
