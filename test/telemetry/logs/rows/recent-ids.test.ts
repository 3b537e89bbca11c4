// The ids of rows that came since the start: each is known, and few others are taken for known ones.
import { expect, it } from 'vitest';
import { RecentIds } from '../../../../src/telemetry/logs/rows/recent-ids.ts';

const id = (n: number): string => n.toString(16).padStart(16, '0');

it('knows every id that came, and takes few new ones for known', () => {
  const ids = new RecentIds(1000);
  for (let n = 0; n < 300_000; n++) ids.add(id(n), 1000 + n);
  expect(ids.completeSeq).toBe(1000);
  for (let n = 0; n < 300_000; n += 7) if (!ids.mayHave(id(n))) expect(id(n)).toBe('known');
  let wrong = 0;
  for (let n = 300_000; n < 500_000; n++) if (ids.mayHave(id(n))) wrong++;
  expect(wrong).toBeLessThan(20);
});
