// HTTP/2 connections in both roles against Node's own HTTP/2, over real sockets.
import { once } from 'node:events';
import { connect as connectH2, createServer as createH2, type ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../kit/until.ts';
import { closeEndpoints, connectClient, echo, RecordedStream, startServer } from './kit/endpoints.ts';

const sessions: ClientHttp2Session[] = [];
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await closeEndpoints();
});

function nodeClient(port: number): ClientHttp2Session {
  const session = connectH2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  sessions.push(session);
  return session;
}

interface NodeAnswer {
  status: unknown;
  body: Buffer;
  trailers: Record<string, unknown>;
  code: number;
}

async function ask(session: ClientHttp2Session, body: Buffer, path = '/echo'): Promise<NodeAnswer> {
  const stream = session.request({ ':method': 'POST', ':path': path });
  const chunks: Buffer[] = [];
  const answer: NodeAnswer = { status: undefined, body: Buffer.alloc(0), trailers: {}, code: 0 };
  stream.on('response', (headers) => (answer.status = headers[':status']));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('trailers', (trailers) => (answer.trailers = trailers));
  stream.end(body);
  await once(stream, 'close');
  answer.body = Buffer.concat(chunks);
  answer.code = stream.rstCode;
  return answer;
}

const bytes = (count: number): Buffer => Buffer.alloc(count, 'The quick brown fox jumps over the lazy dog. ');

describe('a server', () => {
  it('echoes bodies of every size to Node’s client, with trailers', async () => {
    const { port } = await startServer(echo);
    const session = nodeClient(port);
    for (const size of [0, 1, 63, 64, 16_383, 16_384, 16_385, 65_535, 65_536, 200_000, 3_000_000]) {
      const { status, body, trailers, code } = await ask(session, bytes(size));
      expect({ status, code, size: body.length, trailer: trailers['x-bytes'] }).toEqual({
        status: 200,
        code: 0,
        size,
        trailer: String(size),
      });
      expect(body.equals(bytes(size))).toBe(true);
    }
  });

  it('serves many streams of one connection at once', async () => {
    const { port } = await startServer(echo);
    const session = nodeClient(port);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(session, bytes(i * 1000))));
    answers.forEach(({ body }, i) => expect(body.equals(bytes(i * 1000))).toBe(true));
  });
});

describe('a client', () => {
  it('gets echoes of every size from Node’s server, with trailers', async () => {
    const server = createH2();
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
      stream.pipe(stream);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connectClient((server.address() as AddressInfo).port);
    for (const size of [0, 1, 16_384, 65_535, 65_536, 3_000_000]) {
      const recorded = new RecordedStream();
      const stream = client.connection.openStream(recorded);
      stream
        .head()
        .add(':method', 'POST')
        .add(':scheme', 'http')
        .add(':path', '/')
        .add(':authority', 'a')
        .send(false);
      stream.write(bytes(size), 0, size, true);
      await until('the answer is complete', () => recorded.isEnd);
      expect(recorded.blocks.map((block) => block.raw())).toEqual([
        expect.arrayContaining([':status', '200']),
        ['x-end', 'yes'],
      ]);
      expect(recorded.body.equals(bytes(size))).toBe(true);
      expect(stream.isOpen).toBe(false);
    }
    client.connection.destroy();
    server.close();
    await once(server, 'close');
  });
});
