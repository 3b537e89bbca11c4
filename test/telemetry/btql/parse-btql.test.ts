// Parsing and printing queries in all three spellings.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orProblem, parseBtql } from '../../../src/telemetry/btql/parse-btql.ts';
import { printClauses, printExpression, printSql } from '../../../src/telemetry/btql/print-query.ts';
import { QueryError, type Query } from '../../../src/telemetry/btql/tree.ts';
import {
  clauseQuery,
  expression,
  pivotQuery,
  plainQuery,
  sqlQuery,
  unpivotQuery,
} from './arbitrary-query.ts';
import { cpuMs } from '../../kit/cpu-time.ts';

/** A tree without the places in its text. */
const bare = (tree: unknown): unknown =>
  JSON.parse(JSON.stringify(tree, (key, value: unknown) => (key === 'at' ? undefined : value)));

const parsed = (given: unknown): unknown => bare(parseBtql(given));
const filterOf = (text: string): unknown => (parsed(`from: p('x') | filter: ${text}`) as Query).filter;

describe('a printed query', () => {
  it('has the same tree, as clauses', () => {
    fc.assert(
      fc.property(clauseQuery, (query) => {
        expect(parsed(printClauses(query))).toEqual(bare(query));
      }),
    );
  });

  it('has the same tree, in SQL', () => {
    fc.assert(
      fc.property(sqlQuery, (query) => {
        expect(parsed(printSql(query))).toEqual(bare(query));
      }),
    );
  });

  it('means the same as clauses, in SQL and as a tree', () => {
    fc.assert(
      fc.property(plainQuery, (query) => {
        const tree = parsed(JSON.parse(JSON.stringify(query)));
        expect(parsed(printClauses(query))).toEqual(tree);
        expect(parsed(printSql(query))).toEqual(tree);
      }),
    );
  });

  it('means the same with pivot and unpivot', () => {
    fc.assert(
      fc.property(fc.oneof(pivotQuery, unpivotQuery), (query) => {
        const tree = parsed(JSON.parse(JSON.stringify(query)));
        expect(tree).toEqual(bare(query));
        expect(parsed(printClauses(query))).toEqual(tree);
        expect(parsed(printSql(query))).toEqual(tree);
      }),
    );
  });

  it('does not depend on letter case, spaces and comments', () => {
    expect(parsed("SELECT: * -- all\n FROM: project_logs('x') Filter: a = 1")).toEqual(
      parsed("select:*|from:project_logs('x')|filter:a=1"),
    );
    expect(parsed("select id from project_logs('x') where not a like 'b'")).toEqual(
      parsed("SELECT id FROM project_logs('x') WHERE NOT (a LIKE 'b')"),
    );
  });
});

describe('operators', () => {
  it.each([
    ['a and b or c and d', '(a AND b) OR (c AND d)'],
    ['not a = 1 and b', '(NOT (a = 1)) AND b'],
    ['a + b * c - d', '(a + (b * c)) - d'],
    ['a - b - c', '(a - b) - c'],
    ['-a * b', '(-(a)) * b'],
    ['a > 1 ? b : c > 2 ? d : e', '(a > 1) ? b : ((c > 2) ? d : e)'],
    ['a not in (1, -2)', 'NOT (a IN [1, -2])'],
    ['a not includes b', 'NOT (a INCLUDES b)'],
    ['a is not null and b is null', '(a IS NOT NULL) AND (b IS NULL)'],
    ['a between 1 and 2 and b', '((a >= 1) AND (a <= 2)) AND b'],
    ['a eq 1', 'a = 1'],
    ['a <> "text"', "a != 'text'"],
    ["a || 'b' = 'c'", "concat(a, 'b') = 'c'"],
    ['case when a then 1 when b then 2 end', 'a ? 1 : (b ? 2 : null)'],
    ['metadata."a b"[-1].c', 'metadata."a b"[-1].c'],
    ["interval '7 days'", 'interval 7 day'],
    ["'it''s' = 'it\\'s'", "'it\\'s' = 'it\\'s'"],
    ['count(distinct a)', 'count_distinct(a)'],
  ])('are grouped: %s', (text, printed) => {
    expect(filterOf(text)).toEqual(filterOf(printed));
    expect(printExpression(filterOf(text) as never)).toBe(printed);
  });
});

describe('any text', () => {
  const words = fc.constantFrom(
    ..."select: from: filter: sort limit and or not in is null like ( ) [ ] , . | ' \" ` ? : - + * / = != <= a 'b' 1 project_logs('x') interval day case when then end SELECT FROM WHERE GROUP BY ORDER pivot: unpivot: dimensions: measures: PIVOT UNPIVOT FOR ANY WITH DISTINCT AS --".split(
      ' ',
    ),
  );

  it('becomes a tree or an error with a place in it', () => {
    const texts = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.array(words, { maxLength: 25 }).map((all) => all.join(' ')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const result = orProblem(text, () => parseBtql(text));
        if ('problem' in result) {
          const lines = text.split('\n');
          expect(result.problem).not.toBe('');
          expect(result.position!.line).toBeLessThanOrEqual(lines.length);
          expect(result.position!.column).toBeLessThanOrEqual(lines[result.position!.line - 1]!.length + 1);
        } else expect(result.from).toBeDefined();
      }),
      { numRuns: 500 },
    );
  });

  it('is parsed in a short time', () => {
    const started = cpuMs();
    for (const text of ['(', '- ', 'not ', 'a.', '[', 'a ? ', 'case when ', '1,', '/*', 'a and ', 'f(']) {
      const long = `from: p('x') filter: ${text.repeat(60_000 / text.length)}`;
      expect(
        orProblem(long, () => parseBtql(long)),
        text,
      ).toHaveProperty('problem');
    }
    expect(cpuMs() - started).toBeLessThan(5000);
  });
});

describe('any tree', () => {
  it('is a query or an error', () => {
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.anything(),
        expression,
        fc.record(
          {
            op: fc.constantFrom('eq', 'and', 'not', 'ident', 'literal', 'if'),
            left: tie('node'),
            children: fc.array(tie('node')),
            expr: tie('node'),
            name: fc.anything(),
          },
          { requiredKeys: ['op'] },
        ),
      ),
    })).node;
    const from = { op: 'function', name: { op: 'ident', name: ['project_logs'] }, args: [] };
    fc.assert(
      fc.property(
        value,
        fc.constantFrom('select', 'filter', 'sort', 'from', 'limit', 'sample'),
        (node, name) => {
          try {
            parseBtql({ select: [{ op: 'star' }], from, [name]: node });
          } catch (error) {
            expect(error).toBeInstanceOf(QueryError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
