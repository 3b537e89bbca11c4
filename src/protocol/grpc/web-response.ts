// The body of a gRPC-Web response: messages as in gRPC, then the trailers in a frame of their own. Hot path.
// Invariant: a complete message never waits for the next one, and padding of base64 stands only between messages.
// Source: PROTOCOL-WEB.md of grpc/grpc (Message framing, Text-encoded streams).
import { MessageCounter } from './message-counter.ts';
import { Base64Encoder } from './web-base64.ts';

/** Flags of the frame that has the trailers, uncompressed. */
const TRAILERS_FLAGS = 0x80;
const PREFIX_BYTES = 5;
/** Characters that would end a line of the trailers. */
const LINE_BREAKS = /[\0\r\n]/g;

/** Trailers (a raw list) as a frame: lines of HTTP/1.1 without an empty line at the end. */
export function trailersFrame(raw: readonly string[]): Buffer {
  let text = '';
  for (let i = 0; i < raw.length; i += 2) text += `${raw[i]}: ${raw[i + 1]!.replace(LINE_BREAKS, ' ')}\r\n`;
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + text.length);
  frame[0] = TRAILERS_FLAGS;
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, PREFIX_BYTES, 'latin1');
  return frame;
}

/** Makes the body of one response, piece by piece. */
export class WebResponseBody {
  readonly counter = new MessageCounter();
  readonly #base64: Base64Encoder | undefined;

  /** `isText`: the body is in base64. */
  constructor(isText: boolean) {
    this.#base64 = isText ? new Base64Encoder() : undefined;
  }

  /** The next bytes of messages, as the client gets them. A text is ASCII. */
  messages(bytes: Buffer): Buffer | string {
    const base64 = this.#base64;
    if (base64 === undefined) {
      this.counter.count(bytes);
      return bytes;
    }
    let text = '';
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + this.counter.bytesToBoundary);
      const piece = bytes.subarray(at, end);
      this.counter.count(piece);
      text += base64.encode(piece, this.counter.isWhole);
      at = end;
    }
    return text;
  }

  /** The trailers (a raw list), as the client gets them. Only between two messages, since they are in the same stream. */
  trailers(raw: readonly string[]): Buffer | string {
    const frame = trailersFrame(raw);
    return this.#base64 === undefined ? frame : this.#base64.encode(frame, true);
  }
}
