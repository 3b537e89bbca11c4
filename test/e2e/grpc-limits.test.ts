// Limits of gRPC calls and of their HTTP/2 connections, and what clients and operators are told of them.
import { status } from '@grpc/grpc-js';
import { once } from 'node:events';
import { connect, type ClientHttp2Session } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { CALL_HEAD, closeH2, frame, H2Socket, hpack, startFrameReplica, startH2Replica } from '../kit/h2.ts';
import { closeGrpc, startGrpcReplica, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { messageFrame } from '../kit/web-frames.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };
const CALL = { ':method': 'POST', ':path': '/x.Y/Z', 'content-type': 'application/grpc' };
const RESPONSE_HEAD = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
] as const;
const ID = /^[0-9a-f]{37}$/;
const [HEADERS_TYPE, RST_STREAM, GOAWAY] = [1, 3, 7];
const [END_STREAM, END_HEADERS] = [1, 4];
const sessions = new Set<ClientHttp2Session>();

afterEach(async () => {
  for (const session of sessions) session.destroy();
  sessions.clear();
  await stopAll();
  await closeGrpc();
  closeH2();
});

function openSession(weir: Weir): ClientHttp2Session {
  const session = connect(weir.url);
  sessions.add(session);
  return session;
}

/** Makes a call without messages, and returns the head of its response. */
async function headOf(
  session: ClientHttp2Session,
  more: Record<string, string>,
): Promise<Record<string, string>> {
  const call = session.request({ ...CALL, ...more }, { endStream: true });
  call.resume();
  const [headers] = (await once(call, 'response')) as [Record<string, string>];
  return headers;
}

/** A message of `size` bytes with its prefix. */
function message(size: number): Buffer {
  const framed = Buffer.alloc(5 + size);
  framed.writeUInt32BE(size, 1);
  return framed;
}

describe('request metadata', () => {
  it('with a malformed grpc-timeout gets INVALID_ARGUMENT, and never reaches a replica', async () => {
    const replica = await startGrpcReplica();
    const weir = await startWeir(['--replica', replica.url]);
    const session = openSession(weir);
    for (const given of ['soon', '10', '123456789S', '-1S', '5x']) {
      const headers = await headOf(session, { 'grpc-timeout': given });
      expect(headers['grpc-status']).toBe('3');
      expect(headers['grpc-message']).toContain(`grpc-timeout is "${given}"`);
      expect(await weir.expectExchange(headers['x-baseten-request-id'])).toMatchObject({
        protocol: 'grpc',
        status: 3,
        cause: 'bad_request',
      });
    }
    expect(replica.calls).toBe(0);
    await weir.expectMetric('baseten_concurrent_requests', 0);
  });

  it('without :authority reaches the replica with one, which would else reset it', async () => {
    const replica = await startGrpcReplica();
    const weir = await startWeir(['--replica', replica.url]);
    const client = new H2Socket(weir.port);
    const call = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/example.TestService/EmptyCall'],
      ['content-type', 'application/grpc'],
    ] as const;
    client.socket.write(frame(1, 4, 1, hpack(...call)));
    client.socket.write(frame(1, 4, 3, hpack(...call, ['host', 'model.internal'])));
    for (const id of [1, 3]) client.socket.write(frame(0, 1, id, message(0)));
    const ended = () => weir.lines.filter(({ event }) => event === 'exchange');
    await until('the calls have ended', () => ended().length === 2);
    expect(ended().map(({ cause, status }) => [cause, status])).toEqual([
      ['ok', 0],
      ['ok', 0],
    ]);
  });

  it('with an :authority that replicas refuse gets INVALID_ARGUMENT, and does not count against a replica', async () => {
    const replica = await startGrpcReplica();
    const weir = await startWeir(['--replica', replica.url]);
    const client = new H2Socket(weir.port);
    const call = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/example.TestService/EmptyCall'],
      [':authority', 'model<1>'],
      ['content-type', 'application/grpc'],
    ] as const;
    client.socket.write(frame(1, 5, 1, hpack(...call)));
    const line = await weir.expectLine('the call', ({ event }) => event === 'exchange');
    expect(line).toMatchObject({ status: 3, cause: 'bad_request', attempts: 0 });
  });

  it('above ingress.max_header gets RESOURCE_EXHAUSTED with an id, and other calls of the connection go on', async () => {
    const replica = await startGrpcReplica();
    const weir = await startWeir(['--replica', replica.url]);
    const session = openSession(weir);
    const headers = await headOf(session, { 'x-large': 'x'.repeat(40_000) });
    expect(headers['grpc-status']).toBe('8');
    expect(headers['grpc-message']).toContain('ingress.max_header');
    expect(headers['x-baseten-request-id']).toMatch(ID);
    expect(await weir.expectExchange(headers['x-baseten-request-id'])).toMatchObject({
      status: 8,
      cause: 'headers_too_large',
    });
    const path = '/example.TestService/EmptyCall';
    const call = session.request({ ...CALL, ':path': path }, { endStream: false });
    call.end(message(0));
    call.resume();
    const [trailers] = (await once(call, 'trailers')) as [Record<string, string>];
    expect(trailers['grpc-status']).toBe('0');
  });

  it('above what the replica accepts gets RESOURCE_EXHAUSTED with the limit', async () => {
    const LIMIT = Buffer.from([0, 6, 0, 0, 0x08, 0]);
    const replica = await startFrameReplica(
      (stream) =>
        frame(
          HEADERS_TYPE,
          END_STREAM | END_HEADERS,
          stream,
          hpack([':status', '200'], ['grpc-status', '12']),
        ),
      () => LIMIT,
    );
    const weir = await startWeir(['--replica', replica.url]);
    const headers = await headOf(openSession(weir), { 'x-large': 'x'.repeat(4000) });
    expect(headers['grpc-status']).toBe('8');
    expect(headers['grpc-message']).toContain('the replica accepts 2048');
  });
});

describe('a response', () => {
  it('whose metadata the client does not accept ends with INTERNAL, and the cause is the replica', async () => {
    const replica = await startH2Replica((stream) => {
      stream.respond({ ...HEADERS, 'x-large': 'x'.repeat(4000) }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(message(3));
    });
    const weir = await startWeir(['--replica', replica.url]);
    // SETTINGS_MAX_HEADER_LIST_SIZE: 2,048.
    const client = new H2Socket(weir.port, Buffer.from([0, 6, 0, 0, 0x08, 0]));
    client.socket.write(frame(HEADERS_TYPE, END_HEADERS | END_STREAM, 1, CALL_HEAD));
    const line = await weir.expectLine('the end of the call', ({ event }) => event === 'exchange');
    expect(line).toMatchObject({ status: status.INTERNAL, cause: 'bad_response' });
    expect(line['detail']).toContain('and the client accepts 2048');
    const isEnd = ({ type, flags, stream }: { type: number; flags: number; stream: number }) =>
      type === HEADERS_TYPE && stream === 1 && (flags & END_STREAM) !== 0;
    await until('the client has the status', () => client.frames.some(isEnd));
    expect(client.isClosed).toBe(false);
  });

  it('that breaks a rule of HTTP/2 is named so, and other calls of the connection go on', async () => {
    let calls = 0;
    const replica = await startFrameReplica((stream) => {
      calls++;
      // The second call stays open, the third response is malformed. The first is to the health check.
      if (calls === 2) return frame(HEADERS_TYPE, END_HEADERS, stream, hpack(...RESPONSE_HEAD));
      const last = calls === 3 ? (['connection', 'close'] as const) : (['grpc-status', '12'] as const);
      return frame(HEADERS_TYPE, END_HEADERS | END_STREAM, stream, hpack(...RESPONSE_HEAD, last));
    });
    const weir = await startWeir(['--replica', replica.url]);
    const client = new TestClient(weir.port);
    const other = client.output({ responseParameters: [] });
    await once(other.call, 'metadata');
    const { code, details, id } = await client.unary('emptyCall').outcome;
    expect([code, details]).toEqual([
      status.INTERNAL,
      'The replica sent a malformed response: connection is not allowed in HTTP/2',
    ]);
    expect(await weir.expectExchange(id)).toMatchObject({ cause: 'bad_response' });
    expect((await client.unary('emptyCall').outcome).code).toBe(status.UNIMPLEMENTED);
    await weir.expectMetric('baseten_concurrent_requests', 1);
    other.call.cancel();
    expect((await other.outcome).code).toBe(status.CANCELLED);
  });

  it('that ends with GOAWAY and an error code ends with its name', async () => {
    let calls = 0;
    const CALM = Buffer.concat([Buffer.from([0, 0, 0, 9, 0, 0, 0, 11]), Buffer.from('too_many_pings')]);
    const replica = await startFrameReplica((stream, socket) => {
      if (calls++ === 0)
        return frame(
          HEADERS_TYPE,
          END_HEADERS | END_STREAM,
          stream,
          hpack([':status', '200'], ['grpc-status', '12']),
        );
      setImmediate(() => socket.end());
      return frame(GOAWAY, 0, 0, CALM);
    });
    const weir = await startWeir(['--replica', replica.url]);
    const { code, details } = await new TestClient(weir.port).unary('emptyCall').outcome;
    expect(code).toBe(status.UNAVAILABLE);
    expect(details).toContain('ENHANCE_YOUR_CALM (too_many_pings)');
  });
});

describe('proxy.total_timeout', () => {
  it('ends a unary call, but no stream', async () => {
    const replica = await startGrpcReplica();
    const weir = await startWeir(['--replica', replica.url, '--proxy-total-timeout=500ms']);
    const client = new TestClient(weir.port);
    const stream = client.duplex();
    stream.call.write({ responseParameters: [{ size: 1 }] });
    await once(stream.call, 'data');
    stream.call.write({ responseParameters: [{ size: 1 }] });
    await once(stream.call, 'data');
    replica.hold = new Promise(() => undefined);
    const unary = await client.unary('unaryCall').outcome;
    expect(unary.code).toBe(status.DEADLINE_EXCEEDED);
    expect(await weir.expectExchange(unary.id)).toMatchObject({ cause: 'total_timeout' });
    stream.call.write({ responseParameters: [{ size: 1 }] });
    await once(stream.call, 'data');
    stream.call.end();
    expect((await stream.outcome).code).toBe(status.OK);
  });

  it('is proxy.grpc_stream_timeout for a stream', async () => {
    const replica = await startGrpcReplica();
    const weir = await startWeir(['--replica', replica.url, '--proxy-grpc-stream-timeout=500ms']);
    const { call, outcome } = new TestClient(weir.port).duplex();
    call.write({ responseParameters: [{ size: 1 }, { size: 1 }] });
    const { code, id } = await outcome;
    expect(code).toBe(status.DEADLINE_EXCEEDED);
    const line = await weir.expectExchange(id);
    expect(line).toMatchObject({ cause: 'total_timeout' });
    expect(line['detail']).toContain('proxy.grpc_stream_timeout');
  });
});

describe('cancelled calls', () => {
  const CANCEL = Buffer.from([0, 0, 0, 8]);
  const head = (stream: number) => frame(HEADERS_TYPE, END_HEADERS | END_STREAM, stream, CALL_HEAD);

  /** Makes `rounds` pairs of calls, of which the second is cancelled. */
  async function cancelEverySecond(socket: H2Socket, rounds: number): Promise<void> {
    for (let round = 0; round < rounds && !socket.isClosed; round++) {
      const kept = 4 * round + 1;
      socket.socket.write(
        Buffer.concat([head(kept), head(kept + 2), frame(RST_STREAM, 0, kept + 2, CANCEL)]),
      );
      if (round % 50 === 49)
        await until(
          'the calls are answered',
          () =>
            socket.isClosed ||
            socket.frames.some(({ type, stream }) => type === HEADERS_TYPE && stream === kept),
        );
    }
  }

  it('do not end a connection on which as many calls end normally', async () => {
    const replica = await startH2Replica((stream) => {
      stream.respond({ ...HEADERS, 'grpc-status': '0' }, { endStream: true });
    });
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--log-access=false',
      '--ingress-http2-reset-burst=200',
    ]);
    const socket = new H2Socket(weir.port);
    await cancelEverySecond(socket, 1000);
    expect([socket.isClosed, socket.goaway]).toEqual([false, undefined]);
  });

  it('beyond ingress.http2.reset_burst end the connection, and the log and metrics say why', async () => {
    const replica = await startH2Replica(() => undefined);
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--ingress-http2-reset-burst=100',
      '--ingress-http2-reset-rate=0',
    ]);
    const socket = new H2Socket(weir.port);
    for (let stream = 1; stream < 240; stream += 2)
      socket.socket.write(Buffer.concat([head(stream), frame(RST_STREAM, 0, stream, CANCEL)]));
    await until('the connection is closed', () => socket.isClosed);
    expect(socket.goaway).toBe(11);
    const line = await weir.expectLine(
      'the reason',
      ({ event }) => event === 'connection of a client was cut',
    );
    expect(line).toMatchObject({ address: '127.0.0.1', guard: 'resets' });
    await weir.expectMetric('weir_http2_connections_ended_total{side="client",reason="resets"}', 1);
    await weir.expectMetric('baseten_concurrent_requests', 0);
  });
});

it('lets clients send one megabyte of a stream ahead', async () => {
  const replica = await startGrpcReplica();
  const weir = await startWeir(['--replica', replica.url]);
  const socket = new H2Socket(weir.port);
  await until('the settings came', () => socket.frames.some(({ type }) => type === 4));
  expect(socket.initialWindow).toBe(1024 ** 2);
});

it('lets clients send eight megabytes of a stream ahead once half of the first one has been read', async () => {
  const window = 16 * 1024 ** 2;
  const replica = await startH2Replica((stream) => stream.resume(), { initialWindowSize: window });
  replica.server.on('session', (session) => session.setLocalWindowSize(window));
  const weir = await startWeir(['--replica', replica.url]);
  const socket = new H2Socket(weir.port);
  await until('the settings came', () => socket.frames.some(({ type }) => type === 4));
  socket.socket.write(frame(HEADERS_TYPE, END_HEADERS, 1, CALL_HEAD));
  await until('the replica has the call', () => replica.streams === 1);
  const message = messageFrame(Buffer.alloc(8_000_000));
  for (let at = 0; at < 1024 ** 2; at += 16_384)
    socket.socket.write(frame(0, 0, 1, message.subarray(at, at + 16_384)));
  const allowed = () => Math.min(socket.initialWindow + socket.windowOf(1), 65_535 + socket.windowOf(0));
  await until('the rest may be sent', () => allowed() >= message.length);
});
