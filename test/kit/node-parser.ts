// What Node's own strict parser makes of bytes: the judge of the fast lane's head parser.
import { createServer, request, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';

/** One message as Node read it. */
export interface Read {
  method: string;
  url: string;
  rawHeaders: string[];
  body: string;
  rawTrailers: string[];
}

/** A socket that plays bytes to whoever reads it, and keeps what is written. */
export class PlayedSocket extends Duplex {
  remoteAddress = '127.0.0.1';
  written = '';
  override _read(): void {
    // All bytes are pushed by `play`.
  }
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.written += chunk.toString('latin1');
    done();
  }
  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    for (const { chunk } of chunks) this.written += chunk.toString('latin1');
    done();
  }
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  destroySoon(): void {
    this.destroy();
  }
}

/** The requests that Node's server reads from `bytes`, and whether it refused anything in them. */
export async function readByNode(bytes: Buffer): Promise<{ requests: Read[]; isRefused: boolean }> {
  const requests: Read[] = [];
  let isRefused = false;
  const server = createServer({ insecureHTTPParser: false, maxHeaderSize: 64 * 1024 });
  server.maxHeadersCount = 0;
  server.on('request', (req, res) => {
    const read: Read = {
      method: req.method!,
      url: req.url!,
      rawHeaders: req.rawHeaders,
      body: '',
      rawTrailers: [],
    };
    requests.push(read);
    req.on('data', (chunk: Buffer) => (read.body += chunk.toString('latin1')));
    req.on('end', () => (read.rawTrailers = req.rawTrailers));
    req.on('error', () => undefined);
    res.end();
  });
  server.on('clientError', (_, socket) => {
    isRefused = true;
    socket.destroy();
  });
  const socket = new PlayedSocket();
  server.emit('connection', socket);
  socket.push(bytes);
  await settled();
  socket.destroy();
  return { requests, isRefused };
}

/** The answer that Node's client reads from `bytes`, or `undefined` where it refuses them. */
export async function answerByNode(
  bytes: Buffer,
  method: string,
): Promise<
  (Omit<Read, 'method' | 'url'> & { status: number; reason: string; isComplete: boolean }) | undefined
> {
  const socket = new PlayedSocket();
  let answer: IncomingMessage | undefined;
  let body = '';
  let isRefused = false;
  const req = request({ method, createConnection: () => socket, maxHeaderSize: 64 * 1024 });
  req.on('error', () => (isRefused = true));
  req.on('response', (res) => {
    answer = res;
    res.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
    res.on('error', () => undefined);
  });
  req.end();
  await settled();
  socket.push(bytes);
  await settled();
  const isComplete = answer?.complete === true;
  socket.destroy();
  if (answer === undefined || isRefused) return undefined;
  return {
    status: answer.statusCode!,
    reason: answer.statusMessage!,
    rawHeaders: answer.rawHeaders,
    body,
    rawTrailers: answer.rawTrailers,
    isComplete,
  };
}

/** Everything that was pushed has been read: streams work in ticks, of which a few turns of the loop hold all. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}
