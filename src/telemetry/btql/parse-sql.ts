// Parses queries that are written in SQL: SELECT … FROM project_logs('x') WHERE ….
// Invariant: what BTQL's SQL does not have is refused with its place, not ignored.
import { ExpressionParser } from './parse-expression.ts';
import { readSource } from './parse-clauses.ts';
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
  if (parser.isWord('with'))
    throw new QueryError('WITH is not supported; write the query in parentheses after FROM', parser.token.at);
  const query = readSelect(parser, 0);
  parser.takeSign(';');
  if (!parser.isAtEnd) throw unexpectedEnd(parser);
  return query;
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

function readSelect(parser: ExpressionParser, level: number): Query {
  parser.expectWord('select', 'at the begin');
  if (parser.isWord('distinct'))
    throw new QueryError('SELECT DISTINCT is not supported; use GROUP BY', parser.token.at);
  const select = parser.list(() => parser.item());
  parser.expectWord('from', 'after the columns');
  const query: Writable<Query> = { select, from: readSqlSource(parser, level) };
  if (parser.takeWord('where')) query.filter = parser.expression();
  if (parser.takeWord('group')) {
    parser.expectWord('by', 'after GROUP');
    query.group_by = parser.list(() => parser.expression());
  }
  if (parser.takeWord('having')) query.having = parser.expression();
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
  return query;
}

function readSqlSource(parser: ExpressionParser, level: number): Source {
  const { at } = parser.token;
  if (!parser.takeSign('(')) {
    const source = readSource(parser);
    skipAlias(parser);
    return source;
  }
  if (level >= MAX_NESTED) throw new QueryError(`a query has at most ${MAX_NESTED} query inside it`, at);
  const query = readSelect(parser, level + 1);
  parser.expectSign(')', 'after the query');
  skipAlias(parser);
  return { op: 'query', query, at };
}

/** The name of a source, which is not used since there is one source only. */
function skipAlias(parser: ExpressionParser): void {
  const isNamed = parser.takeWord('as');
  const name = parser.token.text.toLowerCase();
  const isKeyword =
    ['where', 'group', 'having', 'order', 'limit', 'offset'].includes(name) || UNSUPPORTED.has(name);
  if (parser.token.type === 'word' && (isNamed || !isKeyword)) parser.next();
}
