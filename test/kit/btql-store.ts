// Queries of BTQL over a store without threads.
import { operations } from '../../src/telemetry/btql/btql-thread.ts';
import type { OwnStore } from './own-store.ts';

const TRACE = { modelId: '', scheme: 'http', genAi: 'common' } as const;

/** An answer as JSON. */
export interface QueryData {
  readonly data: Readonly<Record<string, unknown>>[];
  readonly warnings?: readonly { readonly code: string }[];
}

/** Returns a function that runs a query over the rows of the project `p`. */
export function querying(store: OwnStore, nowMs: number): (query: unknown) => QueryData {
  const thread = operations((...asked) => store.reader.after(...asked), store.reader);
  return (query) => {
    const clock = { nowMs, westMs: 0 };
    const opened = thread.open({ query, cursor: undefined, format: 'json', clock, isKept: false });
    if ('problem' in opened) throw new Error(opened.problem);
    const limits = { timeMs: 60_000, reads: 1e9, memoryBytes: 2 ** 28 };
    thread.start(opened.id, [{ id: 'p', orgId: 'o' }], TRACE, limits);
    for (;;) {
      const answer = thread.step(opened.id, 1000);
      if (answer) return JSON.parse(answer.body) as QueryData;
    }
  };
}
