// The full lane's sockets to replicas over real connections: which are used again, and when reading is paused.
import { Agent, request, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  readResponse,
  type ResponseHeadEvents,
} from '../../../../src/data-plane/proxy/http/replica-socket.ts';
import { until } from '../../../kit/until.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const EVENTS: ResponseHeadEvents = {
  mayUpgrade: false,
  interim: () => undefined,
  writeFailed: () => undefined,
};

/** The replica's sides of all connections. */
const sides: Socket[] = [];
/** Called for each request that a replica has received. */
let response: (side: Socket) => void = (side) => side.write(OK);
const server = createServer((side) => {
  sides.push(side);
  side.on('error', () => side.destroy());
  side.on('data', () => response(side));
});
let agent: Agent;

beforeEach(async () => {
  sides.length = 0;
  response = (side) => side.write(OK);
  agent = new Agent({ keepAlive: true });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});

afterEach(async () => {
  agent.destroy();
  for (const side of sides) side.destroy();
  await new Promise((closed) => server.close(closed));
});

interface Sent {
  status: number;
  body: string;
  error: string | undefined;
  isOver: boolean;
}

function send(method = 'GET', events: ResponseHeadEvents = EVENTS): Sent {
  const sent: Sent = { status: 0, body: '', error: undefined, isOver: false };
  const { port } = server.address() as AddressInfo;
  const to = request({ host: '127.0.0.1', port, method, agent });
  readResponse(to, events);
  to.on('response', (from: IncomingMessage) => {
    sent.status = from.statusCode!;
    from.on('data', (chunk: Buffer) => (sent.body += chunk.toString('latin1')));
  });
  to.on('error', (error: NodeJS.ErrnoException) => (sent.error ??= error.code));
  to.on('close', () => (sent.isOver = true));
  to.end();
  return sent;
}

async function exchange(method = 'GET'): Promise<Sent> {
  const sent = send(method);
  await until('the request is over', () => sent.isOver);
  return sent;
}

const idle = (): number => Object.values(agent.freeSockets).flat().length;

describe('a kept connection', () => {
  it('serves requests of different kinds in sequence, each with its own framing', async () => {
    const responses: [method: string, text: string, body: string][] = [
      ['GET', OK, 'ok'],
      ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', ''],
      ['GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 ;a b\r\nok\r\n0\r\n\r\n', 'ok'],
      ['GET', `HTTP/1.1 103 E\r\n\r\n${OK}`, 'ok'],
      ['GET', 'HTTP/1.1 204 N\r\n\r\n', ''],
      ['GET', OK, 'ok'],
    ];
    for (const [method, text, body] of responses) {
      response = (side) => side.write(text);
      expect(await exchange(method), text).toMatchObject({ body, error: undefined });
      await until('the connection is kept', () => idle() === 1);
    }
    expect(sides.length).toBe(1);
  });

  it.each([
    ['a body with a length', 'GET', OK, 'ok'],
    ['chunks', 'GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 'ok'],
    ['a response to HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', ''],
    ['a response without a body', 'GET', 'HTTP/1.1 204 N\r\n\r\n', ''],
  ])('is not used again after more came than %s', async (_, method, text, body) => {
    response = (side) => side.write(`${text}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
    expect(await exchange(method)).toMatchObject({ body, error: undefined });
    response = (side) => side.write(OK);
    expect(await exchange()).toMatchObject({ status: 200, body: 'ok', error: undefined });
    expect(sides.length).toBe(2);
  });

  it('is closed if bytes come while no request waits', async () => {
    expect(await exchange()).toMatchObject({ body: 'ok' });
    await until('the connection is kept', () => idle() === 1);
    sides[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await until('it is closed', () => idle() === 0);
    expect(await exchange()).toMatchObject({ body: 'ok', error: undefined });
    expect(sides.length).toBe(2);
  });

  it('fails only the request whose response is malformed', async () => {
    expect(await exchange()).toMatchObject({ body: 'ok' });
    response = (side) => side.write('HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n');
    expect(await exchange()).toMatchObject({ status: 0, error: 'HPE_INVALID_HEAD' });
    response = (side) => side.write(OK);
    expect(await exchange()).toMatchObject({ body: 'ok', error: undefined });
  });
});

it('reads no more interim responses while it is paused, and goes on when it is resumed', async () => {
  const interim = `HTTP/1.1 103 E\r\nX-A: ${'x'.repeat(1000)}\r\n\r\n`.repeat(64);
  /** Enough that the buffers of both sides of a connection cannot hold it. */
  const rounds = 1000;
  response = (side) => {
    for (let i = 0; i < rounds; i++) side.write(interim);
    side.write(OK);
  };
  let count = 0;
  let resume: (() => void) | undefined;
  const sent = send('GET', {
    ...EVENTS,
    interim: (_, replica) => {
      count++;
      if (resume !== undefined) return;
      replica.pause();
      resume = () => replica.resume();
    },
  });
  await until('the first have come', () => resume !== undefined);
  const side = sides[0]!;
  const seen = await until('the replica can send no more', async () => {
    const before = { count, left: side.writableLength };
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
    return count === before.count && side.writableLength === before.left && before;
  });
  expect(seen.left).toBeGreaterThan(0);
  expect(seen.count).toBeLessThan(1000);
  expect(sent.status).toBe(0);
  resume!();
  await until('the response has come', () => sent.isOver);
  expect(count).toBe(64 * rounds);
  expect(sent).toMatchObject({ status: 200, body: 'ok', error: undefined });
});
