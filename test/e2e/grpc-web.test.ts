// gRPC-Web through weir to replicas of gRPC, as bytes of HTTP/1.1: what passes, what is refused, and what is recorded.
import { status, type ServerWritableStream } from '@grpc/grpc-js';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { begin, call, RawClient } from '../kit/client.ts';
import { GuideShell } from '../kit/guide-shell.ts';
import { closeH2, startH2Replica } from '../kit/h2.ts';
import { blocksOf, GUIDES } from '../kit/markdown-pages.ts';
import { bodyOf, closeReplicas, mirror, startReplica } from '../kit/replica.ts';
import { closeGrpc, startGrpcReplica, testMethods, type GrpcReplica } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { BINARY, messageFrame, outcomeOf, TEXT, webCall } from '../kit/web-frames.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const ID = /^[0-9a-f]{37}$/;
const UNARY = testMethods['UnaryCall']!;
const STREAM = testMethods['StreamingOutputCall']!;
const TICKS = '/test.Ticks/Run';
const identity = (bytes: Buffer): Buffer => bytes;
const unary = (request: object): Buffer => UNARY.requestSerialize(request);
const sizeOf = (message: Buffer): number => UNARY.responseDeserialize(message).payload.body.length as number;

const held = () => {
  let release: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => (release = resolve));
  return { promise, release: () => release() };
};

afterAll(async () => {
  await stopAll();
  await closeGrpc();
  await closeReplicas();
  closeH2();
});

describe('a gRPC-Web call', () => {
  let replica: GrpcReplica;
  let weir: Weir;
  /** The stream of ticks that runs. */
  let ticks: ServerWritableStream<Buffer, Buffer> | undefined;

  beforeAll(async () => {
    replica = await startGrpcReplica();
    replica.server.addService(
      {
        run: {
          path: TICKS,
          requestStream: false,
          responseStream: true,
          requestSerialize: identity,
          requestDeserialize: identity,
          responseSerialize: identity,
          responseDeserialize: identity,
        },
      },
      { run: (stream: ServerWritableStream<Buffer, Buffer>) => (ticks = stream) },
    );
    weir = await startWeir(['--replica', replica.url, '--proxy-max-body', '1MiB']);
  });

  const callUnary = (request: object, headers?: Record<string, string>, type?: string) =>
    webCall(weir.url, UNARY.path, [unary(request)], headers, type);

  for (const type of [BINARY, TEXT])
    it(`passes in ${type}, with metadata, ids and a record as for gRPC`, async () => {
      const series = 'baseten_inference_requests_total{status_code="0",is_async="false"}';
      const before = (await weir.page()).value(series) ?? 0;
      const outcome = await callUnary(
        { responseSize: 31415, payload: { body: Buffer.alloc(2718) } },
        { 'x-grpc-test-echo-initial': 'first', 'x-grpc-test-echo-trailing-bin': 'q6ur', accept: '*/*' },
        type,
      );
      expect(outcome.code).toBe(status.OK);
      expect(outcome.messages.map(sizeOf)).toEqual([31415]);
      expect(outcome.headers['content-type']).toBe(type);
      expect(outcome.headers['x-grpc-test-echo-initial']).toBe('first');
      expect(outcome.trailer('x-grpc-test-echo-trailing-bin')).toBe('q6ur');
      expect(outcome.id).toMatch(ID);
      expect(outcome.headers['x-baseten-request-id']).toBe(outcome.id);
      const seen = replica.seen.at(-1)!.getMap();
      expect(seen).toMatchObject({
        'x-baseten-request-id': outcome.id,
        'x-request-id': outcome.id,
        'x-forwarded-for': '127.0.0.1',
      });
      for (const name of ['x-grpc-web', 'accept', 'content-length', 'connection', 'host'])
        expect(seen[name], name).toBeUndefined();
      const line = await weir.expectExchange(outcome.id);
      expect(line).toMatchObject({
        protocol: 'grpc',
        path: UNARY.path,
        status: 0,
        cause: 'ok',
        request_bytes: unary({ responseSize: 31415, payload: { body: Buffer.alloc(2718) } }).length,
        response_bytes: outcome.messages[0]!.length,
      });
      await weir.expectMetric(series, before + 1);
    });

  it('answers in text a client that accepts only text, and in binary one that accepts it', async () => {
    const inText = await callUnary({}, { accept: 'application/grpc-web-text' });
    expect(inText.headers['content-type']).toBe(TEXT);
    expect(inText.code).toBe(0);
    const inBinary = await callUnary({}, { accept: 'application/grpc-web' }, TEXT);
    expect(inBinary.headers['content-type']).toBe(BINARY);
    expect(inBinary.code).toBe(0);
  });

  it.each([BINARY, TEXT])(
    'gets each message of a stream in %s as soon as the replica sends it',
    async (type) => {
      const req = begin(weir.url, TICKS, { method: 'POST', headers: { 'content-type': type } });
      const empty = messageFrame(Buffer.alloc(0));
      ticks = undefined;
      req.end(type === TEXT ? empty.toString('base64') : empty);
      const stream = await until('the replica has the call', () => ticks);
      stream.write(Buffer.from('one'));
      const [res] = (await once(req, 'response')) as [IncomingMessage];
      const pieces: Buffer[] = [];
      res.on('data', (chunk: Buffer) => pieces.push(chunk));
      const size = (length: number) => (type === TEXT ? Math.ceil(length / 3) * 4 : length);
      const received = () => Buffer.concat(pieces).length;
      await until('the first message came', () => received() === size(8));
      stream.write(Buffer.from('second'));
      await until('the second message came', () => received() === size(8) + size(11));
      stream.end();
      await once(res, 'end');
      const { messages, code } = outcomeOf({
        status: 200,
        headers: res.headers,
        body: Buffer.concat(pieces),
      });
      expect(messages.map(String)).toEqual(['one', 'second']);
      expect(code).toBe(0);
    },
  );

  it('gets many messages of a stream, large ones too', async () => {
    const sizes = [31415, 9, 0, 700_000, 2653, 58979];
    const request = STREAM.requestSerialize({ responseParameters: sizes.map((size) => ({ size })) });
    for (const type of [BINARY, TEXT]) {
      const { messages, code } = await webCall(weir.url, STREAM.path, [request], {}, type);
      expect(messages.map(sizeOf)).toEqual(sizes);
      expect(code).toBe(0);
    }
  });

  it('gets the status and message of the replica', async () => {
    const { code, trailer, messages, id, headers } = await callUnary(
      { responseStatus: { code: 5, message: 'keine \u00dcbung' } },
      { 'x-grpc-test-echo-trailing-bin': 'q6ur' },
    );
    expect(code).toBe(status.NOT_FOUND);
    expect(decodeURIComponent(trailer('grpc-message')!)).toBe('keine \u00dcbung');
    expect(trailer('x-grpc-test-echo-trailing-bin')).toBe('q6ur');
    expect(messages).toEqual([]);
    expect(headers['grpc-status']).toBeUndefined();
    expect(await weir.expectExchange(id)).toMatchObject({ status: 5, cause: 'ok' });
  });

  it('with a malformed deadline is refused', async () => {
    const { code, trailer } = await callUnary({}, { 'grpc-timeout': '5 minutes' });
    expect(code).toBe(status.INVALID_ARGUMENT);
    expect(trailer('grpc-message')).toContain('grpc-timeout');
  });

  it('is cancelled at the replica when the client disconnects', async () => {
    const { promise, release } = held();
    replica.hold = promise;
    const { calls, cancelled } = replica;
    const req = begin(weir.url, UNARY.path, {
      method: 'POST',
      headers: { 'content-type': BINARY, 'x-baseten-request-id': 'cancelled' },
    });
    req.on('error', () => undefined);
    req.end(messageFrame(unary({})));
    await until('the replica has the call', () => replica.calls > calls);
    req.destroy();
    await until('the call is cancelled', () => replica.cancelled > cancelled);
    await weir.expectLine('the call', (line) => line['cause'] === 'client_gone' && line['status'] === 1);
    release();
    replica.hold = undefined;
  });

  it.each([BINARY, TEXT])('with a message above the limit is refused in %s', async (type) => {
    const { calls } = replica;
    const outcome = await callUnary({ payload: { body: Buffer.alloc(1_100_000) } }, {}, type);
    expect(outcome.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(outcome.trailer('grpc-message')).toContain('proxy.max_body');
    expect(replica.calls).toBe(calls);
  });

  it('with a compressed message passes as it is', async () => {
    const message = gzipSync(unary({ responseSize: 3 }));
    const response = await call(weir.url, UNARY.path, {
      method: 'POST',
      headers: { 'content-type': BINARY, 'grpc-encoding': 'gzip' },
      body: messageFrame(message, 1),
    });
    expect(outcomeOf(response).messages.map(sizeOf)).toEqual([3]);
  });

  it('with a large message is served after 100 Continue', async () => {
    const body = messageFrame(unary({ payload: { body: Buffer.alloc(900_000) } }));
    const req = begin(weir.url, UNARY.path, {
      method: 'POST',
      headers: { 'content-type': BINARY, expect: '100-continue', 'content-length': String(body.length) },
    });
    req.flushHeaders();
    await once(req, 'continue');
    req.end(body);
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    expect(outcomeOf({ status: 200, headers: res.headers, body: await bodyOf(res) }).code).toBe(0);
  });

  it('that is not base64 is refused', async () => {
    const response = await call(weir.url, UNARY.path, {
      method: 'POST',
      headers: { 'content-type': TEXT },
      body: 'AAAA?AAA',
    });
    const { code, trailer, cause } = outcomeOf(response);
    expect(code).toBe(status.INVALID_ARGUMENT);
    expect(cause).toBe('bad_request');
    expect(trailer('grpc-message')).toBe('The request is malformed: the body is not base64');
  });

  it('whose chunked body turns out to be malformed is refused', async () => {
    const client = new RawClient(weir.port);
    client.send(
      `POST ${UNARY.path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${BINARY}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    client.send('5\r\n\0\0\0\0\0\r\n');
    await weir.expectMetric('baseten_concurrent_requests', 1);
    client.send('not a size\r\n');
    const text = await client.expectClosed();
    expect(text).toContain('grpc-status: 3\r\n');
    expect(text).toContain('x-weir-cause: bad_request\r\n');
  });

  it.each([
    [{ 'content-encoding': 'gzip' }, status.UNIMPLEMENTED, 'Content-Encoding'],
    [{ expect: 'more' }, status.INVALID_ARGUMENT, 'Expect'],
    [{ 'x-baseten-environment': 'none' }, status.NOT_FOUND, 'none'],
    [{ 'x-baseten-deployment': 'none' }, status.NOT_FOUND, 'none'],
  ] satisfies [Record<string, string>, number, string][])(
    'with %j is refused with a gRPC status',
    async (headers, expected, text) => {
      const { calls } = replica;
      const { code, trailer, id } = await callUnary({}, headers);
      expect(code).toBe(expected);
      expect(trailer('grpc-message')).toContain(text);
      expect(await weir.expectExchange(id)).toMatchObject({ protocol: 'grpc', status: expected });
      expect(replica.calls).toBe(calls);
    },
  );

  it.each([BINARY, TEXT])('over HTTP/2 passes as over HTTP/1.1, in %s', async (type) => {
    const session = connect(weir.url);
    const stream = session.request({ ':method': 'POST', ':path': UNARY.path, 'content-type': type });
    const message = messageFrame(unary({ responseSize: 31415 }));
    stream.end(type === TEXT ? message.toString('base64') : message);
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    const body = Buffer.concat((await stream.toArray()) as Buffer[]);
    const { code, messages, id } = outcomeOf({ status: Number(headers[':status']), headers, body });
    expect(code).toBe(0);
    expect(messages.map(sizeOf)).toEqual([31415]);
    expect(await weir.expectExchange(id)).toMatchObject({ protocol: 'grpc', path: UNARY.path, status: 0 });
    session.close();
  });

  it('over HTTP/2 is cancelled at the replica when the client resets it', async () => {
    const { promise, release } = held();
    replica.hold = promise;
    const { calls, cancelled } = replica;
    const session = connect(weir.url);
    const stream = session.request({ ':method': 'POST', ':path': UNARY.path, 'content-type': BINARY });
    stream.end(messageFrame(unary({})));
    await until('the replica has the call', () => replica.calls > calls);
    stream.close(8);
    await until('the call is cancelled', () => replica.cancelled > cancelled);
    release();
    replica.hold = undefined;
    session.close();
  });

  it('of a path with a target goes there', async () => {
    const good = await webCall(weir.url, `/deployment/local/sync${UNARY.path}`, [unary({ responseSize: 3 })]);
    expect(good.messages.map(sizeOf)).toEqual([3]);
    expect(await weir.expectExchange(good.id)).toMatchObject({ path: UNARY.path });
    const bad = await webCall(weir.url, `/deployment/none/sync${UNARY.path}`, [unary({})]);
    expect(bad.code).toBe(status.NOT_FOUND);
  });

  it('is made by the command of the guide', async () => {
    const guide = GUIDES.find(({ file }) => file.endsWith('/grpc.md'))!;
    const command = blocksOf([guide], 'sh').find(({ text }) => text.includes('grpc-web-text'))!.text;
    // The replica has no health service.
    expect(await new GuideShell(weir, tmpdir(), []).run(command.trim())).toContain('grpc-status: 12');
  });

  it('of HTTP/1.0 ends with its connection', async () => {
    const client = new RawClient(weir.port);
    const body = messageFrame(unary({ responseSize: 3 }));
    client.send(
      `POST ${UNARY.path} HTTP/1.0\r\nContent-Type: ${BINARY}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    client.send(body);
    const [head, rest] = (await client.expectClosed()).split('\r\n\r\n', 2) as [string, string];
    expect(head.toLowerCase()).not.toContain('transfer-encoding');
    expect(rest).toContain('grpc-status: 0\r\n');
  });

  it('leaves its connection to further ones', async () => {
    const client = new RawClient(weir.port);
    const body = messageFrame(unary({ responseSize: 3 }));
    for (let calls = 1; calls <= 3; calls++) {
      client.send(
        `POST ${UNARY.path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${BINARY}\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      client.send(body);
      await until(
        `response ${calls} came`,
        () => client.received.split('grpc-status: 0\r\n').length === calls + 1,
      );
    }
    client.socket.destroy();
  });

  it('needs POST, and gRPC itself needs HTTP/2', async () => {
    const get = await call(weir.url, UNARY.path, { headers: { 'content-type': BINARY } });
    expect(get.status).toBe(415);
    const grpc = await call(weir.url, UNARY.path, {
      method: 'POST',
      headers: { 'content-type': 'application/grpc' },
    });
    expect(grpc.status).toBe(415);
  });
});

it('a call to a replica that has gone ends with UNAVAILABLE', async () => {
  const replica = await startGrpcReplica();
  const weir = await startWeir(['--replica', replica.url, '--proxy-retry-connect-attempts', '1']);
  expect((await webCall(weir.url, UNARY.path, [unary({})])).code).toBe(status.OK);
  replica.server.forceShutdown();
  const { code, id, cause } = await until('the replica is found to be gone', async () => {
    const outcome = await webCall(weir.url, UNARY.path, [unary({})], { 'grpc-timeout': '5S' });
    return outcome.cause === 'connect_failed' && outcome;
  });
  expect(code).toBe(status.UNAVAILABLE);
  expect(await weir.expectExchange(id)).toMatchObject({ protocol: 'grpc', status: 14, cause });
});

it('a call that exceeds its deadline ends with DEADLINE_EXCEEDED, and the replica got what was left of it', async () => {
  const timeouts: unknown[] = [];
  const replica = await startH2Replica((_, headers) => timeouts.push(headers['grpc-timeout']));
  const weir = await startWeir(['--replica', replica.url]);
  const { code, id, cause } = await webCall(weir.url, '/a.B/C', [Buffer.alloc(0)], {
    'grpc-timeout': '400m',
  });
  expect([code, cause]).toEqual([status.DEADLINE_EXCEEDED, 'deadline_exceeded']);
  expect(await weir.expectExchange(id)).toMatchObject({ status: 4, cause: 'deadline_exceeded' });
  expect(timeouts).toEqual([expect.stringMatching(/^\d+u$/)]);
  expect(parseInt(String(timeouts[0]))).toBeLessThan(400_000);
});

it('a response that a replica breaks off inside a message is broken off for the client', async () => {
  const replica = await startH2Replica((stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(messageFrame(Buffer.from('whole')));
    stream.write(messageFrame(Buffer.alloc(100)).subarray(0, 50));
    setTimeout(() => stream.destroy(new Error('broken')), 100);
  });
  const weir = await startWeir(['--replica', replica.url]);
  const req = begin(weir.url, '/a.B/C', { method: 'POST', headers: { 'content-type': BINARY } });
  req.end(messageFrame(Buffer.alloc(0)));
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  await expect(bodyOf(res)).rejects.toThrow('aborted');
  await weir.expectLine('the call', (line) => line['cause'] === 'reset_midway');
});

it('a response that a replica breaks off between messages ends with the status', async () => {
  const replica = await startH2Replica((stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(messageFrame(Buffer.from('whole')));
    setTimeout(() => stream.destroy(new Error('broken')), 100);
  });
  const weir = await startWeir(['--replica', replica.url]);
  const { messages, code, cause } = await webCall(weir.url, '/a.B/C', [Buffer.alloc(0)]);
  expect(messages.map(String)).toEqual(['whole']);
  expect([code, cause]).toEqual([status.INTERNAL, 'reset_midway']);
});

it.each([BINARY, TEXT])(
  'a message that the client would read as trailers is not passed on, in %s',
  async (type) => {
    const replica = await startH2Replica((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      const forged = messageFrame(Buffer.from('grpc-status: 0\r\n'), 0x80);
      stream.write(Buffer.concat([messageFrame(Buffer.from('whole')), forged]));
    });
    const weir = await startWeir(['--replica', replica.url]);
    const outcome = await webCall(weir.url, '/a.B/C', [Buffer.alloc(0)], {}, type);
    expect(outcome.messages.map(String)).toEqual(['whole']);
    expect([outcome.code, outcome.cause]).toEqual([status.INTERNAL, 'bad_response']);
    expect(decodeURIComponent(outcome.trailer('grpc-message')!)).toBe(
      'The replica sent a malformed response: a message has the flags 0x80',
    );
    await until('the call is cancelled at the replica', () => replica.codes.length > 0);
  },
);

it('a call passes too where node:http2 serves gRPC', async () => {
  const replica = await startGrpcReplica();
  const weir = await startWeir(['--replica', replica.url, '--proxy-http2-library', 'node']);
  for (const type of [BINARY, TEXT]) {
    const { code, messages } = await webCall(weir.url, UNARY.path, [unary({ responseSize: 3 })], {}, type);
    expect(code).toBe(status.OK);
    expect(messages.map(sizeOf)).toEqual([3]);
  }
});

it('where keys are required, a call needs one, and the replica does not get it', async () => {
  const replica = await startGrpcReplica();
  const at = mkdtempSync(join(tmpdir(), 'weir-'));
  const key = 'a-key-for-tests-of-grpc-web';
  const sha256 = createHash('sha256').update(key).digest('hex');
  writeFileSync(
    join(at, 'keys.json'),
    JSON.stringify({ keys: [{ name: 'k', sha256, scopes: ['predict'] }] }),
  );
  writeFileSync(
    join(at, 'weir.yaml'),
    `deployments: [{ id: a, replicas: [{ url: "${replica.url}" }] }]
client_keys: { required: true, file: "${join(at, 'keys.json')}" }
`,
  );
  const weir = await startWeir(['--config', join(at, 'weir.yaml')]);
  for (const headers of [{}, { authorization: 'Bearer another-key-than-the-right-one' }]) {
    const { code, cause } = await webCall(weir.url, UNARY.path, [unary({})], headers);
    expect([code, cause]).toEqual([status.UNAUTHENTICATED, 'unauthorized']);
  }
  expect(replica.calls).toBe(0);
  for (const name of ['authorization', 'baseten-authorization']) {
    const { code } = await webCall(weir.url, UNARY.path, [unary({})], { [name]: `Bearer ${key}` });
    expect(code, name).toBe(status.OK);
    expect(replica.seen.at(-1)!.get(name)).toEqual([]);
  }
});

describe('a gRPC-Web call', () => {
  it('to a deployment that serves HTTP is passed on unchanged, and its metadata selects one that serves gRPC', async () => {
    const http = await startReplica(mirror);
    const grpc = await startGrpcReplica();
    const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
    writeFileSync(
      file,
      `deployments:
  - { id: h, environment: production, replicas: [{ url: "${http.url}" }] }
  - { id: g, environment: calls, replicas: [{ url: "${grpc.url}" }] }
`,
    );
    const weir = await startWeir(['--config', file]);
    const body = messageFrame(unary({ responseSize: 3 }));
    const post = (headers: Record<string, string>) =>
      call(weir.url, UNARY.path, { method: 'POST', headers: { 'content-type': BINARY, ...headers }, body });
    const mirrored = await post({});
    expect(mirrored.text).toContain('application/grpc-web+proto');
    for (const target of [{ 'x-baseten-deployment': 'g' }, { 'x-baseten-environment': 'calls' }])
      expect(outcomeOf(await post(target)).messages.map(sizeOf)).toEqual([3]);
  });
});

describe('with ingress.cors', () => {
  const ORIGIN = 'https://app.example.com';

  it('a page of an allowed origin may make calls with the defaults, and read all that they return', async () => {
    const replica = await startGrpcReplica();
    const weir = await startWeir(['--replica', replica.url, '--ingress-cors-origins', ORIGIN]);
    const preflight = await call(weir.url, UNARY.path, {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,grpc-timeout,x-grpc-web,x-user-agent',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-origin']).toBe(ORIGIN);
    const allowed = String(preflight.headers['access-control-allow-headers']).split(', ');
    expect(allowed).toEqual(
      expect.arrayContaining(['content-type', 'grpc-timeout', 'x-grpc-web', 'x-user-agent']),
    );
    for (const request of [{}, { responseStatus: { code: 5, message: 'none' } }]) {
      const { headers } = await webCall(weir.url, UNARY.path, [unary(request)], { origin: ORIGIN });
      expect(headers['access-control-allow-origin']).toBe(ORIGIN);
      const exposed = String(headers['access-control-expose-headers']).split(', ');
      expect(exposed).toEqual(expect.arrayContaining(['grpc-status', 'grpc-message']));
    }
    const refused = await webCall(weir.url, UNARY.path, [unary({})], {
      origin: ORIGIN,
      'x-baseten-deployment': 'none',
    });
    expect(refused.headers['access-control-allow-origin']).toBe(ORIGIN);
    const other = await webCall(weir.url, UNARY.path, [unary({})], { origin: 'https://evil.example' });
    expect(other.headers['access-control-allow-origin']).toBeUndefined();
  });
});
