// Which entries leave a cache that is full.
import { expect, it } from 'vitest';
import { ByteCache } from '../../../../src/telemetry/logs/store/byte-cache.ts';

it('keeps the entries that were used last, also one that is used many times in a row', () => {
  const cache = new ByteCache<string, number>(3);
  for (const [i, key] of ['a', 'b', 'c'].entries()) cache.set(key, i, 1);
  for (let i = 0; i < 3; i++) expect(cache.get('a')).toBe(0);
  cache.set('d', 3, 1);
  expect(['a', 'b', 'c', 'd'].filter((key) => cache.get(key) !== undefined)).toEqual(['a', 'c', 'd']);
  cache.delete('d');
  cache.set('e', 4, 1);
  expect(cache.get('a')).toBe(0);
  cache.get('e');
  cache.set('f', 5, 1);
  expect(['a', 'c', 'e', 'f'].filter((key) => cache.get(key) !== undefined)).toEqual(['a', 'e', 'f']);
});
