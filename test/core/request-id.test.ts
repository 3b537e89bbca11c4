// The ids that weir gives to requests.
import { expect, it } from 'vitest';
import { requestId } from '../../src/core/request-id.ts';

it('begins with the time and ends with digits of its own', () => {
  const ids = Array.from({ length: 1000 }, () => requestId(0x19ac5e3b7f1));
  for (const id of ids) expect(id).toMatch(/^019ac5e3b7f1[0-9a-f]{25}$/);
  expect(new Set(ids).size).toBe(ids.length);
  // Every digit occurs at every place.
  for (let at = 12; at < 37; at++) expect(new Set(ids.map((id) => id[at])).size).toBe(16);
});

it('gives later requests greater ids, also after the clock was set back', () => {
  const times = [5, 6, 255, 256, 0xffff_ffff, 2 ** 40, 2 ** 40 + 1];
  const ids = times.map((time) => requestId(time));
  expect(ids.toSorted()).toEqual(ids);
  expect(requestId(5) < ids[1]!).toBe(true);
});
