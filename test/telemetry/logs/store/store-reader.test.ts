// The reader of all day files, with a time limit for each call that is over at once.
import { afterEach, expect, it } from 'vitest';
import type { PagePosition } from '../../../../src/telemetry/logs/store/page-position.ts';
import { StoreReader } from '../../../../src/telemetry/logs/store/store-reader.ts';
import { StoreWriter } from '../../../../src/telemetry/logs/store/store-writer.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { recordOf } from '../query/arbitrary.ts';

const DAY_MS = 86_400_000;
const NOON = Date.parse('2026-11-20T12:00:00Z');
afterEach(removeFolders);

it.each(['up', 'down'] as const)(
  'pages without time left reach all files, and end at a position that a client can send back (%s)',
  (direction) => {
    const path = folder();
    let now = NOON;
    const options = { folder: path, maxBytes: 2 ** 30, retentionMs: 30 * DAY_MS };
    const writer = new StoreWriter(options, () => undefined, { now: () => now, steady: () => now });
    expect(writer.open()).toBe('');
    for (let day = 0; day < 3; day++, now += DAY_MS) {
      writer.add(recordOf({ message: `day ${day}`, timeNs: BigInt(now) * 1_000_000n }));
      expect(writer.store()).toEqual({ kind: 'stored' });
    }
    const reader = new StoreReader(path, { damaged: () => undefined }, 0);
    const found: string[] = [];
    let after: PagePosition | undefined;
    let pages = 0;
    do {
      const query = {
        node: { op: 'all' },
        fromNs: 0n,
        toNs: 2n ** 62n,
        direction,
        after,
        limit: 10,
      } as const;
      const page = reader.page(query);
      found.push(...page.records.map(({ message }) => message));
      after = page.next;
      if (after) expect(after.seq).toBeGreaterThanOrEqual(0);
    } while (after !== undefined && ++pages < 20);
    const days = ['day 0', 'day 1', 'day 2'];
    expect(found).toEqual(direction === 'up' ? days : days.toReversed());
    reader.close();
    writer.close();
  },
);
