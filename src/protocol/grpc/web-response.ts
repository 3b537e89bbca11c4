// The body of a gRPC-Web response: messages as in gRPC, then the trailers in a frame of their own. Hot path.
// Invariant: a complete message never waits for the next one, and padding of base64 stands only between messages.
// Source: PROTOCOL-WEB.md of grpc/grpc (Message framing, Text-encoded streams).
import { MessageCounter } from './message-counter.ts';
import { Base64Encoder } from './web-base64.ts';

/** Flags of the frame that has the trailers, uncompressed. */
const TRAILERS_FLAGS = 0x80;
/** The only flag of a message of gRPC: it is compressed. */
const COMPRESSED = 1;
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
  /** Why no more messages can be sent; empty if they can. */
  problem = '';
  readonly #base64: Base64Encoder | undefined;

  /** `isText`: the body is in base64. */
  constructor(isText: boolean) {
    this.#base64 = isText ? new Base64Encoder() : undefined;
  }

  /**
   * The next bytes of messages, as the client gets them. A text is ASCII. Stops before a message with other flags than those
   * of gRPC, since the client might read it as trailers; `problem` is set then.
   */
  messages(bytes: Buffer): Buffer | string {
    const base64 = this.#base64;
    const { counter } = this;
    let text = '';
    let at = 0;
    while (at < bytes.length && this.problem === '') {
      if (counter.isWhole && bytes[at]! > COMPRESSED) {
        this.problem = `a message has the flags 0x${bytes[at]!.toString(16)}`;
        break;
      }
      const end = Math.min(bytes.length, at + counter.bytesToBoundary);
      counter.count(bytes, at, end);
      if (base64 !== undefined) text += base64.encode(bytes.subarray(at, end), counter.isWhole);
      at = end;
    }
    return base64 === undefined ? bytes.subarray(0, at) : text;
  }

  /** The trailers (a raw list), as the client gets them. Only between two messages, since they are in the same stream. */
  trailers(raw: readonly string[]): Buffer | string {
    const frame = trailersFrame(raw);
    return this.#base64 === undefined ? frame : this.#base64.encode(frame, true);
  }
}
