// Converts a prefilter to SQL conditions on the tables of a segment of schema version 1.
// Invariant: values are bound parameters, and a list is one of them (as JSON), so there are few different statements.
import type { SQLInputValue } from 'node:sqlite';
import { KINDS } from '../../log-record.ts';
import type { Prefilter } from '../../query/query-node.ts';
import type { WordTest } from '../../query/required-words.ts';
import { needlesOf, needleText } from '../../query/row-candidates.ts';

export interface SqlConditions {
  /** To be joined by AND; the table is `records r`. */
  readonly conditions: readonly string[];
  readonly values: readonly SQLInputValue[];
  /** One condition is a short list of sequence numbers, which is faster to read than a range of times. */
  readonly hasSeqList: boolean;
}

const list = (values: readonly unknown[]): string => JSON.stringify(values);

const IN_INDEX = 'r.seq IN (SELECT rowid FROM words WHERE words MATCH ?)';
/**
 * The full-text index has no words of requests, except in files of earlier versions. A request may have one of the
 * words in the parameter, which is a list, if its text contains it. Text that is not ASCII, or has letters escaped in
 * its JSON, is left to match.ts, since words.ts changes it.
 */
const MAY_BE_REQUEST = `r.kind = ${KINDS.indexOf('request')} AND (
  octet_length(r.message) + octet_length(r.attributes) <> length(r.message) + length(r.attributes)
  OR instr(r.attributes, '\\u') OR EXISTS
    (SELECT 1 FROM json_each(?) WHERE instr(lower(r.message), value) OR instr(lower(r.attributes), value)))`;

/**
 * FTS5 expression for an index of `indexText(searchableText(record))` with TOKENIZER (words.ts). Its table has
 * detail=none, so the expression contains only quoted single tokens and prefixes, joined by AND, OR and parentheses.
 * Words consist of letters and digits only, and FTS5 treats quoted text as a string, so a word cannot become an
 * operator. The expression is always bound as a parameter, never written into a statement.
 */
export function ftsExpression(test: WordTest): string {
  if ('word' in test) return `"${test.word}"`;
  if ('prefix' in test) return `"${test.prefix}"*`;
  const [parts, operator] = 'all' in test ? [test.all, 'AND'] : [test.any, 'OR'];
  return parts
    .map((part) => ('all' in part || 'any' in part ? `(${ftsExpression(part)})` : ftsExpression(part)))
    .join(` ${operator} `);
}

/**
 * `origins`: ids of the origins that the prefilter allows, `undefined` for all. `isRare`: tells whether few records
 * match an FTS5 expression. Returns `undefined` if no record can match.
 */
export function sqlConditions(
  { kinds, requestIds, traceIds, tracedIds, severity, status, durationNs, words }: Prefilter,
  origins: readonly number[] | undefined,
  isRare: (fts: string) => boolean,
): SqlConditions | undefined {
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
          (SELECT rid FROM requests WHERE trace IN (SELECT value FROM json_each(?)) AND trace <> '' UNION ALL
           SELECT rid FROM requests WHERE id IN (SELECT value FROM json_each(?))))`,
      ids,
      ids,
      list(tracedIds ?? []),
    );
  }
  let hasSeqList = conditions.length > 0;
  if (words && !hasSeqList) {
    const fts = ftsExpression(words);
    const needles = needlesOf(words)?.map(needleText);
    const isOfRequests = kinds?.includes('request') !== false;
    if (needles && isRare(fts)) {
      if (isOfRequests) add(`(${IN_INDEX} OR ${MAY_BE_REQUEST})`, fts, list(needles));
      else add(IN_INDEX, fts);
      hasSeqList = !isOfRequests;
    }
  }
  if (origins) add('r.origin IN (SELECT value FROM json_each(?))', list(origins));
  if (kinds)
    add('r.kind IN (SELECT value FROM json_each(?))', list(kinds.map((kind) => KINDS.indexOf(kind))));
  if (severity) add('r.severity BETWEEN ? AND ?', ...severity);
  if (status) add('r.status BETWEEN ? AND ?', ...status);
  if (durationNs) add('r.duration BETWEEN ? AND ?', ...durationNs);
  return { conditions, values, hasSeqList };
}
