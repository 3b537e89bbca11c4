// Filters of single rows that other modules save and use later.
import { expect, it } from 'vitest';
import { openRowFilter } from '../../../src/telemetry/btql/btql.ts';

const test = (text: string, row: Record<string, unknown>): boolean => {
  const filter = openRowFilter(text);
  if ('problem' in filter) throw new Error(filter.problem);
  return filter.test(row);
};

it('tests rows with one condition of BTQL', () => {
  const row = { metadata: { user_id: '1' }, scores: { a: 0.4 }, tags: ['x'], output: 'the answer' };
  expect(test("metadata.user_id = '1' and scores.a < 0.5", row)).toBe(true);
  expect(test("metadata.user_id != '2'", row)).toBe(true);
  // A missing value is neither equal nor unequal.
  expect(test("metadata.other != '2'", row)).toBe(false);
  expect(test("tags includes 'x' or output match 'nothing'", row)).toBe(true);
  expect(test('error is not null', row)).toBe(false);
});

it.each([
  ["created > '2026-01-01'", 1],
  ["metadata.a = 1 and _xact_id > '1'", 20],
  ['metadata.t > now()', 14],
  ["metadata.t > '2026-01-01' - interval 1 day", 29],
  ['day(created) = 1', 5],
])('refuses a condition on time: %s', (text, column) => {
  expect(openRowFilter(text)).toEqual({
    problem: expect.stringContaining('conditions on time are not allowed here') as string,
    position: { line: 1, column },
  });
});

it.each([
  ['', 'expected a value, a name or a function'],
  ['select: *', 'expected the end of the filter'],
  ["metadata.a = 1 | from: project_logs('x')", 'expected the end of the filter'],
  ['count(1) > 2', 'count'],
  ['any_span(error is not null)', 'any_span() is allowed in the filter of the shapes'],
  [`${'('.repeat(100)}a${')'.repeat(100)}`, 'more than 64 levels'],
  [`a = '${'x'.repeat(70_000)}'`, 'at most 65536 are allowed'],
])('refuses what is not a condition: %s', (text, problem) => {
  const filter = openRowFilter(text);
  expect('problem' in filter && filter.problem).toContain(problem);
});
