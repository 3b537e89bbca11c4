// Worker thread that reads the log store. For exporters it also encodes what it reads (reader-module.ts).
// Invariant: every call is answered, and none takes much longer than BUDGET_MS, except the last step of a group query
// with percentiles of many values (10 million: 0.1 s).
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { answer, type Call, type CallResult } from '../../../core/worker-rpc.ts';
import { StoreReader, type PageQuery } from '../store/store-reader.ts';
import type { GroupQuery } from '../query/group-query.ts';
import type { ReaderModule } from './reader-module.ts';
import type { QueryNode } from '../query/query-node.ts';

/** Message from the thread: the result of a call, or a file (or a page of it) that is damaged. */
export type ReaderMessage =
  CallResult | { readonly damaged: string; readonly problem: string; readonly place?: number };

export interface ReaderThreadData {
  /** Of the day files. */
  readonly folder: string;
  /** URL of a ReaderModule. */
  readonly module: string | undefined;
}

/** Time after which a call returns what it has found so far. A search of a month takes many calls. */
const BUDGET_MS = 25;
/** Interval for closing deleted day files, since an open file keeps its disk space, and for reading new directories. */
const REFRESH_MS = 1000;
/** Codes of errors that the next call returns: the folder does not exist any more, or a file cannot be read. */
const LATER = new Set(['ENOENT', 'ERR_SQLITE_ERROR']);

const port = parentPort!;
const { folder, module } = workerData as ReaderThreadData;
const reader = new StoreReader(
  folder,
  {
    damaged: (damaged, problem) => port.postMessage({ damaged, problem }),
    damagedPage: (damaged, place, problem) => port.postMessage({ damaged, place, problem }),
  },
  BUDGET_MS,
);

const operations = {
  page: (query: PageQuery) => reader.page(query),
  after: (node: QueryNode, seq: number, limit: number) => reader.after(node, seq, limit),
  at: (seq: number) => reader.at(seq),
  bodies: (seq: number) => reader.bodies(seq),
  group: (query: GroupQuery, id: string | undefined, isLast: boolean, isLate: boolean) =>
    reader.group(query, id, isLast, isLate),
};
export type ReaderOperations = typeof operations;

type Operations = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

let further: Operations | undefined;
/** Operations of the module, which is loaded at the first call of one, since most readers have none. */
function furtherOperations(): Operations {
  if (further !== undefined) return further;
  const { operations: made } = createRequire(import.meta.url)(fileURLToPath(module!)) as ReaderModule;
  return (further = made((...asked) => reader.after(...asked), reader, folder) as Operations);
}

function run(operation: string, args: readonly unknown[]): unknown {
  const from = Object.hasOwn(operations, operation) ? (operations as Operations) : furtherOperations();
  return from[operation]!(...args);
}

port.on('message', (calls: readonly Call[]) => {
  for (const call of calls) answer(call, run, (result) => port.postMessage(result));
});
setInterval(() => {
  try {
    reader.refresh();
  } catch (error) {
    if (!LATER.has(String((error as NodeJS.ErrnoException).code))) throw error;
  }
}, REFRESH_MS);
