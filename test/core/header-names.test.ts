// The names of weir's own headers.
import { expect, it } from 'vitest';
import * as names from '../../src/core/header-names.ts';

const table: Readonly<Record<string, unknown>> = names;

it('has each lower case name as the lower case of its counterpart', () => {
  const lower = Object.keys(table).filter((key) => key.endsWith('_LOWER'));
  expect(lower.length).toBeGreaterThan(5);
  for (const key of lower)
    expect(table[key]).toBe((table[key.slice(0, -'_LOWER'.length)] as string).toLowerCase());
});

it.each([
  ['x_baseten_request_id', true],
  ['x-forwarded_for', true],
  ['server_timing', true],
  ['x-baseten-request-id', false],
  ['x_other', false],
])('says of %s whether it looks like a header of weir: %s', (name, is) =>
  expect(names.isLookalike(name)).toBe(is),
);
