// Parses queries that are written in SQL: SELECT … FROM project_logs('x') WHERE ….
// Invariant: what BTQL's SQL does not have is refused with its place, not ignored.
import { hasAggregate } from './grouping.ts';
import { ExpressionParser } from './parse-expression.ts';
import { readSource } from './parse-clauses.ts';
import { pivoted, readPivot, readUnpivots } from './parse-pivot.ts';
import { QueryError, type Query, type Source } from './tree.ts';
import type { QueryToken } from './tokens.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Levels of queries inside a query. */
const MAX_NESTED = 1;
const UNSUPPORTED = new Set('join inner outer left right cross union intersect except window'.split(' '));

/** True for a query that begins with SELECT or WITH. `select:` is a clause. */
export const isSql = ([first, second]: readonly QueryToken[]): boolean =>
  first?.type === 'word' && ['select', 'with'].includes(first.text.toLowerCase()) && second?.text !== ':';

/** Parses SQL. Throws QueryError. */
export function parseSql(tokens: readonly QueryToken[]): Query {
  const parser = new ExpressionParser(tokens, true);
  const named = readNamed(parser);
  const query = readSelect(parser, 0, named);
  parser.takeSign(';');
  if (!parser.isAtEnd) throw unexpectedEnd(parser);
  const unused = Array.from(named.values()).find(({ isUsed }) => !isUsed);
  if (unused)
    throw new QueryError('this query of WITH is not read by the query behind it', unused.query.from.at);
  return query;
}

/** A query of WITH, which stands for a query in parentheses after FROM. */
interface NamedQuery {
  readonly query: Query;
  isUsed: boolean;
}
type NamedQueries = ReadonlyMap<string, NamedQuery>;
const NONE: NamedQueries = new Map();

/** Reads `WITH a AS (SELECT …), b AS (SELECT …)`, by name in lower case. */
function readNamed(parser: ExpressionParser): NamedQueries {
  if (!parser.takeWord('with')) return NONE;
  if (parser.isWord('recursive') && !parser.isWord('as', 1))
    throw new QueryError('WITH RECURSIVE is not supported', parser.token.at);
  const named = new Map<string, NamedQuery>();
  parser.list(() => {
    const { at } = parser.token;
    const name = parser.name('a name after WITH').toLowerCase();
    if (named.has(name))
      throw new QueryError(`WITH has two queries with the name ${JSON.stringify(name)}`, at);
    parser.expectWord('as', 'after the name');
    parser.expectSign('(', 'before the query');
    const query = readSelect(parser, MAX_NESTED, NONE);
    parser.expectSign(')', 'after the query');
    named.set(name, { query, isUsed: false });
  });
  return named;
}

function unexpectedEnd(parser: ExpressionParser): QueryError {
  const { token } = parser;
  if (token.type === 'word' && UNSUPPORTED.has(token.text.toLowerCase()))
    return new QueryError(
      `${token.text.toUpperCase()} is not supported; a query reads from one source`,
      token.at,
    );
  return parser.unexpected(
    'expected WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET or the end of the query',
  );
}

function readSelect(parser: ExpressionParser, level: number, named: NamedQueries): Query {
  parser.expectWord('select', 'at the begin');
  const { at } = parser.token;
  const isDistinct = parser.isWord('distinct') && !parser.isSign(',', 1) && !parser.isWord('from', 1);
  if (isDistinct) parser.next();
  const select = parser.list(() => parser.item());
  parser.expectWord('from', 'after the columns');
  const query: Writable<Query> = { select, from: readSqlSource(parser, level, named) };
  const unpivot = readUnpivots(parser);
  if (unpivot.length > 0) query.unpivot = unpivot;
  let pivot = readPivot(parser);
  if (parser.takeWord('where')) query.filter = parser.expression();
  if (parser.takeWord('group')) {
    parser.expectWord('by', 'after GROUP');
    query.group_by = parser.list(() => parser.expression());
  }
  if (parser.takeWord('having')) query.having = parser.expression();
  if (pivot !== undefined && parser.isWord('pivot'))
    throw new QueryError('there is a second PIVOT', parser.token.at);
  pivot ??= readPivot(parser);
  if (parser.takeWord('order')) {
    parser.expectWord('by', 'after ORDER');
    query.sort = parser.list(() => parser.sortItem());
  }
  if (parser.takeWord('limit')) query.limit = parser.whole('LIMIT', 0);
  if (parser.takeWord('offset')) {
    if (parser.token.type === 'number')
      throw new QueryError("OFFSET takes the cursor of the page before: OFFSET '<cursor>'", parser.token.at);
    query.cursor = parser.text('the cursor after OFFSET');
  }
  if (isDistinct && (pivot ?? query.group_by ?? query.having))
    throw new QueryError('DISTINCT has no meaning with GROUP BY, HAVING and PIVOT, whose rows differ', at);
  if (pivot !== undefined) return pivoted(query, pivot);
  return isDistinct ? distinct(query, at) : query;
}

/** `SELECT DISTINCT a, b` is `SELECT a, b … GROUP BY a, b`. */
function distinct(query: Query, at: number): Query {
  const groups = query.select!.map((item) => {
    if (!('expr' in item)) throw new QueryError('name the columns of SELECT DISTINCT instead of *', item.at);
    return item.expr;
  });
  if (groups.some(hasAggregate))
    throw new QueryError('DISTINCT has no meaning with aggregates; write count_distinct(x), or GROUP BY', at);
  return { ...query, group_by: groups };
}

function readSqlSource(parser: ExpressionParser, level: number, named: NamedQueries): Source {
  const { at, type, text } = parser.token;
  const known = type === 'word' && !parser.isSign('(', 1) ? named.get(text.toLowerCase()) : undefined;
  if (known) {
    parser.next();
    skipAlias(parser);
    known.isUsed = true;
    return { op: 'query', query: known.query, at };
  }
  if (!parser.takeSign('(')) {
    const source = readSource(parser);
    skipAlias(parser);
    return source;
  }
  if (level >= MAX_NESTED) throw new QueryError(`a query has at most ${MAX_NESTED} query inside it`, at);
  const query = readSelect(parser, level + 1, NONE);
  parser.expectSign(')', 'after the query');
  skipAlias(parser);
  return { op: 'query', query, at };
}

/** The name of a source, which is not used since there is one source only. */
function skipAlias(parser: ExpressionParser): void {
  const isNamed = parser.takeWord('as');
  const name = parser.token.text.toLowerCase();
  const isKeyword =
    ['where', 'group', 'having', 'order', 'limit', 'offset', 'pivot', 'unpivot'].includes(name) ||
    UNSUPPORTED.has(name);
  if (parser.token.type === 'word' && (isNamed || !isKeyword)) parser.next();
}
