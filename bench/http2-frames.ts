// Frames of HTTP/2 for replicas and clients of the benchmarks, which must cost less than the proxies between them.
// Invariant: header blocks use neither the dynamic table nor Huffman codes, so one block is right on every connection.

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, windowUpdate: 8 } as const;
export const FLAG = { none: 0, endStream: 1, ack: 1, endHeaders: 4 } as const;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const HEADER_BYTES = 9;
/** RFC 9113 6.9.1. */
export const MAX_WINDOW = 0x7fff_ffff;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  out.writeUIntBE(payload.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(stream, 5);
  out.set(payload, HEADER_BYTES);
  return out;
}

/** A SETTINGS frame of pairs of an identifier and a value (RFC 9113 6.5.1). */
export function settings(...pairs: (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [i, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  }
  return frame(FRAME.settings, FLAG.none, 0, payload);
}
export const SETTING = { maxStreams: 3, initialWindow: 4 } as const;
export const SETTINGS_ACK = frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0));

export function windowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(FRAME.windowUpdate, FLAG.none, stream, payload);
}

/** A header block of fields that are not indexed (RFC 7541 6.2.2). Names and values of at most 126 bytes. */
export const block = (fields: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(
    Object.entries(fields).map(([name, value]) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name),
        Buffer.from([value.length]),
        Buffer.from(value),
      ]),
    ),
  );

/** A gRPC message with its prefix. */
export const message = (payload: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
};

/** Splits what a peer sends into frames. The payload of DATA is not kept: it is passed in pieces as it comes. */
export class FrameReader {
  /** Bytes of a frame that is not whole. */
  #rest: Buffer = Buffer.alloc(0);
  /** Of the DATA frame under way: bytes to come, flags and stream. */
  #left = 0;
  #flags = 0;
  #stream = 0;
  readonly #onData: (stream: number, bytes: number, isEnd: boolean) => void;
  readonly #onFrame: (type: number, flags: number, stream: number, payload: Buffer) => void;

  /** `onData` is called with the bytes of each piece, and with `isEnd` for the last one of the stream. */
  constructor(
    onData: (stream: number, bytes: number, isEnd: boolean) => void,
    onFrame: (type: number, flags: number, stream: number, payload: Buffer) => void,
  ) {
    this.#onData = onData;
    this.#onFrame = onFrame;
  }

  read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      if (this.#left > 0) {
        const piece = Math.min(this.#left, bytes.length - at);
        if (piece === 0) break;
        at += piece;
        this.#left -= piece;
        this.#onData(this.#stream, piece, this.#left === 0 && (this.#flags & FLAG.endStream) !== 0);
        continue;
      }
      if (bytes.length - at < HEADER_BYTES) break;
      const length = bytes.readUIntBE(at, 3);
      const type = bytes[at + 3]!;
      const flags = bytes[at + 4]!;
      const stream = bytes.readUInt32BE(at + 5);
      if (type === FRAME.data) {
        at += HEADER_BYTES;
        this.#left = length;
        this.#flags = flags;
        this.#stream = stream;
        if (length === 0) this.#onData(stream, 0, (flags & FLAG.endStream) !== 0);
        continue;
      }
      if (bytes.length - at < HEADER_BYTES + length) break;
      this.#onFrame(type, flags, stream, bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length));
      at += HEADER_BYTES + length;
    }
    this.#rest = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
  }
}
