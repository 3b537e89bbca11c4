// Parses queries that are written as clauses: `select: * | from: project_logs('x') | filter: …`.
// Invariant: the clauses may be in any order, each at most once.
import { unknownName } from '../../core/nearest-name.ts';
import { ExpressionParser } from './parse-expression.ts';
import {
  callOf,
  QueryError,
  SHAPES,
  unpivotAlias,
  type Query,
  type RowShape,
  type Source,
  type Unpivot,
} from './tree.ts';
import type { QueryToken } from './tokens.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Clauses = Writable<Partial<Query>>;

const readSample = (parser: ExpressionParser): NonNullable<Query['sample']> => {
  const token = parser.next();
  const value = token.type === 'number' ? token.value : Number.NaN;
  if (parser.takeSign('%')) {
    if (!(value > 0 && value <= 100))
      throw new QueryError('sample: a part is above 0% and at most 100%', token.at);
    return { rate: value / 100 };
  }
  if (!Number.isSafeInteger(value) || value < 1)
    throw new QueryError('sample: expected a part of the rows (25%) or a number of rows (100)', token.at);
  return { rows: value };
};

const CLAUSES: Readonly<Record<string, (parser: ExpressionParser, clauses: Clauses) => void>> = {
  select(parser, clauses) {
    clauses.select = parser.list(() => parser.item());
  },
  dimensions(parser, clauses) {
    clauses.dimensions = parser.list(() => parser.item());
  },
  measures(parser, clauses) {
    clauses.measures = parser.list(() => parser.item());
  },
  pivot(parser, clauses) {
    clauses.pivot = parser.list(() => parser.expression());
  },
  unpivot(parser, clauses) {
    clauses.unpivot = parser.list(() => readUnpivot(parser));
  },
  from(parser, clauses) {
    clauses.from = readClauseSource(parser);
  },
  filter(parser, clauses) {
    clauses.filter = parser.expression();
  },
  sort(parser, clauses) {
    clauses.sort = parser.list(() => parser.sortItem());
  },
  sample(parser, clauses) {
    clauses.sample = readSample(parser);
  },
  limit(parser, clauses) {
    clauses.limit = parser.whole('limit', 0);
  },
  cursor(parser, clauses) {
    if (parser.takeWord('null')) return;
    clauses.cursor = parser.text('the cursor');
  },
  preview_length(parser, clauses) {
    clauses.preview_length = parser.whole('preview_length', -1);
  },
};
/** Clauses of the language that weir does not have. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  final: 'final is not supported',
};
const NAMES = [...Object.keys(CLAUSES), ...Object.keys(UNSUPPORTED)];

/** Parses clauses. Throws QueryError. */
export function parseClauses(tokens: readonly QueryToken[]): Query {
  const parser = new ExpressionParser(tokens, false);
  const clauses: Clauses = {};
  const seen = new Set<string>();
  while (parser.takeSign('|') || parser.takeSign(';')) continue;
  while (!parser.isAtEnd) {
    const token = parser.next();
    const name = token.text.toLowerCase();
    if (token.type !== 'word' || !parser.takeSign(':')) throw notAClause(token, tokens);
    if (Object.hasOwn(UNSUPPORTED, name)) throw new QueryError(UNSUPPORTED[name]!, token.at);
    if (!Object.hasOwn(CLAUSES, name))
      throw new QueryError(unknownName('clause', token.text, NAMES), token.at);
    if (seen.has(name)) throw new QueryError(`there is a second clause "${name}"`, token.at);
    seen.add(name);
    CLAUSES[name]!(parser, clauses);
    while (parser.takeSign('|') || parser.takeSign(';')) continue;
  }
  const { from } = clauses;
  if (from === undefined)
    throw new QueryError("the query has no source; add from: project_logs('name')", parser.token.at);
  return { ...clauses, from };
}

/** Reads `scores as (name, value)`, `tags as (tag)` or `tags as tag`. */
function readUnpivot(parser: ExpressionParser): Unpivot {
  const expr = parser.expression();
  parser.expectWord('as', 'after the object or list, as in unpivot: scores as (name, value)');
  if (!parser.takeSign('(')) return { expr, alias: parser.name('a name for the value') };
  const first = parser.name('a name');
  const second = parser.takeSign(',') ? parser.name('a name for the value') : undefined;
  parser.expectSign(')', 'after the names');
  return { expr, alias: second === undefined ? first : unpivotAlias(first, second) };
}

function notAClause(token: QueryToken, tokens: readonly QueryToken[]): QueryError {
  const before = tokens[tokens.indexOf(token) - 1];
  const isUnit =
    before?.type === 'number' && /^(?:second|minute|hour|day|week|month|year)s?$/i.test(token.text);
  if (isUnit) return new QueryError(`write interval ${before.text} ${token.text}`, before.at);
  const found = token.type === 'end' ? 'the end' : JSON.stringify(token.text.slice(0, 40));
  return new QueryError(`expected a clause (select:, from:, filter:, …), but found ${found}`, token.at);
}

function readClauseSource(parser: ExpressionParser): Source {
  if (parser.isSign('('))
    throw parser.unexpected("expected project_logs('name'); only SQL has a query inside a query");
  const source = readSource(parser);
  const shape = parser.token.text.toLowerCase() as RowShape;
  if (parser.token.type !== 'word' || parser.isSign(':', 1)) return source;
  if (!SHAPES.includes(shape))
    throw new QueryError(unknownName('shape', parser.token.text, SHAPES), parser.token.at);
  parser.next();
  return { ...source, shape };
}

/** Reads `project_logs('a', 'b', shape => 'traces')`. */
export function readSource(parser: ExpressionParser): Source & { op: 'function' } {
  const { token } = parser;
  if (token.type !== 'word') throw parser.unexpected("expected a source, for example project_logs('name')");
  parser.next();
  const args: { op: 'literal'; value: string }[] = [];
  let shape: RowShape | undefined;
  parser.expectSign('(', `after ${token.text}`);
  if (!parser.isSign(')'))
    parser.list(() => {
      if (parser.isWord('shape') && (parser.isSign('=>', 1) || parser.isSign('=', 1))) {
        parser.next();
        parser.next();
        const { at } = parser.token;
        const name = parser.text('the shape');
        if (!(SHAPES as readonly string[]).includes(name))
          throw new QueryError(unknownName('shape', name, SHAPES), at);
        shape = name as RowShape;
      } else args.push({ op: 'literal', value: parser.text('the name or id of a project') });
    });
  parser.expectSign(')', `at the end of ${token.text}(`);
  return {
    op: 'function',
    name: callOf(token.text, []).name,
    args,
    ...(shape === undefined ? {} : { shape }),
    at: token.at,
  };
}
