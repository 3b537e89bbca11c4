// Pivot and unpivot, compared with what follows from the rows without them.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordOfRow } from '../../../src/telemetry/logs/rows/row-record.ts';
import { querying, type QueryData } from '../../kit/btql-store.ts';
import { removeFolders } from '../../kit/folder.ts';
import { closeStores, NOON, OwnStore } from '../../kit/own-store.ts';

const P = "project_logs('p')";
const MODELS = ['gpt-4', 'small', 'a_b', null, 5, '5', true];
const ROWS = Array.from({ length: 60 }, (_, n) => ({
  id: `r${n}`,
  model: MODELS[n % MODELS.length],
  tier: n % 3 === 0 ? 'free' : 'paid',
  scores: [{ Factuality: n / 60, Tone: 1 }, { Factuality: null }, null, {}, { Tone: n / 120 }][n % 5],
  tags: [['a', 'b'], [], ['a', 'a', null], 'text', null, [{ deep: 1 }]][n % 6],
  ms: NOON - (n % 20) * 60_000,
}));

let ask: ReturnType<typeof querying>;

beforeAll(() => {
  const store = new OwnStore();
  const records = ROWS.map(({ id, model, tier, scores, tags, ms }, n) => {
    const content = {
      root_span_id: (n % 7).toString(16).padStart(32, '0'),
      span_id: (n + 1).toString(16).padStart(16, '0'),
      created: new Date(ms).toISOString(),
      metadata: { model, tier },
      scores,
      tags,
      metrics: { start: ms / 1000, end: ms / 1000 + 1 },
    };
    const { record, attributes } = recordOfRow({ project: 'p', id, content, state: {} }, 0n);
    return { ...record, attributes: JSON.stringify(attributes) };
  });
  store.add(...records);
  ask = querying(store, NOON);
});

afterAll(() => {
  closeStores();
  removeFolders();
});

const byText = (rows: readonly object[]): string[] =>
  rows.map((row) => JSON.stringify(row, Object.keys(row).toSorted())).toSorted();
const propertiesOf = (answer: QueryData): Record<string, object> =>
  (answer as unknown as { schema: { items: { properties: Record<string, object> } } }).schema.items
    .properties;

describe('pivot', () => {
  it('makes a column of each value and measure', () => {
    const query = `dimensions: metadata.tier as tier, metadata.model as model | measures: count(1) as calls, avg(scores.Tone) as tone | from: ${P} | pivot: calls, tone | sort: tier`;
    const answer = ask(query);
    expect(answer.data.map(({ tier }) => tier)).toEqual(['free', 'paid']);
    const names = ['null', 'true', '5', 'a_b', 'gpt-4', 'small'];
    for (const name of names) expect(answer.data[0]).toHaveProperty([`${name}_calls`]);
    // The number 5 and the text '5' are different values.
    expect(answer.data[0]).toHaveProperty(['5_calls_2']);
    const free = ROWS.filter(({ tier, model }) => tier === 'free' && model === 'gpt-4');
    expect(answer.data[0]!['gpt-4_calls']).toBe(free.length);
    expect(propertiesOf(answer)).toMatchObject({
      'gpt-4_calls': { type: 'integer' },
      'gpt-4_tone': { type: 'number' },
    });
  });

  it('makes one row if there is one dimension', () => {
    expect(
      ask(
        `dimensions: score | measures: sum(value) as total | from: ${P} | unpivot: scores as (score, value) | pivot: total`,
      ).data,
    ).toEqual([{ Factuality_total: expect.closeTo(5.5, 9), Tone_total: expect.any(Number) }]);
  });

  it('has the values of the groups', () => {
    const dimensions = ['metadata.tier', 'metadata.model', 'root_span_id', 'created'];
    const some = fc.shuffledSubarray(dimensions, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(some, fc.nat(3), (keys, limit) => {
        const last = keys.at(-1)!;
        const rest = keys.slice(0, -1);
        const named = keys.map((key, i) => `${key} as k${i}`).join(', ');
        const base = `dimensions: ${named} | measures: count(1) as n, max(metrics.start) as m | from: ${P}`;
        const sort = rest.length > 0 ? ` | sort: ${rest.map((_, i) => `k${i}`).join(', ')}` : '';
        const expected = new Map<string, Record<string, unknown>>();
        for (const { n, m, ...group } of ask(base).data) {
          const kept = Object.fromEntries(rest.map((_, i) => [`k${i}`, group[`k${i}`]]));
          const row = expected.get(JSON.stringify(kept)) ?? kept;
          expected.set(JSON.stringify(kept), row);
          // Two values with the same text are in the test above.
          if (last !== 'metadata.model') {
            row[`${String(group[`k${rest.length}`])}_n`] = n;
            row[`${String(group[`k${rest.length}`])}_m`] = m;
          }
        }
        const { data } = ask(`${base} | pivot: n, m${sort}`);
        const withoutNulls = data.map((row) =>
          Object.fromEntries(
            Object.entries(row).filter(
              ([name, value]) => /^k\d$/.test(name) || (value !== null && last !== 'metadata.model'),
            ),
          ),
        );
        expect(byText(withoutNulls)).toEqual(byText([...expected.values()]));
        expect(ask(`${base} | pivot: n, m${sort} | limit: ${limit}`).data).toEqual(data.slice(0, limit));
      }),
      { numRuns: 60 },
    );
  });

  it('means the same in SQL', () => {
    const clauses = `dimensions: metadata.tier as tier, metadata.model | measures: avg(scores.Tone) as tone, count(1) as n | from: ${P} | filter: metadata.model != 'small' | pivot: tone, n | sort: tier desc`;
    for (const sql of [
      `SELECT metadata.tier AS tier, metadata.model, AVG(scores.Tone), COUNT(1) FROM ${P} WHERE metadata.model != 'small' GROUP BY metadata.tier, metadata.model PIVOT(AVG(scores.Tone) AS tone, COUNT(1) AS n FOR metadata.model IN (ANY)) ORDER BY tier DESC`,
      `SELECT metadata.tier tier, metadata.model, AVG(scores.Tone) AS tone, COUNT(1) n FROM ${P} PIVOT(AVG(scores.Tone), COUNT(1) FOR metadata.model IN (ANY)) WHERE metadata.model != 'small' GROUP BY 1 ORDER BY 1 DESC`,
    ])
      expect(ask(sql).data).toEqual(ask(clauses).data);
    const all = `SELECT * FROM ${P} UNPIVOT (value FOR score IN (scores)) PIVOT(SUM(value) FOR score IN (ANY))`;
    expect(Object.keys(ask(all).data[0]!)).toEqual(['Factuality_SUM(value)', 'Tone_SUM(value)']);
  });

  it('has a limit on its columns, and says what is left out', () => {
    const answer = ask(
      `dimensions: id | measures: ${Array.from({ length: 20 }, (_, i) => `count(1) as n${i}`).join(', ')} | from: ${P} | pivot: ${Array.from({ length: 20 }, (_, i) => `n${i}`).join(', ')}`,
    );
    expect(Object.keys(answer.data[0]!)).toHaveLength(1000);
    expect(answer.warnings).toMatchObject([
      { code: 'column_limit', message: expect.stringContaining('10 values of the last dimension') },
    ]);
  });

  it.each([
    [
      'dimensions: id | measures: count(1) as n, sum(metrics.tokens) as t | pivot: n',
      'must name all measures; add t',
    ],
    ['dimensions: id | measures: count(1) as n | pivot: m', 'pivot takes measures of the query (n), not m'],
    ['measures: count(1) as n | pivot: n', 'pivot needs dimensions and measures'],
    [
      'dimensions: id as i | measures: count(1) as n | pivot: n | sort: n',
      'can be sorted by dimensions other than',
    ],
    [
      'dimensions: id as i | measures: count(1) as n | pivot: n | sort: i',
      'can be sorted by dimensions other than',
    ],
    ['dimensions: id | measures: count(1) as n | unpivot: n as (a, b)', 'not the measure n'],
    ['select: id | unpivot: tags as (a, a)', 'two columns with the name "a"'],
    ['select: id | unpivot: tags as (a) | sample: 5', 'a part of the rows as sample'],
  ])('is refused where it has no meaning: %s', (query, problem) => {
    expect(() => ask(`${query} | from: ${P}`)).toThrow(problem);
  });

  it.each([
    [`SELECT id FROM ${P} PIVOT(count(1) FOR metadata.model IN ('a'))`, 'expected ANY'],
    [`SELECT id FROM ${P} PIVOT(count(1) FOR metadata.model IN (ANY))`, 'id is none of them'],
    [
      `SELECT * FROM ${P} PIVOT(count(1) FOR a IN (ANY)) GROUP BY b PIVOT(count(1) FOR a IN (ANY))`,
      'a second PIVOT',
    ],
    [`SELECT * FROM ${P} UNPIVOT (value IN (scores))`, 'expected FOR'],
  ])('is refused in SQL: %s', (query, problem) => {
    expect(() => ask(query)).toThrow(problem);
  });
});

/** The rows that unpivot makes, by the rules of the contract. */
const members = (value: unknown): [string | number, unknown][] => {
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? value.map((one, i) => [i, one])
    : Object.entries(typeof value === 'object' && value !== null ? value : {});
  return entries.filter(([, one]) => one !== null);
};

describe('unpivot', () => {
  const expected = ROWS.toSorted(
    (a, b) => b.ms - a.ms || (a.ms === b.ms ? Number(b.id.slice(1)) - Number(a.id.slice(1)) : 0),
  );

  it('makes a row of each member of an object', () => {
    const { data } = ask(`select: id, score, value | from: ${P} | unpivot: scores as (score, value)`);
    expect(data).toEqual(
      expected.flatMap(({ id, scores }) => members(scores).map(([score, value]) => ({ id, score, value }))),
    );
  });

  it('makes a row of each value of a list, and of each pair', () => {
    const { data } = ask(
      `select: id, tag, score | from: ${P} | unpivot: tags as (tag), scores as (score, value) | limit: 10000`,
    );
    expect(data).toEqual(
      expected.flatMap(({ id, tags, scores }) =>
        members(tags).flatMap(([, tag]) => members(scores).map(([score]) => ({ id, tag, score }))),
      ),
    );
    const numbered = ask(
      `select: id, i, tag.deep as d | from: ${P} | unpivot: tags as (i, tag) | filter: tag.deep = 1`,
    );
    expect(numbered.data[0]).toMatchObject({ i: 0, d: 1 });
  });

  it('can be filtered, sorted and grouped by what it makes', () => {
    const made = expected.flatMap(({ id, tier, scores }) =>
      members(scores).map(([name, value]) => ({ id, tier, name, value: Number(value) })),
    );
    const from = `from: ${P} | unpivot: scores as (name, value)`;
    const low = made.filter(({ name, value, tier }) => name === 'Tone' && value < 0.3 && tier === 'paid');
    expect(
      ask(`select: id | ${from} | filter: name = 'Tone' and value < 0.3 and metadata.tier = 'paid'`).data,
    ).toEqual(low.map(({ id }) => ({ id })));
    const highest = made.toSorted((a, b) => b.value - a.value || (a.id < b.id ? -1 : 1)).slice(0, 7);
    expect(ask(`select: id, value | ${from} | sort: value desc, id | limit: 7`).data).toEqual(
      highest.map(({ id, value }) => ({ id, value })),
    );
    const means = ask(
      `dimensions: name | measures: count(1) as n, avg(value) as mean | ${from} | sort: name`,
    ).data;
    for (const { name, n, mean } of means) {
      const values = made.filter((one) => one.name === name).map(({ value }) => value);
      expect(n).toBe(values.length);
      expect(mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 9);
    }
    expect(means).toHaveLength(2);
  });

  it('gives every row once in pages of any size', () => {
    for (const sort of ['', '| sort: created asc', '| sort: _pagination_key desc', '| sort: _xact_id asc'])
      for (const limit of [1, 2, 3, 50]) {
        const query = `select: id, tag | from: ${P} | unpivot: tags as tag ${sort}`;
        const all = ask(`${query} | limit: 10000`).data;
        expect(all.length).toBeGreaterThan(40);
        const rows: object[] = [];
        let cursor: string | null = '';
        while (cursor !== null) {
          const page: QueryData & { cursor?: string | null } = ask(
            `${query} | limit: ${limit} | cursor: '${cursor}'`,
          );
          expect(page.data.length).toBeLessThanOrEqual(limit);
          rows.push(...page.data);
          cursor = page.cursor ?? null;
        }
        expect(rows, `${sort} ${limit}`).toEqual(all);
      }
  });

  it('reads whole traces and their summaries', () => {
    const traces = ask(`select: id, tag | from: ${P} traces | filter: id = 'r0' | unpivot: tags as tag`).data;
    const ofTrace = ROWS.filter((_, n) => n % 7 === 0).flatMap(({ id, tags }) =>
      members(tags).map(([, tag]) => ({ id, tag })),
    );
    // A text has no members.
    expect(byText(traces)).toEqual(byText(ofTrace));
    const summaries = ask(
      `select: root_span_id, name | from: ${P} summary | unpivot: scores as (name, value)`,
    ).data;
    expect(new Set(summaries.map(({ name }) => name))).toEqual(new Set(['Factuality', 'Tone']));
    expect(summaries).toHaveLength(14);
  });

  it('makes a limited number of rows of one row, and says so', () => {
    const store = new OwnStore();
    const list = Array.from({ length: 30_000 }, (_, n) => n);
    const { record, attributes } = recordOfRow(
      { project: 'p', id: 'big', content: { metadata: { list } }, state: {} },
      0n,
    );
    store.add({ ...record, attributes: JSON.stringify(attributes) });
    const askBig = querying(store, NOON);
    const grouped = askBig(
      `measures: count(1) as n | from: ${P} | unpivot: metadata.list as x, metadata.list as y`,
    );
    expect(grouped).toMatchObject({ data: [{ n: 10_000 }], warnings: [{ code: 'unpivot_limit' }] });
  });
});
