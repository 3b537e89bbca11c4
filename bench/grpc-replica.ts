// Replica of the gRPC benchmark, in frames of its own, so that it uses less CPU than a proxy. Every request on its port
// gets the same response, when it has come whole. Prints the number of calls so far for each line that it reads.
//   unary            one message of 32 bytes
//   messages COUNT   COUNT messages of 32 bytes, one every millisecond: the open streams of a connection in one write
//   answer BYTES     one message of BYTES bytes
// Invariant: a request without bytes in its message is a health check, since the path is not read: it gets one message of 32
// bytes, which says SERVING, and is not counted.
// Usage: node grpc-replica.ts PORT JOB [NUMBER]
import { createServer, type Socket } from 'node:net';
import {
  block,
  FLAG,
  FRAME,
  frame,
  FrameReader,
  MAX_WINDOW,
  message,
  PREFACE,
  SETTING,
  settings,
  SETTINGS_ACK,
  windowUpdate,
} from './http2-frames.ts';

const [portText, job, number = '1'] = process.argv.slice(2);
const MAX_FRAME = 16_384;
/** Received bytes after which the connection's window is filled up again. */
const REFILL = 16 * 1024 * 1024;
/** Status 1 (SERVING), then a field that no health check has, of 28 bytes. */
const SMALL = message(Buffer.concat([Buffer.from([8, 1, 0x7a, 28]), Buffer.alloc(28, 'a')]));
const MESSAGE = job === 'answer' ? message(Buffer.alloc(Number(number), 'a')) : SMALL;
const COUNT = job === 'messages' ? Number(number) : 1;
/** Bytes of the request of a health check. */
const EMPTY_BYTES = 5;
/** Time between two messages of a stream. */
const PAUSE_MS = 1;
const HEAD = block({ ':status': '200', 'content-type': 'application/grpc' });
const TRAILERS = block({ 'grpc-status': '0' });

let calls = 0;

/** A response under way. */
interface Response {
  readonly stream: number;
  readonly message: Buffer;
  /** Messages to send, and bytes of the current one that are sent. */
  messages: number;
  sent: number;
  window: number;
}

class Connection {
  readonly #socket: Socket;
  #preface = PREFACE.length;
  #window = 65_535;
  #initialWindow = 65_535;
  #unacknowledged = 0;
  #out: Buffer[] = [];
  /** Bytes so far of requests that are not whole. */
  readonly #requests = new Map<number, number>();
  readonly #responses = new Map<number, Response>();
  #isScheduled = false;
  #isPaced = false;
  readonly #reader = new FrameReader(
    (stream, bytes, isEnd) => {
      this.#unacknowledged += bytes;
      const received = (this.#requests.get(stream) ?? 0) + bytes;
      if (isEnd) this.#respond(stream, received);
      else this.#requests.set(stream, received);
    },
    (type, flags, stream, payload) => this.#onFrame(type, flags, stream, payload),
  );

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('drain', () => this.#schedule());
    this.#out.push(
      settings([SETTING.maxStreams, 10_000], [SETTING.initialWindow, REFILL]),
      windowUpdate(0, MAX_WINDOW - 65_535),
    );
    this.#schedule();
  }

  #read(chunk: Buffer): void {
    const skipped = Math.min(this.#preface, chunk.length);
    this.#preface -= skipped;
    this.#reader.read(skipped === 0 ? chunk : chunk.subarray(skipped));
    if (this.#unacknowledged < REFILL) return;
    this.#out.push(windowUpdate(0, this.#unacknowledged));
    this.#unacknowledged = 0;
    this.#schedule();
  }

  #onFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === FRAME.headers) {
      if ((flags & FLAG.endStream) !== 0) this.#respond(stream, this.#requests.get(stream) ?? 0);
    } else if (type === FRAME.windowUpdate) {
      const bytes = payload.readUInt32BE(0);
      const response = this.#responses.get(stream);
      if (stream === 0) this.#window += bytes;
      else if (response !== undefined) response.window += bytes;
      if (this.#responses.size > 0) this.#schedule();
    } else if (type === FRAME.settings && (flags & FLAG.ack) === 0) {
      for (let at = 0; at < payload.length; at += 6)
        if (payload.readUInt16BE(at) === SETTING.initialWindow)
          this.#initialWindow = payload.readUInt32BE(at + 2);
      this.#out.push(SETTINGS_ACK);
      this.#schedule();
    } else if (type === FRAME.ping && (flags & FLAG.ack) === 0) {
      this.#out.push(frame(FRAME.ping, FLAG.ack, 0, payload));
      this.#schedule();
    } else if (type === FRAME.reset) {
      this.#requests.delete(stream);
      this.#responses.delete(stream);
    }
  }

  #respond(stream: number, received: number): void {
    this.#requests.delete(stream);
    const isProbe = received <= EMPTY_BYTES;
    if (!isProbe) calls++;
    this.#out.push(frame(FRAME.headers, FLAG.endHeaders, stream, HEAD));
    this.#responses.set(stream, {
      stream,
      message: isProbe ? SMALL : MESSAGE,
      messages: isProbe ? 1 : COUNT,
      sent: 0,
      window: this.#initialWindow,
    });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#flush());
  }

  /** One message of each stream, in one write. */
  #flush(): void {
    this.#isScheduled = false;
    if (this.#socket.destroyed) return;
    let hasMore = false;
    if (!this.#socket.writableNeedDrain)
      for (const response of this.#responses.values()) hasMore = this.#sendMessage(response) || hasMore;
    if (this.#out.length === 0) return;
    this.#socket.write(this.#out.length === 1 ? this.#out[0]! : Buffer.concat(this.#out));
    this.#out = [];
    if (hasMore) this.#continue();
  }

  /** The next messages follow after a pause, so that they are not gathered on the way. */
  #continue(): void {
    if (this.#isPaced) return;
    this.#isPaced = true;
    setTimeout(() => {
      this.#isPaced = false;
      this.#schedule();
    }, PAUSE_MS);
  }

  /** Returns true if the response has another message that may be sent in the next turn. */
  #sendMessage(response: Response): boolean {
    const { stream, message } = response;
    while (response.sent < message.length) {
      const part = Math.min(MAX_FRAME, message.length - response.sent, this.#window, response.window);
      if (part <= 0) return false;
      this.#out.push(
        frame(FRAME.data, FLAG.none, stream, message.subarray(response.sent, response.sent + part)),
      );
      response.sent += part;
      response.window -= part;
      this.#window -= part;
    }
    response.sent = 0;
    if (--response.messages > 0) return true;
    this.#responses.delete(stream);
    this.#out.push(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, stream, TRAILERS));
    return false;
  }
}

process.stdin.on('data', () => console.log(calls));
createServer({ noDelay: true }, (socket) => void new Connection(socket)).listen(
  Number(portText),
  '127.0.0.1',
  4096,
);
