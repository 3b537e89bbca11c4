// Submissions in the fast lane, with a queue that stores a task when the test says so.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Exchange } from '../../../../src/core/exchange/exchange.ts';
import type { SubmissionHead, SubmissionOutcome } from '../../../../src/data-plane/proxy/proxy.ts';
import { startFastLane, type TestLane } from '../../../kit/fast-lane.ts';
import { readMessages } from '../../../kit/raw-exchange.ts';
import { closeReplicas, startRawReplica } from '../../../kit/replica.ts';
import { until } from '../../../kit/until.ts';

interface Stored extends SubmissionHead {
  readonly exchange: Exchange;
  readonly body: string;
  readonly answer: (outcome: SubmissionOutcome) => void;
}

let started: TestLane;
let stored: Stored[];
let ended: Exchange[];

const BODY_TIMEOUT_MS = 300;

beforeEach(async () => {
  stored = [];
  ended = [];
  const replica = await startRawReplica((socket) =>
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')),
  );
  const picker = { take: () => undefined };
  started = await startFastLane(replica.url, {
    decide: ({ method, target: path }) =>
      method === 'POST'
        ? { kind: 'async_predict', deployment: 0, picker }
        : { kind: 'forward', deployment: 0, path, picker },
    submissions: {
      maxBody: 1000,
      bodyTimeoutMs: BODY_TIMEOUT_MS,
      admit: () => undefined,
      store(exchange, head, body) {
        const { promise, resolve } = Promise.withResolvers<SubmissionOutcome>();
        stored.push({ ...head, exchange, body: body.toString(), answer: resolve });
        return promise;
      },
    },
  });
  started.exchanges.observe({ closed: (exchange) => void ended.push(exchange) });
});
afterEach(async () => {
  started.close();
  await closeReplicas();
});

const post = (body: string, fields = ''): string =>
  `POST /x HTTP/1.1\r\nHost: x\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
const get = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n';

const expectStored = (count: number) =>
  until(`the queue has ${count} submissions`, () => stored.length === count);

it('responds only after the queue has stored the task, with the id that it got', async () => {
  const client = started.connect();
  client.send(post('{"n":1}', 'Idempotency-Key: a\r\nX-Portkey-Debug: false\r\n'));
  await expectStored(1);
  expect(stored[0]).toMatchObject({ body: '{"n":1}', idempotencyKey: 'a', isPrivate: true, deployment: 0 });
  expect([client.received, ended]).toEqual(['', []]);
  stored[0]!.answer({ id: 'first' });
  await until('it is answered', () => client.received !== '');
  expect(client.received).toMatch(
    /^HTTP\/1\.1 201 Created\r\n.*X-Baseten-Request-Id: first\r\n.*\r\n\r\n\{"request_id":"first"\}$/s,
  );
  expect(ended).toMatchObject([{ cause: 'ok', status: 201, requestBytes: 7, responseBytes: 22 }]);
});

it('answers the requests of a connection in their order, and stores the next one after the last one', async () => {
  const client = started.connect();
  client.send(post('1') + get + post('2') + post('3'));
  await expectStored(1);
  stored[0]!.answer({ id: 'one' });
  await expectStored(2);
  stored[1]!.answer({ failure: 'queue_full', detail: '' });
  await expectStored(3);
  stored[2]!.answer({ id: 'three' });
  await until('all are answered', () => ended.length === 4);
  const { messages, rest } = readMessages(client.received);
  expect(messages.map(({ start }) => start.slice(9, 12))).toEqual(['201', '200', '429', '201']);
  expect(rest).toBe('');
  expect(stored.map(({ body }) => body)).toEqual(['1', '2', '3']);
});

it('joins a body that comes in pieces, and keeps what follows it', async () => {
  const client = started.connect();
  const text = post('{"a":"0123456789"}') + get;
  for (const at of [10, 60, 68, 70]) {
    const from = { 10: 0, 60: 10, 68: 60, 70: 68 }[at]!;
    client.send(text.slice(from, at));
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.send(text.slice(70));
  await expectStored(1);
  expect(stored[0]!.body).toBe('{"a":"0123456789"}');
  stored[0]!.answer({ id: 'x' });
  await until('both are answered', () => client.received.endsWith('ok'));
});

it('writes nothing for a client that has left before the task is stored', async () => {
  const client = started.connect();
  client.send(post('1'));
  await expectStored(1);
  client.destroy();
  await until('its exchange has ended', () => ended.length === 1);
  expect(ended).toMatchObject([{ cause: 'client_gone', status: 499 }]);
  stored[0]!.answer({ id: 'x' });
  await new Promise((resolve) => setImmediate(resolve));
  expect([client.received, ended.length, started.exchanges.openCount]).toEqual(['', 1, 0]);
});

it('ends the exchange of a client that leaves in the middle of a body', async () => {
  const client = started.connect();
  client.send(post('0123456789').slice(0, -3));
  await until('its exchange is open', () => started.exchanges.openCount === 1);
  client.push(null);
  await until('its exchange has ended', () => ended.length === 1);
  expect(ended).toMatchObject([
    { cause: 'client_gone', method: 'POST', target: '/x', requestedDeployment: 0 },
  ]);
  expect([client.received, stored]).toEqual(['', []]);
});

it('refuses a body that does not arrive in time, and serves the next request once it has', async () => {
  const client = started.connect();
  const text = post('0123456789');
  client.send(text.slice(0, -3));
  await until('it is refused', () => client.received !== '');
  expect(client.received).toMatch(/^HTTP\/1\.1 408 .*the body did not arrive within 300 ms/s);
  client.send(text.slice(-3) + get);
  await until('the next request is served', () => client.received.endsWith('ok'));
  expect(stored).toEqual([]);
});

it('has no time limit for a task that is being stored', async () => {
  const client = started.connect();
  client.send(post('1'));
  await expectStored(1);
  await new Promise((resolve) => setTimeout(resolve, 2 * BODY_TIMEOUT_MS));
  expect([client.received, ended]).toEqual(['', []]);
  stored[0]!.answer({ id: 'x' });
  await until('it is answered', () => client.received.includes('201 Created'));
});

it('answers a task that is being stored when weir drains, and closes the connection', async () => {
  const client = started.connect();
  client.send(post('1'));
  await expectStored(1);
  started.lane.drain();
  stored[0]!.answer({ id: 'x' });
  await until('the connection is closed', () => client.writableEnded);
  expect(client.received).toMatch(/^HTTP\/1\.1 201 Created\r\n.*\r\nConnection: close\r\n\r\n/s);
});

it('refuses a task that is still being stored when the time for draining is over', async () => {
  const client = started.connect();
  client.send(post('1'));
  await expectStored(1);
  started.lane.abortAll('draining');
  await until('its exchange has ended', () => ended.length === 1);
  expect(client.received).toMatch(/^HTTP\/1\.1 503 /);
  stored[0]!.answer({ id: 'x' });
  await new Promise((resolve) => setImmediate(resolve));
  expect(client.received).not.toContain('201');
});

it('sends one response to a client that takes it slowly and is cut off then', async () => {
  const client = started.connect();
  client.isHeld = true;
  client.send(post('1'));
  await expectStored(1);
  stored[0]!.answer({ id: 'x' });
  await until('the response is written', () => client.received !== '');
  expect(ended).toEqual([]);
  started.lane.abortAll('draining');
  await until('its exchange has ended', () => ended.length === 1);
  expect(client.received.match(/HTTP\/1\.1/g)).toHaveLength(1);
  expect(client.destroyed).toBe(true);
});

it('reads no more than a limit of later requests while a task is being stored', async () => {
  const client = started.connect();
  client.send(post('1'));
  await expectStored(1);
  let pushed = 0;
  while (pushed < 1000 && client.push(Buffer.alloc(1024, 'x'))) pushed++;
  await until('the client is paused', () => client.isPaused());
  expect(stored).toHaveLength(1);
});
