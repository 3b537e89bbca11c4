// Annotations in real files: merged on reading, and found by filters, across days, restarts and versions of the format.
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  annotationOf,
  annotationRecord,
  keysOf,
  targetKeyOf,
  type Annotation,
  type AnnotationTarget,
} from '../../../../src/telemetry/logs/annotation.ts';
import { attributesOf, type LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { withAnnotations } from '../../../../src/telemetry/logs/merge-annotations.ts';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import type { GroupQuery } from '../../../../src/telemetry/logs/query/group-query.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { keyReader, numberReader } from '../../../../src/telemetry/logs/query/record-value.ts';
import type { Direction, PagePosition } from '../../../../src/telemetry/logs/store/page-position.ts';
import { listSegments, removeSegment } from '../../../../src/telemetry/logs/store/segments.ts';
import { StoreReader } from '../../../../src/telemetry/logs/store/store-reader.ts';
import { StoreWriter } from '../../../../src/telemetry/logs/store/store-writer.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { expectScan } from './expect-answers.ts';
import { writeV1File } from '../../../kit/v1-files.ts';
import { annotation, annotationQuery } from '../annotation-arbitrary.ts';
import { record as anyRecord, recordOf } from '../query/arbitrary.ts';
import { withRequestTraces } from './joined-traces.ts';

const DAY_MS = 86_400_000;
const NOON = Date.parse('2026-11-20T12:00:00Z');
const TRACES = ['a'.repeat(32), 'b'.repeat(32)];
const SPANS = ['1'.repeat(16), '2'.repeat(16)];
const ORIGIN = { deployment: '', environment: '', replica: '', source: 'api' };

function nodeOf(text: string): QueryNode {
  const parsed = parseQuery(text);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.node;
}

const textsOf = (records: readonly LogRecord[]): string[] => records.map(({ message }) => message);

/** A store with the records that it must have. */
class Store {
  readonly path = folder();
  readonly stored: LogRecord[] = [];
  nowMs = NOON;
  reader!: StoreReader;
  readonly #budgetMs: number;
  #writer!: StoreWriter;

  constructor(budgetMs = 1000) {
    this.#budgetMs = budgetMs;
    this.open();
    stores.add(this);
  }

  open(): void {
    const options = { folder: this.path, maxBytes: 2 ** 30, retentionMs: 30 * DAY_MS };
    const clocks = { now: () => this.nowMs, steady: () => this.nowMs };
    this.#writer = new StoreWriter(options, () => undefined, clocks);
    const failure = this.#writer.open();
    if (failure !== '') throw new Error(failure);
    const damaged = (path: string, problem: string): void => this.#writer.damaged(path, problem);
    this.reader = new StoreReader(this.path, { damaged }, this.#budgetMs);
  }

  close(): void {
    this.reader.close();
    this.#writer.close();
  }

  add(...records: LogRecord[]): void {
    for (const record of records) this.stored.push({ ...record, seq: this.#writer.add(record) });
    const { kind } = this.#writer.store();
    if (kind !== 'stored') throw new Error(kind);
  }

  annotate(target: AnnotationTarget, content: Annotation): void {
    const record = annotationRecord(target, content, ORIGIN);
    if ('invalid' in record) throw new Error(record.invalid);
    this.add(record);
  }

  /** The next records go to a file of another day. */
  nextDay(): void {
    this.nowMs += DAY_MS;
  }

  damage(path: string): void {
    this.#writer.damaged(path, 'test');
  }

  applyLimits(): void {
    this.#writer.applyLimits();
  }

  /** All records with their annotations, and with the trace ids of their requests. */
  merged(): LogRecord[] {
    const contents = this.stored.flatMap((record) => {
      const content = annotationOf(record);
      return content ? [{ target: targetKeyOf(record), content }] : [];
    });
    const merged = this.stored.map((record) => {
      const own = contents.filter(({ target }) => target !== undefined && keysOf(record).includes(target));
      return own.length === 0
        ? record
        : withAnnotations(
            record,
            own.map(({ content }) => content),
          );
    });
    return withRequestTraces(merged);
  }

  page(
    node: QueryNode,
    direction: Direction = 'up',
    limit = 7,
    range = { fromNs: 0n, toNs: 2n ** 62n },
  ): LogRecord[] {
    const found: LogRecord[] = [];
    let after: PagePosition | undefined;
    do {
      const page = this.reader.page({ node, ...range, direction, after, limit });
      found.push(...page.records);
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  after(node: QueryNode, limit = 5): LogRecord[] {
    const found: LogRecord[] = [];
    let seq = 0;
    for (;;) {
      const { records, lastSeq, headSeq } = this.reader.after(node, seq, limit);
      found.push(...records);
      seq = lastSeq;
      if (seq >= headSeq) return found;
    }
  }

  find(query: string): string[] {
    return textsOf(this.page(nodeOf(query)));
  }
}

const stores = new Set<Store>();
afterEach(() => {
  for (const store of stores) store.close();
  stores.clear();
  removeFolders();
});

const line = (message: string, more: Partial<LogRecord> = {}): LogRecord =>
  recordOf({ message, timeNs: BigInt(NOON) * 1_000_000n, severity: 9, ...more });
const request = (requestId: string, more: Partial<LogRecord> = {}): LogRecord =>
  line(`request ${requestId}`, { kind: 'request', requestId, ...more });

const target: fc.Arbitrary<AnnotationTarget> = fc.oneof(
  fc.record({ seq: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ requestId: fc.constantFrom('r1', 'r2', 'R1') }),
  fc.record({ traceId: fc.constantFrom(...TRACES) }),
  fc.record({ traceId: fc.constantFrom(...TRACES), spanId: fc.constantFrom(...SPANS) }),
);
const record = fc
  .record({
    own: anyRecord,
    timeNs: fc.bigInt(0n, 5n).map((rest) => BigInt(NOON) * 1_000_000n + rest * 600_000n),
    traceId: fc.constantFrom('', ...TRACES),
    spanId: fc.constantFrom('', ...SPANS),
  })
  // Texts are stored as UTF-8, which has no lone surrogates.
  .map(({ own, ...more }): LogRecord => ({ ...own, message: own.message.toWellFormed(), ...more }));

type Step =
  | { readonly records: LogRecord[] }
  | { readonly target: AnnotationTarget; readonly content: Annotation }
  | 'next day'
  | 'restart';
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ records: fc.array(record, { minLength: 1, maxLength: 6 }) }) },
  { weight: 5, arbitrary: fc.record({ target, content: annotation }) },
  { weight: 1, arbitrary: fc.constantFrom('next day' as const, 'restart' as const) },
);

function run(store: Store, one: Step): void {
  if (one === 'next day') store.nextDay();
  else if (one === 'restart') {
    store.close();
    store.open();
  } else if ('records' in one) store.add(...one.records);
  else store.annotate(one.target, one.content);
}

const byTime = (a: LogRecord, b: LogRecord): number =>
  a.timeNs === b.timeNs ? a.seq - b.seq : a.timeNs < b.timeNs ? -1 : 1;

/** A group query counts and adds up the merged records that match. */
function expectGroups(store: Store, node: QueryNode, matching: readonly LogRecord[], names: string[]): void {
  const score = 'annotations.scores.r';
  const query: GroupQuery = {
    node,
    fromNs: 0n,
    toNs: 2n ** 62n,
    by: names.map((field) => ({ field })),
    measures: [{ op: 'count' }, { op: 'max', field: names.length === 1 ? 'durationNs' : score }],
  };
  const keys = names.map(keyReader);
  const measure = numberReader(names.length === 1 ? 'durationNs' : score);
  const expected = new Map<string, [count: number, max: number | null]>();
  for (const one of matching) {
    const attributes = attributesOf(one);
    const key = JSON.stringify(keys.map((read) => read(one, attributes)));
    const [count, max] = expected.get(key) ?? [0, null];
    const value = measure(one, attributes);
    expected.set(key, [count + 1, value === null ? max : Math.max(value, max ?? value)]);
  }
  let id: string | undefined;
  for (;;) {
    const done = store.reader.group(query, id, false);
    if (done === 'busy') throw new Error('too many queries are open');
    if ('result' in done) {
      const found = done.result.groups.map(({ key, values }) => [JSON.stringify(key), values] as const);
      expect(new Map(found)).toEqual(expected);
      return;
    }
    id = done.open;
  }
}

const EVERY = { fromNs: 0n, toNs: 2n ** 62n };

/** All ways of reading give exactly the merged records that match. */
function expectMerged(store: Store, node: QueryNode, limit = 3): void {
  const matching = store.merged().filter(compile(node));
  expectGroups(store, node, matching, ['status']);
  expectGroups(store, node, matching, ['annotations.scores.q', 'x']);
  expect(store.after(node, limit)).toEqual(matching);
  const inTime = matching.toSorted(byTime);
  expect(store.page(node, 'up', limit)).toEqual(inTime);
  expect(store.page(node, 'down', limit)).toEqual(inTime.toReversed());
  const range = {
    fromNs: BigInt(NOON) * 1_000_000n + 600_000n,
    toNs: BigInt(NOON) * 1_000_000n + 1_800_000n,
  };
  expect(store.page(node, 'down', limit, range)).toEqual(
    inTime.filter(({ timeNs }) => timeNs >= range.fromNs && timeNs <= range.toNs).toReversed(),
  );
  const reference = { matching: () => matching };
  expectScan(store.reader, reference, { node, range: EVERY, limit, afterSeq: 0 });
  expectScan(store.reader, reference, { node, range, limit, afterSeq: 2 });
}

describe('any records with any annotations, in any order, across days and restarts', () => {
  it.each([
    ['with time for large slices', 1000],
    ['with little time for each call', 3],
  ])(
    'are found and read as if merged in memory, %s',
    (_, budgetMs) => {
      fc.assert(
        fc.property(
          fc.array(step, { minLength: 1, maxLength: 14 }),
          fc.array(annotationQuery, { minLength: 3, maxLength: 5 }),
          (steps, nodes) => {
            const store = new Store(budgetMs);
            try {
              for (const [i, one] of steps.entries()) {
                run(store, one);
                // The same queries before and after, since the reader remembers the targets of a query.
                if (i % 4 === 3) for (const node of nodes) expectMerged(store, node);
              }
              for (const node of nodes) expectMerged(store, node);
              for (const merged of store.merged()) expect(store.reader.at(merged.seq)).toEqual(merged);
            } finally {
              store.close();
              stores.delete(store);
              removeFolders();
            }
          },
        ),
        { numRuns: 60 },
      );
    },
    120_000,
  );
});

describe('an annotation', () => {
  it('is a record of its own, and comes by a reader that follows the store', () => {
    const store = new Store();
    store.add(request('r1'));
    const { lastSeq } = store.reader.after({ op: 'all' }, 0, 10);
    store.annotate({ requestId: 'r1' }, { scores: { quality: 0.9 } });
    const { records } = store.reader.after({ op: 'all' }, lastSeq, 10);
    expect(records).toMatchObject([
      { kind: 'annotation', seq: 2, requestId: 'r1', message: 'score quality=0.9' },
    ]);
    expect(store.find('kind:annotation')).toEqual(['score quality=0.9']);
    expect(store.find('scores.quality>0.5')).toEqual(['request r1']);
  });

  it('in a later file finds a record in an earlier one', () => {
    const store = new Store();
    store.add(request('r1'), line('other'));
    store.nextDay();
    store.annotate({ requestId: 'r1' }, { tags: ['golden'] });
    store.nextDay();
    store.annotate({ seq: 1 }, { tags: ['silver'] });
    expect(listSegments(store.path)).toHaveLength(3);
    expect(store.find('tags:golden tags:silver')).toEqual(['request r1']);
    expect(attributesOf(store.reader.at(1)!)).toEqual({ annotations: { tags: ['golden', 'silver'] } });
  });

  it('may be stored before its target', () => {
    const store = new Store();
    store.annotate({ requestId: 'r1' }, { tags: ['early'] });
    store.annotate({ seq: 4 }, { comment: 'by number' });
    for (const query of ['tags:early', 'comment:*']) expect(store.find(query)).toEqual([]);
    store.add(line('other'));
    for (const query of ['tags:early', 'comment:*']) expect(store.find(query)).toEqual([]);
    store.add(request('r1'));
    expect(store.find('tags:early')).toEqual(['request r1']);
    expect(store.find('comment:*')).toEqual(['request r1']);
  });

  it('makes a record disappear from a search that it does not match any more', () => {
    const store = new Store();
    store.add(request('r1', { attributes: '{"model":"a"}' }), request('r2', { attributes: '{"model":"a"}' }));
    expect(store.find('model:a')).toEqual(['request r1', 'request r2']);
    store.annotate({ requestId: 'r1' }, { fields: { model: 'b' } });
    expect(store.find('model:a')).toEqual(['request r2']);
    expect(store.find('model:b')).toEqual(['request r1']);
  });

  it('changes what a group query counts', () => {
    const store = new Store();
    store.add(request('r1'), request('r2'), request('r3'));
    for (const [id, quality] of [
      ['r1', 0.5],
      ['r2', 1],
    ] as const)
      store.annotate({ requestId: id }, { scores: { quality }, metadata: { user: 'ann' } });
    const query = {
      node: nodeOf('kind:request'),
      fromNs: 0n,
      toNs: 2n ** 62n,
      by: [{ field: 'annotations.metadata.user' }],
      measures: [{ op: 'mean', field: 'annotations.scores.quality' } as const, { op: 'count' } as const],
    };
    const done = store.reader.group(query, undefined, true);
    expect(done).toMatchObject({ result: { matched: 3 } });
    const { groups } = (done as { result: { groups: readonly { key: unknown; values: unknown }[] } }).result;
    expect(groups).toHaveLength(2);
    expect(groups).toEqual(
      expect.arrayContaining([
        { key: ['ann'], values: [0.75, 2] },
        { key: [null], values: [null, 1] },
      ]),
    );
  });

  it('finds records among many others that match without it', () => {
    const store = new Store();
    const at = (i: number): bigint => BigInt(NOON) * 1_000_000n + BigInt((i * 7919) % 3000) * 1_000_000n;
    const attributes = (i: number): string => (i % 3 === 0 ? '{"model":"a"}' : '');
    store.add(
      ...Array.from({ length: 3000 }, (_, i) =>
        request(`r${i}`, { timeNs: at(i), attributes: attributes(i) }),
      ),
    );
    for (let i = 0; i < 3000; i += 50) store.annotate({ requestId: `r${i}` }, { tags: ['golden'] });
    for (let i = 0; i < 3000; i += 70) store.annotate({ seq: i + 1 }, { tags: ['golden'] });
    expect(store.page(nodeOf('model:a OR tags:golden'), 'up', 700).length).toBeGreaterThan(1060);
    expectMerged(store, nodeOf('model:a OR tags:golden'), 700);
    expectMerged(store, nodeOf('kind:request -tags:golden'), 700);
  });

  it('finds its record among hundreds of matching ones', () => {
    const store = new Store();
    const ids = Array.from({ length: 600 }, (_, i) => `r${i}`);
    store.add(...ids.map((id) => request(id)));
    store.nextDay();
    for (const id of ids.slice(0, 300)) store.annotate({ requestId: id }, { tags: ['golden'] });
    expect(store.find('tags:golden')).toEqual(ids.slice(0, 300).map((id) => `request ${id}`));
  });

  it('outlives its target, until its own file is deleted', () => {
    const store = new Store();
    store.add(request('r1'));
    store.nextDay();
    store.annotate({ requestId: 'r1' }, { tags: ['golden'] });
    store.nowMs += 30 * DAY_MS;
    store.add(line('new'));
    store.applyLimits();
    expect(store.reader.at(1)).toBeUndefined();
    expect(store.find('kind:annotation')).toEqual(['tag golden']);
    expect(store.find('tags:golden')).toEqual([]);
    store.nowMs += 2 * DAY_MS;
    store.add(line('newer'));
    store.applyLimits();
    expect(store.find('kind:annotation')).toEqual([]);
  });

  it('is kept if the file that has it is damaged before its block is complete', () => {
    const store = new Store();
    store.add(request('r1'));
    store.annotate({ requestId: 'r1' }, { tags: ['golden'] });
    store.close();
    store.open();
    store.damage(listSegments(store.path)[0]!.path);
    store.add(line('next'));
    expect(store.find('tags:golden')).toEqual(['request r1']);
  });
});

it('a record in a file of version 1 is found by its annotations', () => {
  const store = new Store();
  store.close();
  const records = [request('r1', { traceId: TRACES[0]!, spanId: SPANS[0]! }), request('r2'), line('other')];
  for (const { path } of listSegments(store.path)) removeSegment(path);
  writeV1File(
    store.path,
    '20261119',
    1,
    records.map((record) => ({ record })),
  );
  store.open();
  store.annotate({ traceId: TRACES[0]!, spanId: SPANS[0]! }, { tags: ['by span'] });
  store.annotate({ requestId: 'r2' }, { tags: ['by id'] });
  store.annotate({ seq: 3 }, { tags: ['by number'] });
  expect(store.find('tags:*')).toEqual(['request r1', 'request r2', 'other']);
  expect(textsOf(store.after(nodeOf('tags:by*')))).toEqual(['request r1', 'request r2', 'other']);
  expect(attributesOf(store.reader.at(3)!)).toEqual({ annotations: { tags: ['by number'] } });
});

it('a damaged row of the table loses only what it attaches', () => {
  const store = new Store();
  store.add(request('r1'), request('r2'));
  for (const requestId of ['r1', 'r2']) store.annotate({ requestId }, { tags: ['golden'] });
  const db = new DatabaseSync(listSegments(store.path)[0]!.path);
  db.exec("UPDATE annotations SET content = '{\"tags\":[', names = '[' WHERE seq = 3");
  db.close();
  expect(store.find('tags:golden')).toEqual(['request r2']);
  expect(store.find('kind:request')).toEqual(['request r1', 'request r2']);
  expect(store.find('kind:annotation')).toHaveLength(2);
});

it('a store without annotations has no table for them', () => {
  const store = new Store();
  store.add(request('r1'));
  const tables = (): unknown[] => {
    const db = new DatabaseSync(listSegments(store.path)[0]!.path, { readOnly: true });
    const rows = db.prepare("SELECT name FROM sqlite_master WHERE name = 'annotations'").all();
    db.close();
    return rows;
  };
  expect(tables()).toEqual([]);
  expect(store.find('tags:*')).toEqual([]);
  store.annotate({ seq: 1 }, { tags: ['golden'] });
  expect(tables()).toHaveLength(1);
  expect(store.find('tags:*')).toEqual(['request r1']);
});
