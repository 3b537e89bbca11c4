import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import { possible } from '../../../../src/telemetry/logs/query/possible.ts';
import { prefilter } from '../../../../src/telemetry/logs/query/prefilter.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { BlockGroups } from '../../../../src/telemetry/logs/store/block-groups.ts';
import { BlockRows } from '../../../../src/telemetry/logs/store/block-rows.ts';
import { BodyGroups } from '../../../../src/telemetry/logs/store/bodies.ts';
import { DayFile, PLACES_PER_RECORD } from '../../../../src/telemetry/logs/store/day-file.ts';
import { DayFileReader } from '../../../../src/telemetry/logs/store/day-file-reader.ts';
import { ReplacedRecords } from '../../../../src/telemetry/logs/store/replaced-records.ts';
import { encodePage, PART } from '../../../../src/telemetry/logs/store/encode-page.ts';
import {
  isBefore,
  startPosition,
  type Direction,
  type PagePosition,
} from '../../../../src/telemetry/logs/store/page-position.ts';
import { sealBlock } from '../../../../src/telemetry/logs/store/seal-block.ts';
import type { SegmentQuery, TimeRange } from '../../../../src/telemetry/logs/store/segment-query.ts';
import { toTailBlob } from '../../../../src/telemetry/logs/store/tail-page.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { node as otherNode, recordOf } from '../query/arbitrary.ts';
import { anyRow, BASE_MS, lineRow, nativeRow, ownId, type NativeRow, type Row } from './stored-rows.ts';

const FIRST = 1000;
const EVERY: TimeRange = { fromNs: 0n, toNs: 2n ** 62n };
const ns = (ms: number): bigint => BigInt(BASE_MS + ms) * 1_000_000n;

const queryOf = (node: QueryNode): SegmentQuery => ({
  prefilter: prefilter(node),
  possible: possible(node),
  matches: compile(node),
});

function parsed(text: string): QueryNode {
  const result = parseQuery(text);
  if ('problem' in result) throw new Error(result.problem);
  return result.node;
}

const line = (message: string, ms = 0, more: Partial<LogRecord> = {}): Row =>
  lineRow(recordOf({ message, timeNs: ns(ms), ...more }));

const REQUEST: Omit<NativeRow, 'ms'> = {
  durationNs: 5_000_000,
  facts: {
    method: 'POST',
    path: '/predict',
    protocol: 'HTTP/1.1',
    cause: 'ok',
    detail: '',
    remote: '',
    attempts: 1,
    retries: 0,
    isAsync: false,
    isSampled: false,
    streamError: '',
    isFailedStream: false,
    shared: '',
  },
  origin: {
    deployment: 'd1',
    environment: '',
    replica: '',
    source: 'weir',
    pod: '',
    modelId: '',
    severity: 9,
    status: 200,
  },
  numbers: {
    leased: 1,
    connected: undefined,
    head: 4000,
    firstByte: 4100,
    waited: 0,
    queued: 0,
    requestBytes: 10,
    responseBytes: 20,
  },
  id: { own: 'a'.repeat(25) },
  traceId: undefined,
  spanId: undefined,
  parentSpanId: '',
  hasBodies: false,
  attributes: {},
};

const request = (ms: number, more: Partial<NativeRow> = {}): Row =>
  nativeRow({ ...REQUEST, ms: BASE_MS + ms, ...more });

/** A file that is written and read at the same time, with the records that it must have. */
class OpenFile {
  readonly path = join(folder(), 'day.sqlite');
  readonly records: LogRecord[] = [];
  readonly damaged: number[] = [];
  readonly file = new DayFile(this.path);
  readonly #groups = new BlockGroups();
  reader: DayFileReader;
  #rows = new BlockRows(FIRST);
  #stored = 0;

  constructor() {
    this.reader = this.openReader();
    openFiles.add(this);
  }

  openReader(): DayFileReader {
    return new DayFileReader(this.path, new ReplacedRecords(), (place) => this.damaged.push(place));
  }

  /** Stores rows as a page of the tail. */
  store(...rows: Row[]): void {
    for (const row of rows) {
      row.addTo(this.#rows);
      this.records.push({ ...row.expected, seq: FIRST + this.records.length });
    }
    this.#storeTail(this.#stored);
  }

  /** Replaces the pages of the tail by one. */
  merge(): void {
    if (this.#stored > 0) this.#storeTail(0);
  }

  /** Ends a page of the next block. */
  endPage(): void {
    const { pageEnds, count } = this.#rows;
    if ((pageEnds.at(-1) ?? 0) < count) pageEnds.push(count);
  }

  seal(): void {
    if (this.#stored === 0) return;
    const sealed = sealBlock(this.#rows);
    const group = this.#groups.add(sealed);
    this.file.transaction(() => {
      this.file.addBlock(sealed.block);
      if (group) this.file.addGroup(group);
    });
    this.#rows = new BlockRows(this.#rows.nextSeq);
    this.#stored = 0;
  }

  /** Reads all records in slices. Throws if a slice makes no progress. */
  slices(node: QueryNode, direction: Direction = 'down', range = EVERY, take = Infinity): LogRecord[] {
    const query = queryOf(node);
    const found: LogRecord[] = [];
    let after: PagePosition | undefined = startPosition(direction);
    while (after !== undefined) {
      const { records, reached } = this.reader.slice(query, range, direction, after, 0);
      found.push(...records.slice(0, take));
      const last = records[take - 1];
      const next: PagePosition | undefined = last ? { timeNs: last.timeNs, seq: last.seq } : reached;
      if (next && !isBefore(after, next, direction)) throw new Error('a slice made no progress');
      after = next;
    }
    return found;
  }

  after(node: QueryNode, seq = 0): LogRecord[] {
    const query = queryOf(node);
    const found: LogRecord[] = [];
    for (let from = seq; ;) {
      const { records, reached } = this.reader.after(query, from, 0);
      found.push(...records);
      if (reached === undefined) return found;
      if (reached.seq <= from) throw new Error('a slice made no progress');
      from = reached.seq;
    }
  }

  found(text: string): string[] {
    return this.after(parsed(text)).map(({ message }) => message);
  }

  /** What a query must give. */
  expected(node: QueryNode, direction: Direction = 'up', { fromNs, toNs } = EVERY): LogRecord[] {
    const matches = compile(node);
    const position = ({ timeNs, seq }: LogRecord): PagePosition => ({ timeNs, seq });
    return this.records
      .filter((record) => record.timeNs >= fromNs && record.timeNs <= toNs && matches(record))
      .sort((a, b) => (isBefore(position(a), position(b), direction) ? -1 : 1));
  }

  change(sql: string, ...values: (number | Uint8Array)[]): void {
    const database = new DatabaseSync(this.path);
    database.prepare(sql).run(...values);
    database.close();
  }

  /** Changes a byte of a part of the page that begins with a record. */
  damage(seq: number, part: number): void {
    this.change(
      "UPDATE pages SET part = CAST(substr(part, 1, 5) || x'ff' || substr(part, 7) AS BLOB) WHERE place = ?",
      seq * PLACES_PER_RECORD + part,
    );
  }

  #storeTail(from: number): void {
    const { count, firstSeq } = this.#rows;
    if (count === from) return;
    const page = toTailBlob(encodePage(this.#rows, from, count).parts, from === 0);
    this.file.transaction(() => this.file.addTail({ seq: firstSeq + from, rows: count - from, page }));
    this.#stored = count;
  }

  close(): void {
    this.reader.close();
    this.file.close();
    openFiles.delete(this);
  }
}

function expectQuery(file: OpenFile, node: QueryNode): void {
  for (const direction of ['down', 'up'] as const)
    expect(file.slices(node, direction)).toEqual(file.expected(node, direction));
  expect(file.after(node)).toEqual(file.records.filter(compile(node)));
}

const openFiles = new Set<OpenFile>();
afterEach(() => {
  vi.restoreAllMocks();
  for (const file of openFiles) file.close();
  removeFolders();
});

type Step = 'merge' | 'seal' | 'endPage' | readonly Row[];
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { arbitrary: fc.array(anyRow, { maxLength: 6 }), weight: 5 },
    { arbitrary: fc.constantFrom<Step>('merge', 'endPage', 'endPage', 'seal'), weight: 3 },
  ),
  { maxLength: 30 },
);

function run(file: OpenFile, step: Step): void {
  if (typeof step === 'string') file[step]();
  else file.store(...step);
}

/** Conditions on what requests have as columns, beside the ones of other tests. */
const requestNode: fc.Arbitrary<QueryNode> = fc.oneof(
  fc.record({
    op: fc.constant('field' as const),
    name: fc.constantFrom(
      'queue_ms',
      'async_wait_ms',
      'leased_ms',
      'connected_ms',
      'head_ms',
      'first_byte_ms',
      'request_bytes',
      'response_bytes',
      'attempts',
      'retries',
      'durationNs',
    ),
    compare: fc.constantFrom('=' as const, '>' as const, '<=' as const),
    value: fc.constantFrom(0, 0.001, 0.05, 1, 5, 1000, 2 ** 31),
  }),
  fc.record({
    op: fc.constant('field' as const),
    name: fc.constantFrom(
      'method',
      'path',
      'cause',
      'detail',
      'remote',
      'async',
      'is_sampled',
      'pod',
      'x',
      'modelId',
    ),
    compare: fc.constantFrom('=' as const, 'like' as const),
    value: fc.constantFrom('POST', '/predict', 'ok', 'foo', 'true', '', '10.*', 'p1', 'm1', '*'),
  }),
  fc.record({
    op: fc.constant('exists' as const),
    name: fc.constantFrom(
      'async_wait_ms',
      'head_ms',
      'queue_ms',
      'detail',
      'retries',
      'has_bodies',
      'exc_info',
      'traceId',
    ),
  }),
);
const negated = (of: fc.Arbitrary<QueryNode>): fc.Arbitrary<QueryNode> =>
  fc.tuple(of, fc.boolean()).map(([node, isNegated]) => (isNegated ? { op: 'not', of: node } : node));
const anyNode: fc.Arbitrary<QueryNode> = fc.oneof(
  otherNode,
  negated(requestNode),
  fc.record({
    op: fc.constantFrom('and' as const, 'or' as const),
    of: fc.tuple(otherNode, negated(requestNode)),
  }),
);

/** An id of a record, or another one. */
const idNode = (records: readonly LogRecord[], at: number): QueryNode => {
  const record = records[at % Math.max(1, records.length)];
  const [name, value] =
    at % 3 === 0
      ? (['requestId', record?.requestId ?? 'r1'] as const)
      : at % 3 === 1
        ? (['traceId', record?.traceId ?? 'ab'] as const)
        : (['requestId', ownId(BASE_MS + at, '7'.repeat(25))] as const);
  return { op: 'field', name, compare: '=', value };
};

describe('a file of the log store', () => {
  it('gives exactly the records that match, in order, while it is written', () => {
    let found = 0;
    fc.assert(
      fc.property(steps, fc.array(anyNode, { minLength: 1, maxLength: 4 }), fc.nat(), (all, nodes, at) => {
        const file = new OpenFile();
        for (const [i, step] of all.entries()) {
          run(file, step);
          if (i % 4 !== 0) continue;
          const node = nodes[i % nodes.length]!;
          expectQuery(file, node);
          found += file.after(node).length;
        }
        for (const node of nodes) expectQuery(file, node);
        expectQuery(file, idNode(file.records, at));
        file.close();
      }),
      { numRuns: 50 },
    );
    expect(found).toBeGreaterThan(50);
  });

  it('gives the records of a range of times, in pages of any size', () => {
    fc.assert(
      fc.property(
        steps,
        anyNode,
        fc.record({ from: fc.nat(70), to: fc.nat(70), rest: fc.constantFrom(0n, 1n, 499n, 999_999n) }),
        fc.integer({ min: 1, max: 4 }),
        (all, node, { from, to, rest }, take) => {
          const file = new OpenFile();
          for (const step of all) run(file, step);
          const range = { fromNs: ns(from) + rest, toNs: ns(to) + rest };
          for (const direction of ['down', 'up'] as const)
            expect(file.slices(node, direction, range, take)).toEqual(file.expected(node, direction, range));
          file.close();
        },
      ),
      { numRuns: 50 },
    );
  });

  it('always advances, however little time there is', () => {
    fc.assert(
      fc.property(steps, anyNode, (all, node) => {
        const file = new OpenFile();
        for (const step of all) run(file, step);
        let nowMs = 0;
        const clock = vi.spyOn(performance, 'now').mockImplementation(() => (nowMs += 100));
        expectQuery(file, node);
        clock.mockRestore();
        file.close();
      }),
      { numRuns: 50 },
    );
  });

  it.each(['slice', 'after'] as const)('gives each record once if it is sealed during %s', (how) => {
    const file = new OpenFile();
    file.store(line('one', 1), line('two', 2));
    file.seal();
    file.store(line('three', 3));
    file.store(line('four', 4));
    const all = Reflect.get(StatementSync.prototype, 'all');
    let isSealed = false;
    vi.spyOn(StatementSync.prototype, 'all').mockImplementation(function (this: StatementSync, ...values) {
      if (this.sourceSQL.includes('FROM tail') && !isSealed) {
        isSealed = true;
        file.seal();
      }
      return Reflect.apply(all, this, values);
    });
    const everything: QueryNode = { op: 'all' };
    const found = how === 'slice' ? file.slices(everything, 'up') : file.after(everything);
    expect(isSealed).toBe(true);
    expect(found).toEqual(file.records);
    expectQuery(file, everything);
  });

  it('gives each record by its sequence number, and the bounds of all', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const file = new OpenFile();
        for (const step of all) run(file, step);
        const { records } = file;
        for (const record of records) expect(file.reader.at(record.seq)).toEqual(record);
        expect(file.reader.at(FIRST - 1)).toBeUndefined();
        expect(file.reader.at(FIRST + records.length)).toBeUndefined();
        expect(file.reader.lastSeq()).toBe(records.length === 0 ? 0 : FIRST + records.length - 1);
        const times = file.reader.timeRange();
        expect(times !== undefined).toBe(records.length > 0);
        expect(records.every(({ timeNs }) => timeNs >= times!.fromNs && timeNs <= times!.toNs)).toBe(true);
        file.close();
      }),
      { numRuns: 50 },
    );
  });

  it('gives thousands of records in order, of pages that overlap', () => {
    const file = new OpenFile();
    for (let block = 0; block < 3; block++) {
      for (let i = 0; i < 5000; i++)
        file.store(
          ...Array.from({ length: i % 1000 === 0 ? 1000 : 0 }, (_, n) => request((i + n * 37) % 9000)),
        );
      if (block < 2) file.seal();
    }
    file.store(request(-3_600_000));
    expectQuery(file, { op: 'all' });
  });

  it('finds a request by an id that weir made, and by the trace id that follows from it', () => {
    const file = new OpenFile();
    for (let i = 0; i < 40; i++) {
      file.store(request(i * 10, { id: { own: i.toString(16).padStart(25, '0') } }));
      if (i % 8 === 7) file.seal();
    }
    for (const i of [0, 13, 39]) {
      const id = ownId(BASE_MS + i * 10, i.toString(16).padStart(25, '0'));
      expectQuery(file, parsed(`request:${id}`));
      expectQuery(file, parsed(`trace:${id.slice(5)}`));
      expect(file.after(parsed(`trace:${id.slice(5)}`)).map(({ requestId }) => requestId)).toEqual([id]);
    }
  });

  it('finds the trace of a run of a task, whose request id is that of an earlier time', () => {
    const file = new OpenFile();
    const id = ownId(BASE_MS - 86_400_000, '7'.repeat(25));
    file.store(request(0, { id: { foreign: id } }), line('of the run', 1, { traceId: id.slice(5) }));
    file.seal();
    expect(file.after(parsed(`trace:${id.slice(5)}`)).map(({ kind }) => kind)).toEqual(['request', 'line']);
  });

  it('finds words in tracebacks, of lines and of requests', () => {
    const file = new OpenFile();
    const traceback = { exc_info: 'KeyError: missing' };
    file.store(
      line('failed', 0, { attributes: JSON.stringify(traceback) }),
      line('missing'),
      line('other', 0, { attributes: '{"exc\\u005finfo":"missing"}' }),
      request(0, { attributes: traceback }),
      line('nothing', 0, { attributes: '{"a":"missing"}' }),
    );
    const expected = ['failed', 'missing', 'other', 'POST /predict 200'];
    expect(file.found('missing')).toEqual(expected);
    file.seal();
    expect(file.found('missing')).toEqual(expected);
  });

  it('opens only the page with a rare path', () => {
    const file = new OpenFile();
    const { facts } = REQUEST;
    for (let i = 0; i < 40; i++) {
      file.store(request(i, i === 13 ? { facts: { ...facts, path: '/rare' } } : {}));
      file.endPage();
      if (i % 8 === 7) file.seal();
    }
    const read = Reflect.get(StatementSync.prototype, 'get');
    const places: number[] = [];
    vi.spyOn(StatementSync.prototype, 'get').mockImplementation(function (this: StatementSync, ...values) {
      if (this.sourceSQL.includes('FROM pages')) places.push(Number(values[0]));
      return Reflect.apply(read, this, values);
    });
    expect(file.found('rare')).toEqual(['POST /rare 200']);
    const opened = places.filter((place) => place % PLACES_PER_RECORD === PART.main);
    expect(opened).toEqual([(FIRST + 13) * PLACES_PER_RECORD]);
  });

  it('gives every record of blocks without summaries and pages without filters', () => {
    const fixtures = new URL('../../../fixtures/day-files/', import.meta.url);
    const stored = JSON.parse(readFileSync(new URL('without-summaries.json', fixtures), 'utf8')) as (Omit<
      LogRecord,
      'timeNs'
    > & { readonly timeNs: string })[];
    const file = new OpenFile();
    file.reader.close();
    // SQLite writes beside the file.
    const path = join(folder(), 'day.sqlite');
    copyFileSync(new URL('without-summaries.sqlite', fixtures), path);
    file.reader = new DayFileReader(path, new ReplacedRecords(), (place) => file.damaged.push(place));
    file.records.push(...stored.map((record) => ({ ...record, timeNs: BigInt(record.timeNs) })));
    expectQuery(file, { op: 'all' });
    for (const { requestId, traceId, message } of file.records) {
      if (requestId !== '') expectQuery(file, parsed(`request:${requestId}`));
      if (traceId !== '') expectQuery(file, parsed(`trace:${traceId}`));
      const [word] = /[a-z]{4,}/i.exec(message) ?? [];
      if (word !== undefined) expectQuery(file, parsed(word));
    }
    fc.assert(fc.property(otherNode, (node) => expectQuery(file, node)));
    expect(file.damaged).toEqual([]);
  });

  it('finds words in more than 32 blocks, which have a filter together', () => {
    const file = new OpenFile();
    for (let i = 0; i < 70; i++) {
      file.store(line(`word${i} common`, i), request(i));
      file.seal();
    }
    for (const i of [0, 31, 32, 63, 64, 69]) {
      expect(file.found(`word${i}`)).toEqual([`word${i} common`]);
      expect(file.slices(parsed(`word${i}`))).toHaveLength(1);
    }
    expect(file.found('common')).toHaveLength(70);
    expect(file.found('word70')).toEqual([]);
    expect(file.found('predict')).toHaveLength(70);
  });

  it('gives bodies of requests', () => {
    const file = new OpenFile();
    const [request, response] = [Buffer.from('in'), Buffer.from('out')];
    const groups = new BodyGroups();
    groups.add({ seq: 5, request, response: undefined });
    groups.add({ seq: 9, request, response });
    for (const { seq, bodies } of groups.encoded(Infinity)) file.file.addBodies(seq, bodies);
    expect(file.reader.bodies(5)).toEqual({ request, response: undefined });
    expect(file.reader.bodies(9)).toEqual({ request, response });
    for (const seq of [4, 7, 10]) expect(file.reader.bodies(seq)).toBeUndefined();
    // Those that are stored later are found too, also between reads of earlier ones.
    const later = new BodyGroups();
    later.add({ seq: 10, request: undefined, response });
    for (const { seq, bodies } of later.encoded(Infinity)) file.file.addBodies(seq, bodies);
    for (const seq of [9, 10, 5, 10, 9])
      expect(file.reader.bodies(seq)).toEqual({
        request: seq === 10 ? undefined : request,
        response: seq === 5 ? undefined : response,
      });
  });
});

describe('a damaged page', () => {
  /** Three pages of two records in a block, and two pages of the tail. */
  const filled = (): OpenFile => {
    const file = new OpenFile();
    for (let i = 0; i < 3; i++) {
      file.store(line(`line ${i}`, i), request(i, { attributes: { x: i } }));
      file.endPage();
    }
    file.seal();
    file.store(line('tail 0', 10));
    file.store(line('tail 1', 11));
    return file;
  };
  const messages = (file: OpenFile, direction: Direction): string[] =>
    file.slices({ op: 'all' }, direction).map(({ message }) => message);
  const others = ['line 0', 'POST /predict 200', 'line 2', 'POST /predict 200', 'tail 0', 'tail 1'];

  it.each(['main', 'messages'] as const)('is left out and reported once: the part %s', (name) => {
    const file = filled();
    file.damage(FIRST + 2, PART[name]);
    expect(messages(file, 'up')).toEqual(others);
    expect(messages(file, 'down')).toEqual(others.toReversed());
    expect(file.after({ op: 'all' })).toHaveLength(6);
    expect(file.reader.at(FIRST + 2)).toBeUndefined();
    expect(file.damaged).toEqual([(FIRST + 2) * PLACES_PER_RECORD + PART[name]]);
  });

  it('gives the records before the first damaged value', () => {
    const file = filled();
    file.damage(FIRST + 2, PART.attributes);
    expect(messages(file, 'up')).toContain('line 1');
    expect(messages(file, 'up')).toEqual(others);
    expect(file.damaged).toEqual([(FIRST + 2) * PLACES_PER_RECORD + PART.attributes]);
  });

  it('is searched without its filter if only this is damaged', () => {
    const file = filled();
    file.damage(FIRST + 2, PART.filter);
    expect(file.found('line')).toEqual(['line 0', 'line 1', 'line 2']);
    expect(file.damaged).toEqual([(FIRST + 2) * PLACES_PER_RECORD + PART.filter]);
  });

  it('is left out without a report once it has been set aside', () => {
    const file = filled();
    file.file.setAside((FIRST + 2) * PLACES_PER_RECORD + PART.messages);
    file.file.setAside((FIRST + 4) * PLACES_PER_RECORD + PART.main);
    expect(messages(file, 'up')).toEqual(['line 0', 'POST /predict 200', 'tail 0', 'tail 1']);
    expect(file.damaged).toEqual([]);
  });

  it('of the tail is left out and reported once, until it is replaced by a larger one', () => {
    const file = filled();
    file.change("UPDATE tail SET page = x'0011' WHERE seq = ?", FIRST + 6);
    expect(messages(file, 'up').slice(-2)).toEqual(['POST /predict 200', 'tail 1']);
    file.store(line('tail 2', 12));
    expect(messages(file, 'up').slice(-2)).toEqual(['tail 1', 'tail 2']);
    expect(file.damaged).toEqual([(FIRST + 6) * PLACES_PER_RECORD + PLACES_PER_RECORD - 1]);
    file.merge();
    expect(messages(file, 'up').slice(-3)).toEqual(['tail 0', 'tail 1', 'tail 2']);
  });
});
