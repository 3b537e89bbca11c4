// Many clients at once, each with bodies of its own, checked byte by byte on both sides: no byte of one client reaches
// another, and none is lost or changed.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { localCertificate } from '../kit/certificate.ts';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const CLIENTS = 32;
const REQUESTS = 6;
const SMALL = [1, 100, 5_000, 9_000, 70_000, 300_000];
/** More than the operating system buffers for a connection. */
const LARGE = 5_000_000;
const PIECE = 20_000;
/** The bodies of a client that reads slowly: later responses begin while the one before is not read. */
const SLOW = [100, LARGE, 300_000, 300_000, LARGE, 70_000];

/** What a replica does with a request. */
const KINDS = ['echo', 'slow', 'busy'] as const;
const LARGE_KINDS = ['echo', 'slow', 'early', 'pieces'] as const;
/** Larger bodies are not sent again. */
const MAX_RESENT = 256 * 1024;

/** The bytes of one request and of its response: each word has the numbers of the client, the request and the word. */
function bodyOf(client: number, request: number, size: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = ((client << 26) | (request << 22) | i) >>> 0;
  return Buffer.from(words.buffer, 0, size);
}

/** Compares bytes as they come, and says where the first wrong one is. */
class Comparison {
  at = 0;
  wrong = '';
  readonly #name: string;
  readonly #expected: Buffer;

  constructor(name: string, expected: Buffer) {
    this.#name = name;
    this.#expected = expected;
  }

  push(bytes: Buffer): void {
    const expected = this.#expected.subarray(this.at, this.at + bytes.length);
    if (this.wrong === '' && !bytes.equals(expected)) {
      const i = bytes.findIndex((byte, index) => byte !== expected[index]);
      this.wrong = `${this.#name}: byte ${this.at + i} of ${this.#expected.length} is wrong: ${bytes.toString('hex', i, i + 16)}`;
    }
    this.at += bytes.length;
  }
}

/** Numbers in [0, 1) that are the same in each run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Faults of the bytes that replicas and clients have received. */
let faults: string[];

const seen = new Set<string>();

/** Checks the request, and responds with the same body. */
async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const [client, request, size] = String(req.headers['x-body']).split(',').map(Number) as [
    number,
    number,
    number,
  ];
  const body = bodyOf(client, request, size);
  const name = `replica, request ${request} of client ${client}`;
  const comparison = new Comparison(name, body);
  const kind = req.headers['x-kind'];
  if (kind === 'early') res.writeHead(200, { 'Content-Length': size }).end(body);
  for await (const chunk of req as AsyncIterable<Buffer>) {
    comparison.push(chunk);
    if (kind === 'slow' && comparison.at < 2_000_000) await sleep(2);
  }
  if (comparison.wrong !== '') faults.push(comparison.wrong);
  if (comparison.at !== size) faults.push(`${name}: ${comparison.at} bytes`);
  if (kind === 'early') return;
  const isFirst = !seen.has(name);
  seen.add(name);
  if (kind === 'busy' && isFirst) res.writeHead(503, { 'Content-Length': 4 }).end('busy');
  else {
    res.writeHead(200, { 'Content-Length': size });
    if (kind === 'pieces') await writePieces(res, body);
    res.end(kind === 'pieces' ? '' : body);
  }
}

/** Writes a body so that it is read in pieces smaller than a read buffer. */
async function writePieces(res: ServerResponse, body: Buffer): Promise<void> {
  for (let at = 0; at < body.length; at += PIECE) {
    if (!res.write(body.subarray(at, at + PIECE))) await once(res, 'drain');
    await new Promise(setImmediate);
  }
}

interface Sent {
  readonly size: number;
  readonly comparison: Comparison;
}

/** One client: sends its requests without waiting for responses, and checks these. */
class Client {
  readonly #socket: Socket;
  readonly #number: number;
  readonly #random: () => number;
  readonly #sent: Sent[] = [];
  responses = 0;

  constructor(socket: Socket, number: number) {
    this.#socket = socket;
    this.#number = number;
    this.#random = randomFrom(number + 1);
  }

  get #isSlow(): boolean {
    return this.#number % 8 === 0;
  }

  async run(): Promise<void> {
    await Promise.all([this.#send(), this.#receive()]);
    this.#socket.destroy();
  }

  /** Sends half of a body, and leaves. */
  async runAndLeave(): Promise<void> {
    const body = bodyOf(this.#number, 15, 200_000);
    this.#socket.write(this.#head('POST', 15, body.length, 'leave', `Content-Length: ${body.length}`));
    this.#socket.write(body.subarray(0, 150_000));
    await sleep(20);
    this.#socket.destroy();
  }

  #head(method: string, request: number, size: number, kind: string, framing: string): string {
    return (
      `${method} /echo HTTP/1.1\r\nHost: a\r\nX-Body: ${this.#number},${request},${size}\r\nX-Kind: ${kind}\r\n` +
      `${framing}\r\n\r\n`
    );
  }

  async #send(): Promise<void> {
    const random = this.#random;
    for (let request = 0; request < REQUESTS; request++) {
      const size = this.#isSlow ? SLOW[request]! : SMALL[Math.floor(random() * SMALL.length)]!;
      const body = bodyOf(this.#number, request, size);
      const name = `client ${this.#number}, response ${request}`;
      this.#sent.push({ size, comparison: new Comparison(name, body) });
      const kinds = size > MAX_RESENT ? LARGE_KINDS : KINDS;
      // The last request is sent to its end, so that the client leaves after that.
      const kind =
        request === REQUESTS - 1
          ? 'echo'
          : size === LARGE
            ? request === 1
              ? 'slow'
              : 'pieces'
            : kinds[Math.floor(random() * kinds.length)]!;
      const isChunked = random() < 0.3;
      // Only the full lane supports this value of TE: from here on it serves the connection.
      const isHandedOver = this.#number % 4 === 3 && request === 3;
      const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${size}`;
      const head = this.#head(
        'POST',
        request,
        size,
        kind,
        isHandedOver ? `TE: gzip, trailers\r\n${framing}` : framing,
      );
      await this.#write(Buffer.from(head), isChunked, body);
    }
  }

  /** Writes a request in pieces, with pauses. */
  async #write(head: Buffer, isChunked: boolean, body: Buffer): Promise<void> {
    const random = this.#random;
    const parts = [head];
    for (let at = 0; at < body.length;) {
      const end = Math.min(body.length, at + 1 + Math.floor(random() * (body.length > 1e6 ? 1e6 : 70_000)));
      const piece = body.subarray(at, end);
      if (isChunked) parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
      else parts.push(piece);
      at = end;
    }
    if (isChunked) parts.push(Buffer.from('0\r\n\r\n'));
    for (const part of parts) {
      if (!this.#socket.write(part)) await once(this.#socket, 'drain');
      if (random() < 0.2) await sleep(random() * 5);
    }
  }

  /** Reads all responses, with pauses. */
  async #receive(): Promise<void> {
    let rest: Buffer = Buffer.alloc(0);
    let left = 0;
    for await (const chunk of this.#socket as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (;;) {
        if (left === 0) {
          const headEnd = rest.indexOf('\r\n\r\n');
          if (headEnd === -1) break;
          const head = rest.toString('latin1', 0, headEnd);
          const { size } = this.#sent[this.responses]!;
          const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
          if (!head.startsWith('HTTP/1.1 200') || length !== size)
            throw new Error(`client ${this.#number}, response ${this.responses}: ${head}`);
          left = length;
          rest = rest.subarray(headEnd + 4);
        }
        const { comparison } = this.#sent[this.responses]!;
        const part = rest.subarray(0, left);
        comparison.push(part);
        left -= part.length;
        rest = rest.subarray(part.length);
        if (left > 0) break;
        if (comparison.wrong !== '') faults.push(comparison.wrong);
        this.responses++;
      }
      if (this.responses === REQUESTS) return;
      if (this.#isSlow) await sleep(left > LARGE - 100_000 ? 400 : 1);
      else if (this.#random() < 0.1) await sleep(this.#random() * 20);
    }
    throw new Error(`client ${this.#number}: the connection ended after ${this.responses} responses`);
  }
}

/** Runs all clients at once against weir, over TLS with `ca`. */
async function expectOwnBytes(args: string[], ca?: string): Promise<void> {
  faults = [];
  seen.clear();
  const replicas = await Promise.all(
    [0, 1].map(() => startReplica((req, res) => void serve(req, res).catch(() => undefined))),
  );
  const weir = await startWeir([
    ...replicas.map(({ url }) => `--replica=${url}`),
    '--deployment-concurrency-target=8',
    '--proxy-retry-budget=100',
    ...args,
  ]);
  const open = (): Socket => {
    const at = { port: weir.port, host: '127.0.0.1' };
    return ca === undefined ? connect(at) : connectTls({ ...at, ca, servername: 'localhost' });
  };
  const leaving = Array.from({ length: 4 }, (_, i) => new Client(open(), CLIENTS + i).runAndLeave());
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(open(), i));
  await Promise.all([...leaving, ...clients.map((client) => client.run())]);
  expect(faults).toEqual([]);
}

describe('each client gets its own bytes, and so does each replica, while many send large and small bodies', () => {
  it('in clear text', () => expectOwnBytes([]));

  it('over TLS, while bodies are captured', async () => {
    const { authority, server } = localCertificate();
    await expectOwnBytes(
      [
        `--ingress-tls-cert=${server.certFile}`,
        `--ingress-tls-key=${server.keyFile}`,
        '--logs-capture=full',
        '--logs-max-body=64KiB',
      ],
      authority.cert,
    );
  });
});
