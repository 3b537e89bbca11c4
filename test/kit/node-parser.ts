// Node's own strict HTTP parser, as the reference for the fast lane's head parser.
import { createServer, request, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';

/** One message as parsed by Node. */
export interface ParsedMessage {
  method: string;
  url: string;
  rawHeaders: string[];
  body: string;
  rawTrailers: string[];
}

/** A socket whose input is pushed by the test, and that collects what is written. */
export class ScriptedSocket extends Duplex {
  remoteAddress = '127.0.0.1';
  written = '';
  override _read(): void {
    // The test pushes all bytes.
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

/** The requests that Node's server parses from `bytes`, and whether it rejected any of them. */
export async function parseRequestsWithNode(
  bytes: Buffer,
): Promise<{ requests: ParsedMessage[]; isRefused: boolean }> {
  const requests: ParsedMessage[] = [];
  let isRefused = false;
  const server = createServer({ insecureHTTPParser: false, maxHeaderSize: 64 * 1024 });
  server.maxHeadersCount = 0;
  server.on('request', (req, res) => {
    const read: ParsedMessage = {
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
  const socket = new ScriptedSocket();
  server.emit('connection', socket);
  socket.push(bytes);
  await settled();
  socket.destroy();
  return { requests, isRefused };
}

/** The response that Node's client parses from `bytes`, or `undefined` if it rejects them. */
export async function parseResponseWithNode(
  bytes: Buffer,
  method: string,
): Promise<
  | (Omit<ParsedMessage, 'method' | 'url'> & { status: number; reason: string; isComplete: boolean })
  | undefined
> {
  const socket = new ScriptedSocket();
  let response: IncomingMessage | undefined;
  let body = '';
  let isRefused = false;
  const req = request({ method, createConnection: () => socket, maxHeaderSize: 64 * 1024 });
  req.on('error', () => (isRefused = true));
  req.on('response', (res) => {
    response = res;
    res.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
    res.on('error', () => undefined);
  });
  req.end();
  await settled();
  socket.push(bytes);
  await settled();
  const isComplete = response?.complete === true;
  socket.destroy();
  if (response === undefined || isRefused) return undefined;
  return {
    status: response.statusCode!,
    reason: response.statusMessage!,
    rawHeaders: response.rawHeaders,
    body,
    rawTrailers: response.rawTrailers,
    isComplete,
  };
}

/** Waits a few turns of the event loop, until the streams have processed all pushed bytes. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}
