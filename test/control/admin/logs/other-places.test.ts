// The log routes over a store whose places are not sequence numbers, as one of several weirs would have.
import { afterEach, describe, expect, it } from 'vitest';
import type { LogStore, Logs, Place, TimePlace } from '../../../../src/telemetry/logs/logs.ts';
import { closeAdmins, startAdmin, withChanges, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { messages, post, search, type Log } from '../../../kit/log-api.ts';
import { EventClient } from '../../../kit/sse.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const PREFIX = 'pod1-0a1b2c3d:';
const outside = (place: Place): Place => (PREFIX + place) as Place;
const inside = (place: Place): Place => place.slice(PREFIX.length) as Place;
const at = (change: (place: Place) => Place, time: TimePlace | undefined): TimePlace | undefined =>
  time && { ...time, place: change(time.place) };

/** The store with a pod in front of each place. */
const withPods = (logs: Logs): LogStore =>
  withChanges(logs, {
    async page(query) {
      const page = await logs.page({ ...query, after: at(inside, query.after) });
      return { ...page, next: at(outside, page.next) };
    },
    async after(node, cursor, limit) {
      const next = await logs.after(node, cursor && inside(cursor), limit);
      return { ...next, cursor: outside(next.cursor) };
    },
    async head(cursor) {
      const head = await logs.head(cursor && inside(cursor));
      return { ...head, place: outside(head.place) };
    },
    at: (place) => logs.at(inside(place)),
    bodies: (place) => logs.bodies(inside(place)),
    readPlace(text) {
      const place = text.startsWith(PREFIX) ? logs.readPlace(text.slice(PREFIX.length)) : undefined;
      return place && outside(place);
    },
    placeOf: (record) => outside(logs.placeOf(record)),
    hasRead: (cursor, record) => logs.hasRead(inside(cursor), record),
  });

const start = (): Promise<OpenAdmin> => startAdmin({ wrap: withPods });
const lines = (count: number): { message: string }[] =>
  Array.from({ length: count }, (_, i) => ({ message: `line ${i}` }));

describe('a store with other places', () => {
  it('is paged through, and downloads name the cursor of the rest', async () => {
    const server = await start();
    await post(server, lines(5));
    const first = await search(server, { direction: 'asc', limit: '2' });
    const rest = await search(server, { direction: 'asc', cursor: first.cursor! });
    expect([messages(first), messages(rest)]).toEqual([
      ['line 0', 'line 1'],
      ['line 2', 'line 3', 'line 4'],
    ]);
    const { status, text } = await call(server.url, '/v1/logs?cursor=MTctMQ');
    expect([status, text]).toEqual([400, expect.stringContaining('invalid cursor') as string]);
  });

  it('returns a record by its place, and the records around it', async () => {
    const server = await start();
    await post(server, lines(5));
    const get = async (path: string) => JSON.parse((await call(server.url, path)).text) as unknown;
    expect(await get(`/v1/logs/${PREFIX}3`)).toMatchObject({ message: 'line 2', seq: 3 });
    const around = (await get(`/v1/logs/${PREFIX}3/context?before=1&after=1`)) as Record<string, Log[]>;
    expect(around).toMatchObject({
      before: [{ message: 'line 1' }],
      log: { message: 'line 2' },
      after: [{ message: 'line 3' }],
    });
    expect((await call(server.url, '/v1/logs/3/context')).status).toBe(404);
  });

  it('is followed from its last records on, and again from the last id', async () => {
    const server = await start();
    await post(server, lines(3));
    const client = await new EventClient(`${server.url}/v1/logs?follow=1&tail=2`).open();
    await until('the tail runs', () => client.lastId !== '');
    await post(server, [{ message: 'new' }]);
    await until('three records have arrived', () => client.events.length === 3);
    expect(client.events.map(({ data }) => data['message'])).toEqual(['line 1', 'line 2', 'new']);
    expect(client.lastId).toBe(`${PREFIX}4`);
    client.kill();
    await post(server, [{ message: 'meanwhile' }]);
    const again = await new EventClient(`${server.url}/v1/logs`, { 'last-event-id': client.lastId }).open();
    await until('the next record has arrived', () => again.events.length === 1);
    expect(again.events[0]).toMatchObject({ id: `${PREFIX}5`, data: { message: 'meanwhile' } });
    expect((await call(server.url, '/v1/logs?follow=1&after=4')).status).toBe(400);
  });
});
