// An OTLP receiver for tests. It stores accepted requests, and its responses can be scripted.
// Invariant: it decodes with OpenTelemetry's generated messages, not with weir's codec.
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { readLogs, readSpans, type SentLog, type SentLogs, type SentSpans } from './otlp-messages.ts';
import { bodyOf } from './replica.ts';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  /** The decompressed body. */
  readonly bytes: Buffer;
  readonly atMs: number;
}

/** Handles one request: sends a response, or closes the connection. */
export type Reaction = (res: ServerResponse, req: IncomingMessage, received: Received) => void;

export const answering =
  (status: number, body: string | Buffer = '', headers: Record<string, string> = {}): Reaction =>
  (res) => {
    res.writeHead(status, headers);
    res.end(body);
  };
/** Closes the connection without a response. */
export const resetting: Reaction = (_, req) => req.socket.resetAndDestroy();
const taking = answering(200);

export class Receiver {
  readonly requests: Received[] = [];
  /** Requests that got 200. */
  readonly taken: Received[] = [];
  /** Handlers of the next requests, one each. Later requests get `otherwise`. */
  readonly script: Reaction[] = [];
  otherwise: Reaction = taking;
  readonly #server: Server;
  port = 0;

  constructor() {
    this.#server = createServer((req, res) => void this.#onRequest(req, res));
  }

  async start(port = 0): Promise<this> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1/logs`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** All accepted log records, in order. */
  get logs(): SentLog[] {
    return this.taken.flatMap(logsIn);
  }

  async #onRequest(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await bodyOf(req);
    const bytes = req.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    const received = { headers: req.headers, path: req.url!, bytes, atMs: performance.now() };
    this.requests.push(received);
    (this.script.shift() ?? this.otherwise)(res, req, received);
    if (res.statusCode === 200 && res.writableEnded) this.taken.push(received);
  }
}

export const requestIn = ({ headers, bytes }: Received): SentLogs =>
  headers['content-type'] === 'application/json'
    ? (JSON.parse(bytes.toString()) as SentLogs)
    : readLogs(bytes);
export const logsIn = (received: Received): SentLog[] =>
  requestIn(received).resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) => logRecords),
  );
export const spansIn = ({ bytes }: Received): SentSpans => readSpans(bytes);
/** The text of each log record. */
export const linesOf = (logs: readonly SentLog[]): string[] =>
  logs.map(({ body }) => body?.stringValue ?? '');
