// The bounds of a question as conditions of SQL over one file's tables (segment-writer.ts).
// Must stay true: values are bound, never written into a statement; lists go as one JSON text, so that there are few
// statements however long they are.
import type { SQLInputValue } from 'node:sqlite';
import { KINDS } from '../log-record.ts';
import type { Prefilter } from '../query/query-node.ts';

export interface Conditions {
  /** All of them hold for `records r`. */
  readonly conditions: readonly string[];
  readonly values: readonly SQLInputValue[];
  /** One of them is a short list of places: better than to walk through the times. */
  readonly isShort: boolean;
}

const list = (values: readonly unknown[]): string => JSON.stringify(values);

/**
 * `origins`: those that the question allows, `undefined` for any. `isRare`: few records have these words. Returns
 * `undefined` where nothing can match.
 */
export function conditionsOf(
  { kinds, requestIds, traceIds, severity, status, durationNs, fts }: Prefilter,
  origins: readonly number[] | undefined,
  isRare: (fts: string) => boolean,
): Conditions | undefined {
  if (origins?.length === 0) return undefined;
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  const add = (condition: string, ...given: SQLInputValue[]) => {
    conditions.push(condition);
    values.push(...given);
  };
  if (requestIds)
    add(
      `r.seq IN (SELECT seq FROM records WHERE rid IN
        (SELECT rid FROM requests WHERE id IN (SELECT value FROM json_each(?))))`,
      list(requestIds),
    );
  if (traceIds) {
    const ids = list(traceIds);
    add(
      `r.seq IN (SELECT seq FROM records WHERE trace IN (SELECT value FROM json_each(?)) UNION ALL
        SELECT seq FROM records WHERE rid IN
          (SELECT rid FROM requests WHERE trace IN (SELECT value FROM json_each(?)) AND trace <> ''))`,
      ids,
      ids,
    );
  }
  if (fts !== undefined && conditions.length === 0 && isRare(fts))
    add('r.seq IN (SELECT rowid FROM words WHERE words MATCH ?)', fts);
  const isShort = conditions.length > 0;
  if (origins) add('r.origin IN (SELECT value FROM json_each(?))', list(origins));
  if (kinds)
    add('r.kind IN (SELECT value FROM json_each(?))', list(kinds.map((kind) => KINDS.indexOf(kind))));
  if (severity) add('r.severity BETWEEN ? AND ?', ...severity);
  if (status) add('r.status BETWEEN ? AND ?', ...status);
  if (durationNs) add('r.duration BETWEEN ? AND ?', ...durationNs);
  return { conditions, values, isShort };
}
