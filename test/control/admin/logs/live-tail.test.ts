// Tests of live tails: reconnects, slow clients, limits and the end.
import { afterEach, describe, expect, it } from 'vitest';
import type { Place } from '../../../../src/telemetry/logs/logs.ts';
import { withChanges, closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { post } from '../../../kit/log-api.ts';
import { EventClient, type Event } from '../../../kit/sse.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const tail = (server: OpenAdmin, query = '', headers: Record<string, string> = {}): Promise<EventClient> =>
  new EventClient(`${server.url}/v1/logs?${query}`, headers).open();

const texts = (events: readonly Event[]): unknown[] =>
  events.filter(({ name }) => name === 'message').map(({ data }) => data['message']);

const count = (client: EventClient): number => client.events.length;

describe('a live tail', () => {
  it('sends matching records from now on, with their ids', async () => {
    const server = await startAdmin();
    await post(server, [{ message: 'before' }]);
    const client = await tail(server, 'q=level>=warn&replica=abc12');
    expect(client.res!.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'x-accel-buffering': 'no',
    });
    await until('it sends an id', () => client.lastId !== '');
    await post(server, [
      { level: 'info', message: 'no' },
      { level: 'error', message: 'yes' },
    ]);
    await post(server, [{ level: 'error', message: 'not here' }], 'replica=xyz99');
    await post(server, [{ level: 'warn', message: 'yes, too' }]);
    await until('both records have arrived', () => count(client) === 2);
    expect(texts(client.events)).toEqual(['yes', 'yes, too']);
    expect(client.events.map(({ id, data }) => Number(id) - (data['seq'] as number))).toEqual([0, 0]);
    client.kill();
    await until('the server has noticed the disconnect', () => server.admin.tails === 0);
  });

  it('starts with the last records if tail is given', async () => {
    const server = await startAdmin();
    await post(server, [{ message: 'a' }, { message: 'b' }, { message: 'c' }]);
    const client = await tail(server, 'follow=1&tail=2', { accept: '*/*' });
    await until('both records have arrived', () => count(client) === 2);
    await post(server, [{ message: 'd' }]);
    await until('the next record has arrived', () => count(client) === 3);
    expect(texts(client.events)).toEqual(['b', 'c', 'd']);
  });

  it('sends each record once at 1,000 lines a second across two reconnects', async () => {
    const server = await startAdmin();
    const stream = server.logs.openStream({
      deployment: 'dep1',
      environment: '',
      replica: 'abc12',
      source: 'stdout',
    });
    const total = 4000;
    let sent = 0;
    // Before the first line, since a tail sends only what is stored after its start.
    let client = await tail(server, 'min_level=ERROR');
    await until('the tail runs', () => client.lastId !== '');
    const pace = setInterval(() => {
      for (let i = 0; i < 20 && sent < total; i++)
        stream.write(Buffer.from(`{"message":"line ${sent}","level":"${sent++ % 2 ? 'info' : 'error'}"}\n`));
    }, 20);
    try {
      const events: Event[] = [];
      for (const enough of [500, 1200, total / 2]) {
        await until(`${enough} records have arrived`, () => events.length + count(client) >= enough, 20_000);
        client.kill();
        events.push(...client.events);
        if (enough < total / 2)
          client = await tail(server, 'min_level=ERROR', { 'last-event-id': client.lastId });
      }
      expect(texts(events)).toEqual(Array.from({ length: total / 2 }, (_, i) => `line ${2 * i}`));
    } finally {
      clearInterval(pace);
    }
  });

  it('tells a slow client how much it missed, and does not delay other clients', async () => {
    const server = await startAdmin({ limits: { behind: 10_000, slowMs: 200 } });
    const slow = await tail(server, 'q=wanted');
    const fast = await tail(server, 'q=wanted');
    await until('both tails run', () => slow.lastId !== '' && fast.lastId !== '');
    slow.res!.pause();
    const rounds = 60;
    let last = 0;
    for (let round = 0; round < rounds; round++) {
      const lines = Array.from({ length: 500 }, (_, i) => ({
        message: `${i % 2 ? 'wanted' : 'other'} ${last++} ${'x'.repeat(2000)}`,
      }));
      await post(server, lines);
    }
    const wanted = rounds * 250;
    await until('the fast client has all records', () => count(fast) === wanted, 20_000);
    expect(fast.events.every(({ name }) => name === 'message')).toBe(true);
    slow.res!.resume();
    await until('the slow client is told', () => slow.events.some(({ name }) => name === 'dropped'), 20_000);
    await post(server, [{ message: 'wanted: the last' }]);
    await until(
      'the slow client receives the last record',
      () => (texts(slow.events).at(-1) as string).startsWith('wanted: the last'),
      20_000,
    );
    const missed = slow.events
      .filter(({ name }) => name === 'dropped')
      .map(({ data }) => data['count'] as number);
    expect(texts(slow.events).length + missed.reduce((sum, n) => sum + n, 0)).toBe(wanted + 1);
  });

  it('reports records that were deleted before a reconnect', async () => {
    const server = await startAdmin({
      wrap: (logs) =>
        withChanges(logs, {
          after: async () => ({ records: [], cursor: '900' as Place, isAtHead: true, missed: 400 }),
        }),
    });
    const client = await tail(server, 'after=100');
    await until('the event has arrived', () => count(client) === 1);
    expect(client.events[0]).toMatchObject({ name: 'dropped', data: { places: 400 } });
  });

  it('sends comments that keep the connection open and update the id', async () => {
    const server = await startAdmin({ limits: { heartbeatMs: 20 } });
    const client = await tail(server, 'q=nothing');
    await until('it has an id', () => client.lastId !== '');
    const before = Number(client.lastId);
    await post(server, [{ message: 'a' }, { message: 'b' }]);
    await until('the id has moved without an event', () => Number(client.lastId) === before + 2);
    expect(count(client)).toBe(0);
  });

  it('ends with a reason when weir stops', async () => {
    const server = await startAdmin();
    const client = await tail(server);
    await until('the tail runs', () => client.lastId !== '');
    await server.stop();
    await until('the connection is closed', () => client.isEnded);
    expect(client.events).toEqual([{ name: 'end', data: { reason: 'shutdown' }, id: client.lastId }]);
  });

  it('ends with a reason when the log store cannot be read', async () => {
    let isBroken = false;
    const server = await startAdmin({
      wrap: (logs) =>
        withChanges(logs, {
          after: (...args) => (isBroken ? Promise.reject(new Error('no disk')) : logs.after(...args)),
        }),
    });
    const client = await tail(server);
    await until('the tail runs', () => client.lastId !== '');
    isBroken = true;
    await post(server, [{ message: 'a' }]);
    await until('the connection is closed', () => client.isEnded);
    expect(client.events).toMatchObject([
      { name: 'end', data: { reason: 'the log store could not be read' } },
    ]);
    expect(server.logLines.join()).toContain('no disk');
  });

  it('is rejected with 429 at the limit', async () => {
    const server = await startAdmin({ limits: { maxTails: 2 } });
    const clients = [await tail(server), await tail(server)];
    await until('both tails run', () => server.admin.tails === 2);
    const third = await call(server.url, '/v1/logs?follow=1');
    expect(third.status).toBe(429);
    expect(third.text).toContain('The limit of 2 live tails is reached');
    clients[0]!.kill();
    await until('one tail has ended', () => server.admin.tails === 1);
    const fourth = await tail(server);
    await until('the tail runs', () => fourth.lastId !== '');
  });

  it.each(['since=1h', 'limit=5', 'cursor=x', 'after=x', 'tail=-1'])('rejects %s', async (query) => {
    const server = await startAdmin();
    expect((await call(server.url, `/v1/logs?follow=1&${query}`)).status).toBe(400);
  });
});
