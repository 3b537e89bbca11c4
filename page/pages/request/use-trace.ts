// Reads a trace page by page, so that its first rows are there soon.
// Invariant: a page is of the trace that is asked for; another trace stops the reading.
import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { FlatTraceJson } from '../../../src/control/admin/records/trace-json.ts';
import { get, hasKey, isStopped, returns, type ApiError } from '../../api/client.ts';
import { joined } from './waterfall-rows.ts';

export interface ReadTrace {
  /** Id that was asked for, and in which attempt. */
  readonly of: string;
  readonly attempt: number;
  readonly trace: FlatTraceJson | undefined;
  readonly error: ApiError | undefined;
  /** False while there are further pages. */
  readonly isWhole: boolean;
  /** Time of the first page, in milliseconds. */
  readonly tookMs: number;
}

/** The first page is small; the further ones are few. */
const FIRST_PAGE = 300;
const PAGE = 1000;

/** `id`: a trace or a request; `undefined` asks nothing. `attempt`: another number asks anew. */
export function useTrace(id: string | undefined, attempt: number): Signal<ReadTrace | undefined> {
  const read = useSignal<ReadTrace | undefined>(undefined);
  useEffect(() => {
    if (id === undefined) return undefined;
    const stop = new AbortController();
    void readAll(id, attempt, stop.signal, (next) => (read.value = next));
    return () => stop.abort();
  }, [id, attempt, hasKey.value, returns.value]);
  return read;
}

async function readAll(
  id: string,
  attempt: number,
  signal: AbortSignal,
  show: (read: ReadTrace) => void,
): Promise<void> {
  let trace: FlatTraceJson | undefined;
  let tookMs = 0;
  for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
    const answer = await get<FlatTraceJson>(`/v1/traces/${encodeURIComponent(id)}`, {
      query: { shape: 'flat', limit: isFirst ? FIRST_PAGE : PAGE, cursor },
      signal,
    });
    if (signal.aborted) return;
    if (!answer.ok) {
      if (!isStopped(answer.error))
        show({ of: id, attempt, trace, error: answer.error, isWhole: false, tookMs });
      return;
    }
    if (isFirst) tookMs = answer.tookMs;
    trace = joined(trace, answer.value);
    cursor = answer.value.cursor;
    show({ of: id, attempt, trace, error: undefined, isWhole: cursor === undefined, tookMs });
  }
}
