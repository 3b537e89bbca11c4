// Compares the answers of a store with those of a list of its records.
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { attributesOf, type LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { keyReader } from '../../../../src/telemetry/logs/query/record-value.ts';
import type { Direction, PagePosition } from '../../../../src/telemetry/logs/store/page-position.ts';
import type { Question } from './arbitrary-questions.ts';
import type { ReferenceStore } from './reference-store.ts';
import type { StoreUnderTest } from './store-under-test.ts';

type Reader = StoreUnderTest['reader'];

/** Calls that the longest answer in a test needs, and more. */
const MAX_CALLS = 500;

/** Calls `next` until it returns false. Throws if it never does. */
function untilEnd(next: () => boolean): void {
  for (let calls = 0; calls < MAX_CALLS; calls++) if (!next()) return;
  throw new Error(`${MAX_CALLS} calls did not reach the end`);
}

function expectSame(found: readonly LogRecord[], wanted: readonly LogRecord[]): void {
  // `toEqual` is slow on many records.
  if (!isDeepStrictEqual(found, wanted)) expect(found).toEqual(wanted);
}

/** Expects all matching records in order of time, in pages of at most the limit. */
export function expectPages(
  reader: Reader,
  reference: ReferenceStore,
  { node, range, limit }: Question,
  direction: Direction,
): void {
  const found: LogRecord[] = [];
  let after: PagePosition | undefined;
  untilEnd(() => {
    const page = reader.page({ node, ...range, direction, limit, after });
    expect(page.records.length).toBeLessThanOrEqual(limit);
    found.push(...page.records);
    after = page.next;
    return after !== undefined;
  });
  const wanted = reference.inOrderOfTime(node, range);
  expectSame(found, direction === 'up' ? wanted : wanted.toReversed());
}

/** Expects all matching records above a sequence number, in the order in which they were stored. */
export function expectFeed(
  reader: Reader,
  reference: ReferenceStore,
  { node, limit, afterSeq }: Question,
): void {
  const found: LogRecord[] = [];
  let seq = afterSeq;
  untilEnd(() => {
    const page = reader.after(node, seq, limit);
    expect(page.records.length).toBeLessThanOrEqual(limit);
    expect(page).toMatchObject({ headSeq: reference.headSeq, oldestSeq: 1 });
    expect(page.lastSeq).toBeGreaterThanOrEqual(Math.max(seq, page.records.at(-1)?.seq ?? 0));
    found.push(...page.records);
    seq = page.lastSeq;
    return seq < page.headSeq;
  });
  expectSame(
    found,
    reference.matching(node).filter((record) => record.seq > afterSeq),
  );
}

/** Names whose values are in columns of their own, in shapes, in attributes, or only in records. */
const SCANNED = [
  'requestId',
  'traceId',
  'spanId',
  'level',
  'status',
  'durationNs',
  'message',
  'path',
  'cause',
  'model',
  'response_model',
  'input_tokens',
  'cost',
  'currency',
  'first_byte_ms',
  'request_bytes',
  'has_bodies',
  'x',
  'user',
  'user.id',
  'annotations.metadata',
];

/** Expects the values of all matching records above a sequence number, in calls that end after `limit` rows. */
export function expectScan(
  reader: Reader,
  reference: { matching(node: Question['node']): LogRecord[] },
  { node, range, limit, afterSeq }: Pick<Question, 'node' | 'range' | 'limit' | 'afterSeq'>,
): void {
  const found: unknown[][] = [];
  let seq = afterSeq;
  untilEnd(() => {
    let count = 0;
    const progress = reader.scan({ node, ...range, names: SCANNED }, seq, (seq, timeMs, values) => {
      found.push([seq, timeMs, ...values]);
      return ++count < limit;
    });
    expect(count).toBeLessThanOrEqual(limit);
    expect(progress.lastSeq).toBeGreaterThanOrEqual(Math.max(seq, Number(found.at(-1)?.[0] ?? 0)));
    seq = progress.lastSeq;
    return seq < progress.headSeq;
  });
  const readers = SCANNED.map(keyReader);
  const wanted = reference
    .matching(node)
    .filter((record) => record.seq > afterSeq && record.timeNs >= range.fromNs && record.timeNs <= range.toNs)
    .map((record) => [
      record.seq,
      Number(record.timeNs / 1_000_000n),
      ...readers.map((read) => read(record, attributesOf(record))),
    ]);
  if (!isDeepStrictEqual(found, wanted)) expect(found).toEqual(wanted);
}

/** Expects the number of records of each group. */
function expectGroups(reader: Reader, reference: ReferenceStore, { node, range, by }: Question): void {
  let id: string | undefined;
  untilEnd(() => {
    const step = reader.group({ node, ...range, by, measures: [{ op: 'count' }] }, id, false);
    if (step === 'busy') throw new Error('too many queries are open');
    if ('open' in step) {
      id = step.open;
      return true;
    }
    const { groups, matched, others } = step.result;
    const counts = new Map(groups.map(({ key, values }) => [JSON.stringify(key), values[0]]));
    expect(counts).toEqual(reference.counts(node, range, by));
    expect({ matched, others }).toEqual({ matched: reference.inOrderOfTime(node, range).length, others: 0 });
    return false;
  });
}

/** Expects each record and its bodies by sequence number. */
export function expectEachRecord(reader: Reader, reference: ReferenceStore): void {
  const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');
  for (let seq = 0; seq <= reference.headSeq + 1; seq++) {
    expect(reader.at(seq)).toEqual(reference.at(seq));
    const [found, wanted] = [reader.bodies(seq), reference.bodies(seq)];
    expect(found && [hex(found.request), hex(found.response)]).toEqual(
      wanted && [hex(wanted.request), hex(wanted.response)],
    );
  }
}

/** Expects the same pages in both directions, feed, scan and groups. */
export function expectAnswers(reader: Reader, reference: ReferenceStore, question: Question): void {
  expectPages(reader, reference, question, 'up');
  expectPages(reader, reference, question, 'down');
  expectFeed(reader, reference, question);
  expectScan(reader, reference, question);
  expectGroups(reader, reference, question);
}
