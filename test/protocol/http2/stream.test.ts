// What one stream promises its owner: the order of data, trailers and RST_STREAM, windows, and calls after the end.
import { once } from 'node:events';
import { connect as connectTls, createServer as createTls, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import { Http2Connection } from '../../../src/protocol/http2/connection.ts';
import { ERROR_CODE } from '../../../src/protocol/http2/error-code.ts';
import { FLAG, FRAME, frameName } from '../../../src/protocol/http2/frame-types.ts';
import { HeaderBlock } from '../../../src/protocol/http2/hpack/header-block.ts';
import { Decoder } from '../../../src/protocol/http2/hpack/decoder.ts';
import { localCertificate } from '../../kit/certificate.ts';
import { removeFolders } from '../../kit/folder.ts';
import { until } from '../../kit/until.ts';
import {
  closeEndpoints,
  echo,
  optionsFor,
  RecordedConnection,
  RecordedStream,
  startServer,
  track,
} from './kit/endpoints.ts';
import { data, get, post, RawPeer, rst, setting, windowUpdate } from './kit/raw-peer.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

afterEach(async () => {
  removeFolders();
  await closeEndpoints();
});

/** A server that does nothing by itself, a peer, and its first stream. */
async function start(
  request: Buffer,
  ...list: Buffer[]
): Promise<{ peer: RawPeer; recorded: RecordedStream; connection: RecordedConnection }> {
  const server = await startServer(() => undefined);
  const peer = await RawPeer.handshake(server.port, ...list);
  peer.send(request);
  await peer.sync();
  const [connection] = server.connections;
  return { peer, recorded: connection!.streams[0]!, connection: connection! };
}

/** Frames of the stream in their order, such as "DATA 5 END". */
const story = (peer: RawPeer): string[] =>
  peer.frames
    .filter(({ id }) => id === 1)
    .map(({ type, flags, payload }) => {
      const size = type === FRAME.data ? ` ${payload.length}` : '';
      const code = type === FRAME.rstStream ? ` ${payload.readUInt32BE(0)}` : '';
      const end = type !== FRAME.rstStream && (flags & FLAG.endStream) !== 0 ? ' END' : '';
      return `${frameName(type)}${size}${code}${end}`;
    });

const BODY = Buffer.from('0123456789');

describe('trailers', () => {
  it('come after data that waits for the window', async () => {
    const { peer, recorded } = await start(get(1), setting(4, 3));
    const { stream } = recorded;
    stream.head().add(':status', '200').send(false);
    expect(stream.write(BODY, 0, 10, false)).toBe(false);
    expect(stream.waiting).toBe(7);
    stream.head().add('x-end', 'yes').send(true);
    expect(stream.hasEnded).toBe(true);
    await peer.sync();
    expect(story(peer)).toEqual(['HEADERS', 'DATA 3']);
    peer.send(windowUpdate(1, 100));
    await until('all came', () => story(peer).length === 4);
    expect(story(peer)).toEqual(['HEADERS', 'DATA 3', 'DATA 7', 'HEADERS END']);
    expect(recorded.sent).toBe(7);
    expect(stream.isOpen).toBe(false);
  });

  it('that wait do not change the compression of other streams', async () => {
    const { peer, recorded, connection } = await start(get(1), setting(4, 3));
    recorded.stream.head().add(':status', '200').send(false);
    recorded.stream.write(BODY, 0, 10, false);
    recorded.stream
      .head()
      .add('x-first', 'waits')
      .forward(HeaderBlock.of(['x-a', '1', 'x-b', '2']), { drops: ({ name }) => name === 'x-b' })
      .send(true);
    peer.send(get(3));
    await peer.sync();
    const other = connection.streams[1]!.stream;
    other.head().add(':status', '200').add('x-first', 'other').send(false);
    other.head().add('x-first', 'end').send(true);
    peer.send(windowUpdate(1, 100));
    await until('all came', () => peer.of(FRAME.headers).length === 4);
    const decoder = new Decoder(10_000);
    const fields = peer
      .of(FRAME.headers)
      .map(({ id, payload }) => [id, decoder.decode(payload, 0, payload.length).raw()]);
    expect(fields).toEqual([
      [1, [':status', '200']],
      [3, [':status', '200', 'x-first', 'other']],
      [3, ['x-first', 'end']],
      [1, ['x-first', 'waits', 'x-a', '1']],
    ]);
  });

  it('come before RST_STREAM(NO_ERROR) if the client has not ended (RFC 9113 8.1)', async () => {
    const { peer, recorded } = await start(post(1));
    const { stream } = recorded;
    stream.head().add(':status', '200').send(false);
    stream.write(BODY, 0, 10, false);
    stream.head().add('x-end', 'yes').send(true);
    stream.stopPeer();
    await until('it is reset', () => peer.of(FRAME.rstStream).length === 1);
    expect(story(peer)).toEqual(['HEADERS', 'DATA 10', 'HEADERS END', 'RST_STREAM 0']);
  });

  it('that wait come before RST_STREAM(NO_ERROR) as well, and late data is dropped', async () => {
    const { peer, recorded, connection } = await start(post(1), setting(4, 3));
    const { stream } = recorded;
    stream.head().add(':status', '200').send(false);
    stream.write(BODY, 0, 10, false);
    stream.head().add('x-end', 'yes').send(true);
    stream.stopPeer();
    peer.send(data(1, BODY));
    await peer.sync();
    expect(recorded.bytes).toBe(0);
    expect(connection.connection.heldBytes).toBe(0);
    peer.send(windowUpdate(1, 100));
    await until('it is reset', () => peer.of(FRAME.rstStream).length === 1);
    expect(story(peer)).toEqual(['HEADERS', 'DATA 3', 'DATA 7', 'HEADERS END', 'RST_STREAM 0']);
    expect(recorded.resetCode).toBe(-1);
    peer.send(data(1, BODY));
    await peer.sync();
    expect(story(peer)).toHaveLength(5);
  });

  it('are not followed by RST_STREAM if the client ends meanwhile', async () => {
    const { peer, recorded } = await start(post(1), setting(4, 3));
    const { stream } = recorded;
    stream.head().add(':status', '200').send(false);
    stream.write(BODY, 0, 10, true);
    stream.stopPeer();
    peer.send(data(1, BODY, FLAG.endStream), windowUpdate(1, 100));
    await peer.sync();
    expect(story(peer)).toEqual(['HEADERS', 'DATA 3', 'DATA 7 END']);
    expect(stream.isOpen).toBe(false);
  });
});

describe('a reset', () => {
  it('drops data that waits', async () => {
    const { peer, recorded } = await start(get(1), setting(4, 3));
    const { stream } = recorded;
    stream.head().add(':status', '200').send(false);
    stream.write(BODY, 0, 10, true);
    stream.reset(ERROR_CODE.internalError);
    expect(stream).toMatchObject({ isOpen: false, waiting: 0 });
    peer.send(windowUpdate(1, 100));
    await peer.sync();
    expect(story(peer)).toEqual(['HEADERS', 'DATA 3', 'RST_STREAM 2']);
    expect(recorded.resetCode).toBe(-1);
  });

  it('of the peer is told once, and nothing can be sent after it', async () => {
    const { peer, recorded, connection } = await start(post(1));
    peer.send(rst(1, ERROR_CODE.cancel));
    await peer.sync();
    expect(recorded).toMatchObject({ resetCode: ERROR_CODE.cancel, isLost: false });
    const { stream } = recorded;
    stream.head().add(':status', '200').add('x-secret', 'a').send(false);
    expect(stream.write(BODY, 0, 10, true)).toBe(true);
    stream.reset(ERROR_CODE.cancel);
    stream.stopPeer();
    stream.consumed(10);
    await peer.sync();
    expect(story(peer)).toEqual([]);
    expect(connection.connection.openStreams).toBe(0);
  });

  it('comes with the loss of the connection', async () => {
    const { peer, recorded, connection } = await start(post(1));
    peer.socket.destroy();
    await until('the connection is gone', () => connection.timesGone === 1);
    expect(recorded).toMatchObject({ isLost: true, lateEvents: 0 });
    expect(connection.error?.message).toBe('the peer closed the connection');
  });
});

describe('received data', () => {
  it('gives credit back as it is consumed, and more while it is consumed at once', async () => {
    const { peer, recorded, connection } = await start(post(1));
    const chunk = Buffer.alloc(16_000);
    for (let i = 0; i < 40; i++) peer.send(data(1, chunk));
    await peer.sync();
    const updates = peer.of(FRAME.windowUpdate, 1).map(({ payload }) => payload.readUInt32BE(0));
    // Half of 1 MiB was used up, and the window was doubled.
    expect(updates).toHaveLength(1);
    expect(updates[0]).toBeGreaterThan(1024 ** 2 + 500_000);
    expect(recorded.bytes).toBe(640_000);
    expect(connection.connection.heldBytes).toBe(0);
  });

  it('is counted until it is consumed, also after the stream has ended', async () => {
    const server = await startServer((recorded) => (recorded.consumes = false));
    const peer = await RawPeer.handshake(server.port);
    peer.send(post(1), data(1, BODY, FLAG.endStream));
    await peer.sync();
    const { connection, streams } = server.connections[0]!;
    const { stream } = streams[0]!;
    stream.head().add(':status', '200').send(true);
    expect(stream.isOpen).toBe(false);
    expect(connection.heldBytes).toBe(10);
    stream.consumed(4);
    expect(connection.heldBytes).toBe(6);
    stream.reset(ERROR_CODE.noError);
    stream.consumed(100);
    expect(connection.heldBytes).toBe(0);
  });

  it('gives credit back for padding', async () => {
    const { peer } = await start(post(1));
    const padded = data(1, Buffer.concat([Buffer.from([255]), Buffer.alloc(255 + 1)]), FLAG.padded);
    for (let i = 0; i < 2100; i++) peer.send(padded);
    await peer.sync();
    expect(peer.of(FRAME.windowUpdate, 1)).toHaveLength(1);
  });
});

describe('a head', () => {
  it('larger than a frame goes on in CONTINUATION frames', async () => {
    const { peer, recorded } = await start(get(1));
    const value = 'v'.repeat(50_000);
    recorded.stream.head().add(':status', '200').add('x-large', value).send(true);
    await peer.sync();
    const frames = peer.frames.filter(({ id }) => id === 1);
    expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
      [FRAME.headers, FLAG.endStream],
      [FRAME.continuation, 0],
      [FRAME.continuation, 0],
      [FRAME.continuation, FLAG.endHeaders],
    ]);
    const all = Buffer.concat(frames.map(({ payload }) => payload));
    expect(new Decoder(100_000).decode(all, 0, all.length).value('x-large')).toBe(value);
  });

  it('may follow interim heads', async () => {
    const { peer, recorded } = await start(get(1));
    recorded.stream.head().add(':status', '103').send(false);
    recorded.stream.head().add(':status', '200').send(true);
    await peer.sync();
    expect(story(peer)).toEqual(['HEADERS', 'HEADERS END']);
  });
});

describe('output', () => {
  it('of one turn is one write', async () => {
    const { peer, recorded, connection } = await start(get(1));
    const written: number[] = [];
    // Each system call begins here, that of a stream too.
    const { _handle: handle } = connection.connection.socket as unknown as {
      _handle: { writeBuffer(request: object, bytes: Uint8Array): number };
    };
    const write = handle.writeBuffer.bind(handle);
    handle.writeBuffer = (request, bytes) => {
      written.push(bytes.length);
      return write(request, bytes);
    };
    recorded.stream.head().add(':status', '200').send(false);
    recorded.stream.write(BODY, 0, 10, false);
    recorded.stream.head().add('x-end', 'yes').send(true);
    expect(written).toEqual([]);
    await until('all came', () => story(peer).length === 3);
    expect(written).toHaveLength(1);
  });

  it('divides the connection among streams that wait', async () => {
    const { peer, recorded, connection } = await start(get(1), setting(4, 2 ** 20));
    peer.send(get(3));
    await peer.sync();
    const second = connection.streams[1]!.stream;
    const large = Buffer.alloc(500_000);
    for (const stream of [recorded.stream, second]) {
      stream.head().add(':status', '200').send(false);
      stream.write(large, 0, large.length, true);
    }
    peer.send(windowUpdate(0, 200_000));
    await until('200,000 bytes came', () => peer.body(1).length + peer.body(3).length === 265_535);
    // The first had the connection for itself for 65,535 bytes.
    expect(Math.abs(peer.body(1).length - 65_535 - peer.body(3).length)).toBeLessThan(20_000);
  });
});

describe('over TLS', () => {
  it('bodies of both sides arrive whole, in both roles', async () => {
    const { cert, key } = localCertificate().server;
    const heard: RecordedConnection[] = [];
    const server = createTls({ cert, key, ALPNProtocols: ['h2'] }, (socket: TLSSocket) => {
      track(socket);
      const recorded = new RecordedConnection(echo);
      heard.push(recorded);
      recorded.connection = new Http2Connection(socket, optionsFor('server'), recorded);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = track(
      connectTls({
        port: (server.address() as AddressInfo).port,
        host: '127.0.0.1',
        ALPNProtocols: ['h2'],
        rejectUnauthorized: false,
      }),
    );
    const client = new RecordedConnection();
    client.connection = new Http2Connection(socket, optionsFor('client'), client);
    const content = Buffer.alloc(2_000_000, 'some content that repeats. ');
    const streams = Array.from({ length: 4 }, () => {
      const recorded = new RecordedStream();
      const stream = client.connection.openStream(recorded);
      stream.head().add(':method', 'POST').add(':scheme', 'https').add(':path', '/').send(false);
      stream.write(content, 0, content.length, true);
      return recorded;
    });
    await until('all ended', () => streams.every(({ isEnd }) => isEnd));
    for (const { body } of streams) expect(body.equals(content)).toBe(true);
    client.connection.destroy();
    await until('the server knows', () => heard[0]!.timesGone === 1);
    server.close();
  });
});

it('is not kept in memory by an idle connection, and neither is its owner', async () => {
  const { peer, connection } = await start(get(1));
  const owner = new WeakRef(connection.streams.pop()!);
  owner.deref()!.stream.head().add(':status', '200').send(true);
  await peer.sync();
  await until('the owner is collected', () => {
    collect();
    return owner.deref() === undefined;
  });
});
