// A port for HTTP/1.1 clients in front of an HTTP/2 port, so that suites of HTTP/1.1 run over HTTP/2. Requests of all
// connections share one connection to the port, as behind a gateway.
// Invariant: everything that was opened is closed by `closeH2Fronts`.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

const { NGHTTP2_CANCEL } = constants;

/** Fields that HTTP/2 does not have (RFC 9113 8.2.2). */
const OF_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

const fronts = new Set<{ server: Server; close(): void }>();

/** Opens a port that forwards requests to `port` over HTTP/2. `ca`: over TLS. Resolves to its number. */
export async function startH2Front(port: number, ca?: string): Promise<number> {
  let session: ClientHttp2Session | undefined;
  const openSession = (): ClientHttp2Session => {
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    session =
      ca === undefined ? connect(`http://127.0.0.1:${port}`) : connect(`https://localhost:${port}`, { ca });
    session.on('error', () => undefined);
    return session;
  };
  const server = createServer({ maxHeaderSize: 128 * 1024, keepAliveTimeout: 60_000, noDelay: true });
  const forward = (req: IncomingMessage, res: ServerResponse) => new Crossing(req, res, openSession());
  server.on('request', forward);
  server.on('checkContinue', forward);
  server.on('checkExpectation', forward);
  fronts.add({ server, close: () => session?.destroy() });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export function closeH2Fronts(): void {
  for (const front of fronts) {
    const { server } = front;
    front.close();
    server.closeAllConnections();
    server.close();
  }
  fronts.clear();
}

/** The fields of a request for HTTP/2, as a raw list. */
function fieldsOf(req: IncomingMessage, scheme: string): string[] {
  const named = (req.headers.connection ?? '').toLowerCase().split(/[ ,]+/);
  const fields = [':method', req.method!, ':scheme', scheme, ':path', req.url!];
  if (req.headers.host !== undefined) fields.push(':authority', req.headers.host);
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i]!.toLowerCase();
    const value = req.rawHeaders[i + 1]!;
    if (name === 'te') {
      if (value.includes('trailers')) fields.push('te', 'trailers');
      continue;
    }
    const isKept = name === 'content-length' || !named.includes(name);
    if (isKept && name !== 'host' && !OF_CONNECTION.has(name)) fields.push(name, value);
  }
  return fields;
}

/** One request on its way over HTTP/2, and its response on the way back. */
class Crossing {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #stream: ClientHttp2Stream;

  constructor(req: IncomingMessage, res: ServerResponse, session: ClientHttp2Session) {
    this.#req = req;
    this.#res = res;
    const { headers } = req;
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    const stream = session.request(fieldsOf(req, session.encrypted === true ? 'https' : 'http'), {
      endStream: !hasBody,
      waitForTrailers: headers.trailer !== undefined,
    });
    this.#stream = stream;
    if (hasBody) req.pipe(stream);
    req.on('error', () => undefined);
    stream.on('wantTrailers', () => stream.sendTrailers(req.trailers));
    stream.on('continue', () => res.writeContinue());
    stream.on('headers', (hints, _flags, raw: string[]) => this.#interim(hints[':status']!, raw));
    stream.on('response', (head, _flags, raw: string[]) => this.#respond(head[':status']!, raw));
    stream.on('trailers', (trailers) => res.addTrailers(trailers as Record<string, string>));
    stream.on('error', () => undefined);
    stream.on('close', () => this.#closed());
    res.on('close', () => {
      if (!res.writableFinished) stream.close(NGHTTP2_CANCEL);
    });
  }

  #interim(status: number, raw: readonly string[]): void {
    if (status === 100) return;
    let text = `HTTP/1.1 ${status} Interim\r\n`;
    for (let i = 0; i < raw.length; i += 2)
      if (!raw[i]!.startsWith(':')) text += `${raw[i]}: ${raw[i + 1]}\r\n`;
    this.#res.socket!.write(`${text}\r\n`);
  }

  #respond(status: number, raw: readonly string[]): void {
    const res = this.#res;
    // The next request could not be found.
    if (!this.#req.complete) res.shouldKeepAlive = false;
    res.writeHead(
      status,
      raw.filter((_, i) => !raw[i - (i % 2)]!.startsWith(':')),
    );
    // Otherwise Node would wait for the first byte of the body.
    res.flushHeaders();
    this.#stream.on('data', (chunk: Buffer) => {
      if (!res.write(chunk)) this.#stream.pause();
    });
    res.on('drain', () => this.#stream.resume());
    this.#stream.on('end', () => {
      if (this.#stream.rstCode === 0) res.end();
    });
  }

  /** A response that was cut off must not look complete. */
  #closed(): void {
    if (this.#stream.rstCode !== 0 || !this.#res.headersSent) this.#res.destroy();
  }
}
