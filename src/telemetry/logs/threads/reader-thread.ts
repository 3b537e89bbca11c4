// The thread that looks things up in the record. Must stay true: it answers every call, and no call holds it up for
// longer than its budget.
import { parentPort, workerData } from 'node:worker_threads';
import { describe } from '../../../core/errors.ts';
import type { Answer, Call } from './calls.ts';
import { StoreReader, type PageQuery } from '../store/store-reader.ts';
import type { QueryNode } from '../query/query-node.ts';
import { aggregateKey, type AggregateBy } from '../store/aggregate.ts';

/** From the thread: answers, and files that were found damaged. */
export type ReaderMessage = Answer | { readonly damaged: string; readonly problem: string };

/** How long one call looks; a search of a month is many of them. */
const BUDGET_MS = 25;
/** A file that was deleted must not hold its disk for long. */
const TIDY_MS = 1000;

const port = parentPort!;
const { folder } = workerData as { folder: string };
const reader = new StoreReader(
  folder,
  { damaged: (damaged, problem) => port.postMessage({ damaged, problem }) },
  BUDGET_MS,
);

const operations = {
  page: (query: PageQuery) => reader.page(query),
  after: (node: QueryNode, seq: number, limit: number) => reader.after(node, seq, limit),
  at: (seq: number) => reader.at(seq),
  bodies: (seq: number) => reader.bodies(seq),
  tally: (query: PageQuery, by: AggregateBy) => reader.tally(query, aggregateKey(by)),
  tallyMinutes: (node: QueryNode, span: { fromNs: bigint; toNs: bigint }, by: AggregateBy) =>
    reader.tallyMinutes(node, span, aggregateKey(by)),
};
export type ReaderOperations = typeof operations;

port.on('message', ({ n, operation, args }: Call) => {
  let answer: Answer;
  try {
    const run = operations[operation as keyof ReaderOperations] as (...all: readonly unknown[]) => unknown;
    answer = { n, value: run(...args) };
  } catch (error) {
    answer = { n, failure: describe(error) };
  }
  port.postMessage(answer);
});
setInterval(() => {
  try {
    reader.tidy();
  } catch (error) {
    // The folder itself is gone: whoever asks next is told.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}, TIDY_MS);
