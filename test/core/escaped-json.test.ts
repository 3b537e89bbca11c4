// JSON text without control characters.
import { expect, it } from 'vitest';
import { escapedJson } from '../../src/core/escaped-json.ts';

const EVERY = String.fromCharCode(...Array.from({ length: 0x3000 }, (_, code) => code));

it('has no control character and no line end, and the same value as before', () => {
  const text = escapedJson({ [EVERY]: EVERY });
  expect(text).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
  expect(JSON.parse(text)).toEqual({ [EVERY]: EVERY });
});

it('leaves other texts as JSON.stringify makes them', () => {
  const value = { model: '模型 "a"', list: [1, null, true] };
  expect(escapedJson(value)).toBe(JSON.stringify(value));
});
