// Large bodies over many HTTP/2 connections at once, through a relay on Http2Connection in both roles, with readers that
// are slow in their own ways. Each byte is checked.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  connect as connectH2,
  createServer as createH2,
  type ClientHttp2Stream,
  type Http2Server,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ERROR_CODE } from '../../../src/protocol/http2/error-code.ts';
import type { HeaderBlock } from '../../../src/protocol/http2/hpack/header-block.ts';
import { Http2HeldBytes } from '../../../src/protocol/http2/http2-held-bytes.ts';
import type { Http2Stream } from '../../../src/protocol/http2/stream.ts';
import type { StreamListener } from '../../../src/protocol/http2/stream-listener.ts';
import { until } from '../../kit/until.ts';
import {
  closeEndpoints,
  connectClient,
  echo,
  RecordedStream,
  startServer,
  type RecordedConnection,
} from './kit/endpoints.ts';

const NOTHING = Buffer.alloc(0);
const KEEP_ALL = { drops: () => false };
/** Content of all bodies. A body begins at an offset of its own, so that bytes of another one are noticed. */
const CONTENT = randomBytes(1_000_003);

afterEach(closeEndpoints);

/** One direction of a relayed stream: what comes from one side is written to the other, and consumed as it leaves. */
class Relay implements StreamListener {
  readonly #other: Http2Stream;

  constructor(other: Http2Stream) {
    this.#other = other;
  }

  onHeaders(_stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void {
    this.#other.head().forward(block, KEEP_ALL).send(isEnd);
  }

  onData(stream: Http2Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    const before = this.#other.waiting;
    this.#other.write(bytes, from, to, isEnd);
    stream.consumed(to - from - (this.#other.waiting - before));
  }

  /** Bytes have left `other`'s other side: this is its listener. */
  onSent(_stream: Http2Stream, bytes: number): void {
    this.#other.consumed(bytes);
  }

  onReset(_stream: Http2Stream, code: number): void {
    // Node's server ends some responses like this instead of with END_STREAM.
    if (code === ERROR_CODE.noError) this.#other.write(NOTHING, 0, 0, true);
    else this.#other.reset(code);
  }
}

/** A server that relays each stream to `port`, over a connection per connection of a client. */
async function startRelay(port: number, heldBytes: Http2HeldBytes): Promise<{ port: number }> {
  const upstream = new Map<unknown, RecordedConnection>();
  const { port: own } = await startServer(
    (recorded) => {
      const { stream, blocks, isEnd } = recorded;
      if (stream.listener !== recorded) return;
      let client = upstream.get(stream.connection);
      if (client === undefined)
        upstream.set(stream.connection, (client = connectClient(port, { heldBytes })));
      const target = client.connection.openStream(new Relay(stream));
      stream.listener = new Relay(target);
      target.head().forward(blocks[0]!, KEEP_ALL).send(isEnd);
    },
    { heldBytes },
  );
  return { port: own };
}

/** A server of Node that sends `size` bytes from `offset` on, or checks and counts those that it gets. */
async function startReplica(): Promise<Http2Server> {
  const server = createH2({ maxSessionMemory: 1000, settings: { maxConcurrentStreams: 1000 } });
  server.on('stream', (stream, headers) => {
    const offset = Number(headers['x-offset']);
    const size = Number(headers['x-size']);
    if (headers[':method'] === 'GET') {
      stream.respond({ ':status': 200 });
      let sent = 0;
      const send = (): void => {
        while (sent < size) {
          const at = (offset + sent) % CONTENT.length;
          const chunk = CONTENT.subarray(at, at + Math.min(size - sent, 50_000));
          sent += chunk.length;
          if (!stream.write(chunk)) return void stream.once('drain', send);
        }
        stream.end();
      };
      send();
      return;
    }
    let got = 0;
    let wrong = 0;
    stream.on('data', (chunk: Buffer) => {
      if (!isContent(chunk, offset + got)) wrong++;
      got += chunk.length;
      // Some are slow.
      if (offset % 3 !== 0) return;
      stream.pause();
      setTimeout(() => stream.resume(), 5);
    });
    stream.on('end', () =>
      stream.respond({ ':status': 200, 'x-got': got, 'x-wrong': wrong }, { endStream: true }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Whether the chunk is what CONTENT, repeated, has from `offset` on. */
function isContent(chunk: Buffer, offset: number): boolean {
  for (let at = 0; at < chunk.length;) {
    const from = (offset + at) % CONTENT.length;
    const size = Math.min(chunk.length - at, CONTENT.length - from);
    if (CONTENT.compare(chunk, at, at + size, from, from + size) !== 0) return false;
    at += size;
  }
  return true;
}

async function expectDownload(
  stream: ClientHttp2Stream,
  offset: number,
  size: number,
  isSlow: boolean,
): Promise<void> {
  let got = 0;
  let wrong = 0;
  stream.on('data', (chunk: Buffer) => {
    if (!isContent(chunk, offset + got)) wrong++;
    got += chunk.length;
    if (!isSlow) return;
    stream.pause();
    setTimeout(() => stream.resume(), 5);
  });
  await once(stream, 'close');
  expect({ offset, got, wrong, code: stream.rstCode }).toEqual({ offset, got: size, wrong: 0, code: 0 });
}

async function expectUpload(stream: ClientHttp2Stream, offset: number, size: number): Promise<void> {
  let answer: Record<string, unknown> = {};
  stream.on('response', (headers) => (answer = headers));
  stream.resume();
  for (let sent = 0; sent < size;) {
    const at = (offset + sent) % CONTENT.length;
    const chunk = CONTENT.subarray(at, at + Math.min(size - sent, 30_000));
    sent += chunk.length;
    if (!stream.write(chunk)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'close');
  expect({ offset, got: answer['x-got'], wrong: answer['x-wrong'] }).toEqual({
    offset,
    got: String(size),
    wrong: '0',
  });
}

describe('a relay', () => {
  it('passes large bodies both ways on many connections at once, to slow and fast readers', async () => {
    const replica = await startReplica();
    const heldBytes = new Http2HeldBytes(8 * 1024 ** 2);
    const { port } = await startRelay((replica.address() as AddressInfo).port, heldBytes);
    let mostHeld = 0;
    const watch = setInterval(() => (mostHeld = Math.max(mostHeld, heldBytes.bytes)), 5);
    const sessions = Array.from({ length: 8 }, () => connectH2(`http://127.0.0.1:${port}`));
    const size = 3_000_000;
    const transfers = sessions.flatMap((session, i) =>
      Array.from({ length: 6 }, async (_, j) => {
        const offset = i * 100_001 + j * 7919;
        const facts = { ':path': '/', 'x-offset': offset, 'x-size': size };
        if (j % 2 === 0)
          await expectDownload(session.request({ ':method': 'GET', ...facts }), offset, size, j === 2);
        else await expectUpload(session.request({ ':method': 'POST', ...facts }), offset, size);
      }),
    );
    await Promise.all(transfers);
    clearInterval(watch);
    // All bodies together have 144 MB. 16 connections may each hold the smallest window of 1 MiB beside the maximum, and
    // what is on the way when it is reached.
    expect(mostHeld).toBeGreaterThan(0);
    expect(mostHeld).toBeLessThan(40 * 1024 ** 2);
    await until('nothing is held', () => heldBytes.bytes === 0);
    for (const session of sessions) session.destroy();
    replica.close();
  });
});

it('an upload that stalls does not stop the other streams of its connection, although others hold all there may be', async () => {
  const heldBytes = new Http2HeldBytes(1024 ** 2);
  heldBytes.add(heldBytes.maxBytes);
  const stalled: RecordedStream[] = [];
  const { port } = await startServer(
    (recorded) => {
      if (recorded.blocks[0]!.path !== '/stalled') return echo(recorded);
      recorded.consumes = false;
      if (stalled.length === 0) stalled.push(recorded);
    },
    { heldBytes },
  );
  const client = connectClient(port);
  await until('the settings came', () => client.isReady);
  const upload = (path: string, body: Buffer): RecordedStream => {
    const recorded = new RecordedStream();
    const stream = client.connection.openStream(recorded);
    stream.head().add(':method', 'POST').add(':scheme', 'http').add(':path', path).send(false);
    stream.write(body, 0, body.length, true);
    return recorded;
  };
  upload('/stalled', Buffer.alloc(3 * 1024 ** 2));
  await until('the window of the stream is used up', () => stalled[0]?.bytes === 1024 ** 2);
  for (let i = 0; i < 4; i++) {
    const other = upload('/other', CONTENT);
    await until('the other upload is echoed', () => other.isEnd);
    expect(other.body.equals(CONTENT)).toBe(true);
  }
  expect(stalled[0]!.bytes).toBe(1024 ** 2);
});
