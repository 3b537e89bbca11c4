// A rule in the scoring thread: reads the records behind its cursor, or those of a test, and runs its scorers.
// Invariant: a batch ends in limited time, with limited memory.
import { setImmediate } from 'node:timers/promises';
import { LATEST_NS } from '../../core/time.ts';
import type { PagePosition, QueryNode } from '../logs/logs.ts';
import type { OpenedRule } from './opened-rule.ts';
import { recordChunks, type ReadAfter, type ScoredStore } from './record-pages.ts';
import { testedRecord, type TestedRule, type TestRequest } from './rule-test.ts';
import { runScorers } from './run-scorers.ts';
import { annotationSource } from './score-rows.ts';
import { batchOutcome, type BatchRequest, type ScoredBatch, type ScoredOne } from './scored-batch.ts';
import { chooseRecord, type ScoredRecord, type SkipReason } from './scored-record.ts';

/** Characters of the attributes of the records of a batch, after which no more are read. */
const MAX_CHARACTERS = 2 * 1024 ** 2;
/** Time for reading records of a batch, and time after which no further one is scored, in milliseconds. */
const READ_MS = 250;
const SCORE_MS = 5000;
/** Limits of a test. */
const TEST_READ_MS = 5000;
const TEST_MS = 60_000;

/** Does work for each item, some at a time, in their order. Ends early when `isOver`. Returns the results so far. */
async function eachOf<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<R>,
  isOver: () => boolean,
): Promise<R[]> {
  const results: Promise<R>[] = [];
  const worker = async (): Promise<void> => {
    while (results.length < items.length && (results.length === 0 || !isOver())) {
      const result = work(items[results.length]!);
      results.push(result);
      await result;
      await setImmediate();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return Promise.all(results);
}

interface SkippedRecord {
  readonly seq: number;
  readonly reason: SkipReason;
}

function countReasons(
  skipped: readonly Pick<SkippedRecord, 'reason'>[],
): Partial<Record<SkipReason, number>> {
  const counts: Partial<Record<SkipReason, number>> = {};
  for (const { reason } of skipped) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

/** A rule whose scorers are open. */
export class RunningRule {
  readonly rule: OpenedRule;
  readonly #after: ReadAfter;
  readonly #store: ScoredStore;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(rule: OpenedRule, after: ReadAfter, store: ScoredStore) {
    this.rule = rule;
    this.#after = after;
    this.#store = store;
  }

  /** Ends the batch that runs early: records whose scorers have not answered yet must be tried again. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#running);
    await Promise.all(this.rule.scorers.map(({ scorer }) => scorer.close()));
  }

  score(request: BatchRequest): Promise<ScoredBatch> {
    return this.#tracked(this.#score(request));
  }

  /** Scores the newest records of a range of times that match. Stores nothing. */
  test(request: TestRequest): Promise<TestedRule> {
    return this.#tracked(this.#test(request));
  }

  async #tracked<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  async #score(request: BatchRequest): Promise<ScoredBatch> {
    const read = await this.#read(request);
    const { wanted } = read;
    const isScored = await this.#scoredRequests(wanted, request.checkSeq);
    const left = wanted.filter(({ record }) => !isScored.has(record.requestId));
    const done = await this.#run(left, request, SCORE_MS);
    const firstLeft = left[done.length];
    const complete = firstLeft === undefined ? read.lastSeq : firstLeft.record.seq - 1;
    const { aborted: isClosing } = this.#closing.signal;
    const facts = { complete, isLastTry: request.isLastTry, isClosing };
    const outcome = batchOutcome(this.rule, done, facts);
    // Those behind the end of the batch are read again.
    const skipped = countReasons(read.skipped.filter(({ seq }) => seq <= outcome.lastSeq));
    return { ...read.bounds, ...outcome, skipped, readSeq: read.lastSeq };
  }

  async #read(request: BatchRequest) {
    const endMs = performance.now() + READ_MS;
    const wanted: ScoredRecord[] = [];
    const skipped: SkippedRecord[] = [];
    let [lastSeq, headSeq, oldestSeq, reachedMs, characters] = [request.afterSeq, 0, 0, 0, 0];
    reading: for await (const chunk of recordChunks(this.#after, this.#store, this.rule.node, request)) {
      ({ headSeq, oldestSeq } = chunk);
      for (const record of chunk.records) {
        const chosen = chooseRecord(this.rule, record, this.#store);
        reachedMs = Number(record.timeNs / 1_000_000n);
        lastSeq = record.seq;
        if (chosen === undefined) continue;
        if ('skipped' in chosen) skipped.push({ seq: record.seq, reason: chosen.skipped });
        else {
          wanted.push(chosen);
          characters += JSON.stringify(chosen.input).length;
          if (wanted.length >= request.limit || characters > MAX_CHARACTERS) break reading;
        }
        // A filter can take long for each record.
        if (performance.now() > endMs) break reading;
      }
      ({ lastSeq } = chunk);
      if (performance.now() > endMs) break;
    }
    return { wanted, skipped, lastSeq, bounds: { headSeq, oldestSeq, reachedMs } };
  }

  /** Ids of the requests that the rule has scored before. */
  async #scoredRequests(wanted: readonly ScoredRecord[], checkSeq: number): Promise<Set<string>> {
    const found = new Set<string>();
    if (this.rule.config.source !== 'requests') return found;
    const ids = wanted.filter(({ record }) => record.seq <= checkSeq).map(({ record }) => record.requestId);
    if (ids.length === 0) return found;
    const equals = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });
    const node: QueryNode = {
      op: 'and',
      of: [
        equals('kind', 'annotation'),
        equals('source', annotationSource(this.rule.id)),
        { op: 'or', of: ids.map((id) => equals('requestId', id)) },
      ],
    };
    let after: PagePosition | undefined;
    do {
      const page = this.#store.page({
        node,
        fromNs: 0n,
        toNs: LATEST_NS,
        direction: 'down',
        limit: 1000,
        after,
      });
      for (const { requestId } of page.records) found.add(requestId);
      after = page.next;
      await setImmediate();
    } while (after !== undefined);
    return found;
  }

  #run(
    records: readonly ScoredRecord[],
    { concurrency, timeoutMs }: Pick<BatchRequest, 'concurrency' | 'timeoutMs'>,
    ms: number,
  ): Promise<ScoredOne[]> {
    const endMs = performance.now() + ms;
    return eachOf(
      records,
      concurrency,
      async (one) => ({
        one,
        runs: await runScorers(this.rule.scorers, one.input, timeoutMs, this.#closing.signal),
      }),
      () => performance.now() > endMs || this.#closing.signal.aborted,
    );
  }

  async #test(request: TestRequest): Promise<TestedRule> {
    const endMs = performance.now() + TEST_READ_MS;
    const wanted: ScoredRecord[] = [];
    const skipped: SkippedRecord[] = [];
    const { node } = this.rule;
    let examined = 0;
    let after: PagePosition | undefined;
    let isLate = false;
    do {
      const page = this.#store.page({ node, ...request.times, direction: 'down', limit: 128, after });
      for (const record of page.records) {
        // A filter can take long for each record.
        isLate = performance.now() > endMs;
        if (isLate || wanted.length === request.limit) break;
        examined++;
        const chosen = chooseRecord(this.rule, record, this.#store, true);
        if (chosen === undefined) continue;
        if ('skipped' in chosen) skipped.push({ seq: record.seq, reason: chosen.skipped });
        else wanted.push(chosen);
      }
      after = wanted.length === request.limit ? undefined : page.next;
      await setImmediate();
    } while (after !== undefined && performance.now() < endMs);
    const isAll = after === undefined && !isLate;
    const done = await this.#run(wanted, request, TEST_MS);
    const isComplete = isAll && done.length === wanted.length;
    return { records: done.map(testedRecord), examined, skipped: countReasons(skipped), isComplete };
  }
}
