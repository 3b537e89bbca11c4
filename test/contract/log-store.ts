// The contract of the log store's port (src/telemetry/logs/log-store.ts). Each implementation runs this suite.
// Invariant: places are opaque here. They are passed through their text, and compared for equality only.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  formatTimePlace,
  parseTimePlace,
  type GroupQuery,
  type LogRecord,
  type LogStore,
  type Place,
  type QueryNode,
  type SearchQuery,
  type TimePlace,
} from '../../src/telemetry/logs/logs.ts';
import { BLANK } from '../kit/records.ts';
import { until } from '../kit/until.ts';

/** Opens the store that is tested. */
export interface LogStoreUnderTest {
  /** Opens a new, empty store. */
  open(): Promise<LogStore>;
  /** Stores a request with these bodies. */
  addRequest(request: string, response: string): void;
  /** Opens the store again, so that it deletes all its records, as too old, after new ones were posted. */
  reopenExpired(): Promise<LogStore>;
  clean(): Promise<void>;
}

const ALL: QueryNode = { op: 'all' };
const T = 1_700_000_000_000_000_000n;
const SPAN = { fromNs: 0n, toNs: 2n ** 62n };
const wanted: QueryNode = { op: 'substring', text: 'wanted' };

const line = (message: string, more: Partial<LogRecord> = {}): LogRecord => ({
  ...BLANK,
  timeNs: T,
  message,
  ...more,
});
const textsOf = (records: readonly LogRecord[]): string[] => records.map(({ message }) => message);
const named = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => name + i);

export function logStoreContract(name: string, make: () => LogStoreUnderTest): void {
  describe(`the ${name}`, () => {
    const opened = new Set<LogStoreUnderTest>();
    let under: LogStoreUnderTest;
    let store: LogStore;

    const open = async (): Promise<LogStore> => {
      under = make();
      opened.add(under);
      return under.open();
    };
    beforeEach(async () => {
      store = await open();
    });
    afterEach(async () => {
      for (const one of opened) await one.clean();
      opened.clear();
    });

    const post = async (...records: readonly LogRecord[]): Promise<void> => {
      expect(await store.post(records)).toEqual({ stored: records.length });
    };
    /** The place as a client sends it back. */
    const sentBack = (place: Place): Place => {
      const read = store.readPlace(String(place));
      expect(read).toBe(place);
      return read!;
    };
    const sentBackTime = (next: TimePlace): TimePlace => {
      const read = parseTimePlace(formatTimePlace(next), (text) => store.readPlace(text));
      expect(read).toEqual(next);
      return read!;
    };

    /** All records of a search, page by page. */
    async function pages(query: Partial<SearchQuery>): Promise<LogRecord[]> {
      const found: LogRecord[] = [];
      let after = query.after;
      for (;;) {
        const page = await store.page({ node: ALL, ...SPAN, direction: 'up', limit: 3, ...query, after });
        expect(page.records.length).toBeLessThanOrEqual(query.limit ?? 3);
        found.push(...page.records);
        if (page.next === undefined) return found;
        after = sentBackTime(page.next);
      }
    }

    /** Reads on until no more record was stored. */
    async function readAll(node: QueryNode, cursor: Place | undefined, limit = 3) {
      const records: LogRecord[] = [];
      let missed = 0;
      for (let at = cursor; ;) {
        const next = await store.after(node, at, limit);
        expect(next.records.length).toBeLessThanOrEqual(limit);
        records.push(...next.records);
        missed += next.missed;
        at = sentBack(next.cursor);
        if (next.isAtHead) return { texts: textsOf(records), records, cursor: at, missed };
      }
    }

    it('pages over records of the same time, each once, in both directions', async () => {
      const early = named('early', 2).map((text) => line(text, { timeNs: T - 1n }));
      const same = named('same', 7).map((text) => line(text));
      const late = named('late', 2).map((text) => line(text, { timeNs: T + 1n }));
      // Stored in another order than that of their times.
      await post(...late, ...same, ...early);
      const up = await pages({ direction: 'up' });
      expect(textsOf(up)).toEqual([...named('early', 2), ...named('same', 7), ...named('late', 2)]);
      const down = await pages({ direction: 'down' });
      expect(textsOf(down)).toEqual(textsOf(up).reverse());
    });

    it('begins a page behind a given record', async () => {
      await post(...named('same', 6).map((text) => line(text)));
      const middle = (await pages({}))[3]!;
      const after = { timeNs: middle.timeNs, place: store.placeOf(middle) };
      expect(textsOf(await pages({ after, direction: 'up' }))).toEqual(['same4', 'same5']);
      expect(textsOf(await pages({ after, direction: 'down' }))).toEqual(['same2', 'same1', 'same0']);
    });

    it('pages over matching records within a time span, both ends included', async () => {
      await post(
        ...[-2n, -1n, 0n, 1n, 2n].map((by) => line(`wanted ${by}`, { timeNs: T + by })),
        line('other'),
      );
      const found = await pages({ node: wanted, fromNs: T - 1n, toNs: T + 1n });
      expect(textsOf(found)).toEqual(['wanted -1', 'wanted 0', 'wanted 1']);
    });

    it('gives a reader each record once, in the order of storing, while more are stored', async () => {
      const expected: string[] = [];
      let cursor: Place | undefined;
      const seen: string[] = [];
      for (let round = 0; round < 4; round++) {
        const texts = named(`round ${round} line `, 5);
        expected.push(...texts);
        // Later records have earlier times.
        await post(...texts.map((text) => line(text, { timeNs: T - BigInt(round) })));
        const read = await readAll(ALL, cursor, 2);
        seen.push(...read.texts);
        cursor = read.cursor;
      }
      expect(seen).toEqual(expected);
    });

    it('moves a cursor past records that do not match', async () => {
      await post(line('wanted 1'), line('other'), line('other'));
      const first = await readAll(wanted, undefined);
      expect(first).toMatchObject({ texts: ['wanted 1'], missed: 0 });
      expect(await store.head(first.cursor)).toEqual({ place: first.cursor, behind: 0 });
      await post(line('other'), line('wanted 2'));
      expect((await readAll(wanted, first.cursor)).texts).toEqual(['wanted 2']);
    });

    it('tells whether a reader has reached the newest record', async () => {
      await post(line('a'), line('b'), line('c'));
      // A call may return fewer records than there are, since its time is limited.
      const texts: string[] = [];
      let read = await store.after(ALL, undefined, 2);
      expect(read).toMatchObject({ isAtHead: false, missed: 0 });
      texts.push(...textsOf(read.records));
      while (!read.isAtHead) {
        read = await store.after(ALL, read.cursor, 2);
        expect(read.isAtHead).toBe(texts.push(...textsOf(read.records)) === 3);
      }
      expect(texts).toEqual(['a', 'b', 'c']);
      const rest = read;
      const none = await store.after(ALL, rest.cursor, 2);
      expect(none).toEqual({ records: [], cursor: rest.cursor, isAtHead: true, missed: 0 });
    });

    it('starts readers of an empty store, who get the first record', async () => {
      const { place, behind } = await store.head();
      expect(behind).toBe(0);
      const empty = await store.after(ALL, undefined, 10);
      expect(empty).toEqual({ records: [], cursor: place, isAtHead: true, missed: 0 });
      await post(line('first'));
      for (const cursor of [place, empty.cursor, undefined])
        expect((await readAll(ALL, cursor)).texts).toEqual(['first']);
    });

    it('starts a reader at the newest record, and counts what is stored behind it', async () => {
      await post(line('old'), line('older'));
      const { place } = await store.head();
      await post(line('new 1'), line('new 2'));
      expect((await store.head(sentBack(place))).behind).toBe(2);
      expect((await readAll(ALL, place)).texts).toEqual(['new 1', 'new 2']);
    });

    it('continues behind a record whose place is used as a cursor', async () => {
      await post(...named('line', 5).map((text) => line(text)));
      const { records } = await readAll(ALL, undefined);
      const cursor = store.placeOf(records[2]!);
      expect(records.map((record) => store.hasRead(cursor, record))).toEqual([
        true,
        true,
        true,
        false,
        false,
      ]);
      expect((await readAll(ALL, cursor)).texts).toEqual(['line3', 'line4']);
    });

    it('continues at its end for a cursor that is behind its newest record', async () => {
      await post(...named('line', 5).map((text) => line(text)));
      const beyond = (await store.head()).place;
      store = await open();
      await post(line('only'));
      const { place } = await store.head();
      expect(await store.head(beyond)).toEqual({ place, behind: 0 });
      expect(await store.after(ALL, beyond, 10)).toEqual({
        records: [],
        cursor: place,
        isAtHead: true,
        missed: 0,
      });
    });

    it('counts records that were deleted before they could be read', async () => {
      await post(...named('line', 5).map((text) => line(text)));
      const { records } = await readAll(ALL, undefined);
      store = await under.reopenExpired();
      await post(line('new'));
      const [first, second] = records.map((record) => store.placeOf(record));
      await until('the old records are deleted', async () => (await store.at(first!)) === undefined);
      expect(await readAll(ALL, sentBack(second!))).toMatchObject({ texts: ['new'], missed: 3 });
      // A reader without a cursor has missed nothing.
      const fresh = await readAll(ALL, undefined);
      expect(fresh).toMatchObject({ texts: ['new'], missed: 0 });
      expect(await store.after(ALL, fresh.cursor, 10)).toMatchObject({ records: [], missed: 0 });
    });

    it('finds a record by its place, and none at the place of no record', async () => {
      await post(...named('line', 5).map((text) => line(text)));
      const { records } = await readAll(ALL, undefined);
      expect(await store.at(sentBack(store.placeOf(records[3]!)))).toEqual(records[3]);
      const last = store.placeOf(records[4]!);
      store = await open();
      await post(line('only'));
      expect(await store.at(last)).toBeUndefined();
      expect(await store.bodies(last)).toBeUndefined();
    });

    it.each(['', ' ', '-1', '1.5', 'no place', '../1', '9'.repeat(40)])('refuses the place %j', (text) => {
      expect(store.readPlace(text)).toBeUndefined();
    });

    it('keeps the bodies of a request', async () => {
      under.addRequest('{"prompt":"x"}', 'the answer');
      const isRequest: QueryNode = { op: 'field', name: 'kind', compare: '=', value: 'request' };
      const request = await until('the request is stored', async () => (await pages({ node: isRequest }))[0]);
      await post(line('without'));
      const bodies = await store.bodies(sentBack(store.placeOf(request)));
      const [sent, received] = [bodies?.request, bodies?.response].map((body) =>
        Buffer.from(body!).toString(),
      );
      expect([sent, received]).toEqual(['{"prompt":"x"}', 'the answer']);
      const [without] = await pages({ node: { op: 'substring', text: 'without' } });
      expect(await store.bodies(store.placeOf(without!))).toBeUndefined();
    });

    it('counts matching records by a field, in a part of a minute and in whole minutes', async () => {
      const replicas = ['a', 'b', 'a', 'c', 'a'];
      await post(
        ...replicas.map((replica) => line('x', { replica })),
        line('early', { replica: 'b', timeNs: T - 1n }),
        line('y', { replica: 'd', severity: 17 }),
      );
      const isInfo: QueryNode = { op: 'field', name: 'severity', compare: '=', value: 9 };
      const counted = async (fromNs: bigint, toNs: bigint) => {
        const query = { node: isInfo, fromNs, toNs, by: [{ field: 'replica' }], measures: [{ op: 'count' }] };
        const result = await store.group(query as GroupQuery);
        expect(result).toMatchObject({ others: 0, isPartial: false });
        return Object.fromEntries(result.groups.map(({ key, values }) => [key[0], values[0]]));
      };
      expect(await counted(T, T)).toEqual({ a: 3, b: 1, c: 1 });
      const minuteNs = T - (T % 60_000_000_000n);
      expect(await counted(minuteNs, minuteNs + 59_999_999_999n)).toEqual({ a: 3, b: 2, c: 1 });
      expect(await counted(T + 1n, SPAN.toNs)).toEqual({});
    });

    it('tells listeners after records were stored that these can be read', async () => {
      let read: Promise<{ texts: string[] }> | undefined;
      const stop = store.onStored(() => (read ??= readAll(ALL, undefined)));
      await post(line('one'));
      await until('the listener is called', () => read !== undefined);
      expect((await read)!.texts).toEqual(['one']);
      stop();
      read = undefined;
      await post(line('two'));
      expect(read).toBeUndefined();
    });

    it('stores posted lines', async () => {
      const { deployment, environment, replica } = BLANK;
      const origin = { deployment, environment, replica, source: 'cron' };
      expect(await store.postLines(Buffer.from('one\ntwo\n'), origin, 2)).toEqual({ stored: 2 });
      const { records } = await readAll(ALL, undefined);
      expect(records.map(({ message, source, kind }) => [message, source, kind])).toEqual([
        ['one', 'cron', 'line'],
        ['two', 'cron', 'line'],
      ]);
    });
  });
}
