// Cursors: where the next page of a query begins.
// Invariant: a cursor has letters, digits, dashes and underscores only, so that it can be pasted into quotes and URLs, and
// it is valid for the query that it was made for only.
import { hash } from 'node:crypto';
import { LATEST_NS } from '../../core/time.ts';
import type { PagePosition } from '../logs/logs.ts';
import { printExpression } from './print-query.ts';
import { QueryError, type Query } from './tree.ts';

const FORM = /^(\d{1,19}) (\d{1,15}) ([0-9a-f]{16})(?: (\d{1,6}))?$/;

/** Where a page ends. */
export interface PageEnd extends PagePosition {
  /** Rows of the record at this position that were shown, if unpivot makes several; 0: all of them. */
  readonly parts: number;
}

/** What a cursor belongs to: the rows and their order, not their number or form. */
function digestOf({ from, filter, sort = [], sample, unpivot = [] }: Query): string {
  const source =
    from.op === 'query'
      ? 'query'
      : [from.name.name[0], from.shape ?? 'spans', ...from.args.map(({ value }) => value)];
  const order = sort.map(({ expr, dir }) => [printExpression(expr), dir]);
  const made = unpivot.map(({ expr, alias }) => [printExpression(expr), alias]);
  const text = JSON.stringify([source, filter ? printExpression(filter) : '', order, sample ?? null, made]);
  return hash('sha256', text).slice(0, 16);
}

export const formatQueryCursor = (query: Query, { timeNs, seq }: PagePosition, parts = 0): string =>
  Buffer.from(`${timeNs} ${seq} ${digestOf(query)}${parts === 0 ? '' : ` ${parts}`}`).toString('base64url');

/** What a cursor stands for; `undefined` without one. Throws QueryError for one of another query. */
export function readQueryCursor(query: Query): PageEnd | undefined {
  const { cursor } = query;
  if (cursor === undefined || cursor === '') return undefined;
  const [, time, seq, digest, parts = '0'] = FORM.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (time === undefined || BigInt(time) > LATEST_NS)
    throw new QueryError('invalid cursor: it was not issued by this server');
  if (digest !== digestOf(query))
    throw new QueryError(
      'invalid cursor: it was issued for another query; only limit, select and cursor may change',
    );
  return { timeNs: BigInt(time), seq: Number(seq), parts: Number(parts) };
}
