// Parses a query in each of its three forms: clauses, SQL and JSON tree.
// Invariant: a query that is not understood is an error with its place.
import { parseClauses } from './parse-clauses.ts';
import { isSql, parseSql } from './parse-sql.ts';
import { readTree } from './read-tree.ts';
import { lineAndColumn, tokenize } from './tokens.ts';
import { checkSize, expressionsOf, QUERY_LIMITS, QueryError, type Query } from './tree.ts';

/** Why a query was refused. Line and column begin at 1; `undefined`: the query was sent as a tree. */
export interface BtqlProblem {
  readonly problem: string;
  readonly position?: { readonly line: number; readonly column: number };
}

function checkQuery(query: Query): Query {
  checkSize(expressionsOf(query));
  if (query.from.op === 'query') checkQuery(query.from.query);
  return query;
}

/** Parses a query. Throws QueryError. */
export function parseBtql(given: unknown): Query {
  if (typeof given !== 'string') return readTree(given);
  if (given.length > QUERY_LIMITS.text)
    throw new QueryError(
      `the query has ${given.length} characters; at most ${QUERY_LIMITS.text} are allowed`,
    );
  const tokens = tokenize(given);
  if (tokens.length === 1)
    throw new QueryError("the query is empty; write select: * | from: project_logs('name')", 0);
  return checkQuery(isSql(tokens) ? parseSql(tokens) : parseClauses(tokens));
}

/** Runs `work`; a QueryError becomes a value. `given`: the query. */
export function orProblem<T>(given: unknown, work: () => T): T | BtqlProblem {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const { message: problem, at } = error;
    if (at === undefined || typeof given !== 'string') return { problem };
    return { problem, position: lineAndColumn(given, at) };
  }
}
