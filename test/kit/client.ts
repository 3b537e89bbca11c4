// Clients for tests: Node's HTTP client with raw headers, and a bare socket that sends bytes.
import { once } from 'node:events';
import { request, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { bodyOf } from './replica.ts';
import { until } from './until.ts';

export interface ClientResponse {
  status: number;
  reason: string;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
  trailers: IncomingMessage['trailers'];
  body: Buffer;
  text: string;
}

export interface CallOptions {
  method?: string;
  headers?: Record<string, string | string[]> | string[];
  body?: string | Buffer;
  agent?: Agent | false;
}

/** Sends one request and reads the whole response. The path is sent unchanged. */
export async function call(url: string, path: string, options: CallOptions = {}): Promise<ClientResponse> {
  const req = begin(url, path, options);
  req.end(options.body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const body = await bodyOf(res);
  return {
    status: res.statusCode!,
    reason: res.statusMessage!,
    headers: res.headers,
    rawHeaders: res.rawHeaders,
    trailers: res.trailers,
    body,
    text: body.toString(),
  };
}

/** Begins a request. The test writes the body. */
export function begin(
  url: string,
  path: string,
  { method = 'GET', headers = {}, agent = false }: CallOptions = {},
): ClientRequest {
  const { hostname, port } = new URL(url);
  return request({ hostname, port, path, method, headers, agent });
}

/** A bare socket that collects the received bytes as latin1 text. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  isEnded = false;
  isReset = false;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (chunk) => (this.received += chunk.toString('latin1')));
    this.socket.on('end', () => (this.isEnded = true));
    this.socket.on('close', () => (this.isEnded = true));
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.isEnded = true;
      this.isReset = error.code === 'ECONNRESET';
    });
  }

  send(text: string | Buffer): this {
    this.socket.write(text, 'latin1' as BufferEncoding);
    return this;
  }

  /** Waits until the received bytes contain `text`, and returns all received bytes. */
  async expectReceived(text: string): Promise<string> {
    await until(
      `the client received ${JSON.stringify(text)} (it has ${JSON.stringify(this.received.slice(-300))})`,
      () => this.received.includes(text),
    );
    return this.received;
  }

  /** Waits until the other side has closed the connection, and returns all received bytes. */
  async expectClosed(timeoutMs?: number): Promise<string> {
    await until('the connection is closed', () => this.isEnded, timeoutMs);
    return this.received;
  }
}
