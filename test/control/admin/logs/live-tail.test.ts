// What a live tail promises: nothing missed and nothing twice across broken connections, slow clients told and alone
// with it, an end that says why.
import { afterEach, describe, expect, it } from 'vitest';
import { changed, closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { post } from '../../../kit/record.ts';
import { EventClient, type Event } from '../../../kit/sse.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const tail = (door: OpenAdmin, query = '', headers: Record<string, string> = {}): Promise<EventClient> =>
  new EventClient(`${door.url}/v1/logs?${query}`, headers).open();

const texts = (events: readonly Event[]): unknown[] =>
  events.filter(({ name }) => name === 'message').map(({ data }) => data['message']);

const count = (client: EventClient): number => client.events.length;

describe('a live tail', () => {
  it('begins now, shows what matches, and says where it is', async () => {
    const door = await startAdmin();
    await post(door, [{ message: 'before' }]);
    const client = await tail(door, 'q=level>=warn&replica=abc12');
    expect(client.res!.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'x-accel-buffering': 'no',
    });
    await until('it says its place', () => client.lastId !== '');
    await post(door, [
      { level: 'info', message: 'no' },
      { level: 'error', message: 'yes' },
    ]);
    await post(door, [{ level: 'error', message: 'not here' }], 'replica=xyz99');
    await post(door, [{ level: 'warn', message: 'yes, too' }]);
    await until('both came', () => count(client) === 2);
    expect(texts(client.events)).toEqual(['yes', 'yes, too']);
    expect(client.events.map(({ id, data }) => Number(id) - (data['seq'] as number))).toEqual([0, 0]);
    client.kill();
    await until('the door has seen that it left', () => door.admin.tails === 0);
  });

  it('begins with the last lines where it is told to', async () => {
    const door = await startAdmin();
    await post(door, [{ message: 'a' }, { message: 'b' }, { message: 'c' }]);
    const client = await tail(door, 'follow=1&tail=2', { accept: '*/*' });
    await until('they came', () => count(client) === 2);
    await post(door, [{ message: 'd' }]);
    await until('the next one came', () => count(client) === 3);
    expect(texts(client.events)).toEqual(['b', 'c', 'd']);
  });

  it('misses nothing and repeats nothing at 1,000 lines a second, cut off twice', async () => {
    const door = await startAdmin();
    const stream = door.logs.openStream({
      deployment: 'dep1',
      environment: '',
      replica: 'abc12',
      source: 'stdout',
    });
    const total = 4000;
    let sent = 0;
    const pace = setInterval(() => {
      for (let i = 0; i < 20 && sent < total; i++)
        stream.write(Buffer.from(`{"message":"line ${sent}","level":"${sent++ % 2 ? 'info' : 'error'}"}\n`));
    }, 20);
    try {
      const events: Event[] = [];
      let lastId = '';
      const cuts = [500, 1200, total / 2];
      for (const enough of cuts) {
        const client = await tail(door, 'min_level=ERROR', lastId === '' ? {} : { 'last-event-id': lastId });
        await until(`${enough} came`, () => events.length + count(client) >= enough, 20_000);
        client.kill();
        lastId = client.lastId;
        events.push(...client.events);
      }
      const seen = texts(events) as string[];
      const first = Number(seen[0]!.slice(5));
      expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => `line ${first + 2 * i}`));
    } finally {
      clearInterval(pace);
    }
  });

  it('tells a slow client how much it missed, and slows nobody else', async () => {
    const door = await startAdmin({ limits: { behind: 10_000, patienceMs: 200 } });
    const slow = await tail(door, 'q=wanted');
    const quick = await tail(door, 'q=wanted');
    await until('both are there', () => slow.lastId !== '' && quick.lastId !== '');
    slow.res!.pause();
    const rounds = 60;
    let last = 0;
    for (let round = 0; round < rounds; round++) {
      const lines = Array.from({ length: 500 }, (_, i) => ({
        message: `${i % 2 ? 'wanted' : 'other'} ${last++} ${'x'.repeat(2000)}`,
      }));
      await post(door, lines);
    }
    const wanted = rounds * 250;
    await until('the quick one has all', () => count(quick) === wanted, 20_000);
    expect(quick.events.every(({ name }) => name === 'message')).toBe(true);
    slow.res!.resume();
    await until('the slow one is told', () => slow.events.some(({ name }) => name === 'dropped'), 20_000);
    await post(door, [{ message: 'wanted: the last' }]);
    await until(
      'it goes on',
      () => (texts(slow.events).at(-1) as string).startsWith('wanted: the last'),
      20_000,
    );
    const missed = slow.events
      .filter(({ name }) => name === 'dropped')
      .map(({ data }) => data['count'] as number);
    expect(texts(slow.events).length + missed.reduce((sum, n) => sum + n, 0)).toBe(wanted + 1);
  });

  it('says what was deleted before its client came back', async () => {
    const door = await startAdmin({
      wrap: (logs) =>
        changed(logs, {
          after: async () => ({ records: [], lastSeq: 900, headSeq: 900, oldestSeq: 501 }),
        }),
    });
    const client = await tail(door, 'after=100');
    await until('it is told', () => count(client) === 1);
    expect(client.events[0]).toMatchObject({ name: 'dropped', data: { places: 400 } });
  });

  it('keeps its connection with comments that move its place', async () => {
    const door = await startAdmin({ limits: { heartbeatMs: 20 } });
    const client = await tail(door, 'q=nothing');
    await until('it has a place', () => client.lastId !== '');
    const before = Number(client.lastId);
    await post(door, [{ message: 'a' }, { message: 'b' }]);
    await until('the place has moved without an event', () => Number(client.lastId) === before + 2);
    expect(count(client)).toBe(0);
  });

  it('is told when weir stops, and why', async () => {
    const door = await startAdmin();
    const client = await tail(door);
    await until('it runs', () => client.lastId !== '');
    await door.stop();
    await until('the connection is closed', () => client.isEnded);
    expect(client.events).toEqual([{ name: 'end', data: { reason: 'shutdown' }, id: client.lastId }]);
  });

  it('is told when the record cannot be read', async () => {
    let isBroken = false;
    const door = await startAdmin({
      wrap: (logs) =>
        changed(logs, {
          after: (...args) => (isBroken ? Promise.reject(new Error('no disk')) : logs.after(...args)),
        }),
    });
    const client = await tail(door);
    await until('it runs', () => client.lastId !== '');
    isBroken = true;
    await post(door, [{ message: 'a' }]);
    await until('the connection is closed', () => client.isEnded);
    expect(client.events).toMatchObject([{ name: 'end', data: { reason: 'the record could not be read' } }]);
    expect(door.said.join()).toContain('no disk');
  });

  it('is one of so many', async () => {
    const door = await startAdmin({ limits: { most: 2 } });
    const clients = [await tail(door), await tail(door)];
    await until('both run', () => door.admin.tails === 2);
    const third = await call(door.url, '/v1/logs?follow=1');
    expect(third.status).toBe(429);
    expect(third.text).toContain('There are 2 live tails already');
    clients[0]!.kill();
    await until('there is room again', () => door.admin.tails === 1);
    const fourth = await tail(door);
    await until('it runs', () => fourth.lastId !== '');
  });

  it.each(['since=1h', 'limit=5', 'cursor=x', 'after=x', 'tail=-1'])(
    'says that it has no %s',
    async (query) => {
      const door = await startAdmin();
      expect((await call(door.url, `/v1/logs?follow=1&${query}`)).status).toBe(400);
    },
  );
});
