// Tests of the limits of keys, and of what is kept of their cost.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { KeyUse } from '../../../src/core/keys/key-use.ts';
import { KeyUses, OTHER_KEYS } from '../../../src/core/keys/key-uses.ts';
import { Logger, type LineSink } from '../../../src/core/logger.ts';
import { folder, removeFolders } from '../../kit/folder.ts';

afterEach(removeFolders);

const NOON = Date.UTC(2026, 10, 28, 12);
const HOUR = 3_600_000;

describe('a limit of a key', () => {
  it('allows a number of requests a second, and as many at once after a pause', () => {
    const use = new KeyUse('app');
    const check = (ms: number) => use.begin({ requests_per_second: 2 }, NOON + ms)?.reason;
    expect([check(0), check(0), check(0)]).toEqual([undefined, undefined, 'requests']);
    expect([check(499), check(500), check(501)]).toEqual(['requests', undefined, 'requests']);
    expect([check(HOUR), check(HOUR), check(HOUR)]).toEqual([undefined, undefined, 'requests']);
  });

  it('may be less than one request a second', () => {
    const use = new KeyUse('app');
    const check = (ms: number) => use.begin({ requests_per_second: 0.1 }, NOON + ms);
    expect(check(0)).toBeUndefined();
    expect(check(1000)?.retryAfter).toBe(9);
    expect(check(9_999)?.retryAfter).toBe(1);
    expect(check(10_001)).toBeUndefined();
  });

  it('on requests at a time counts those that run', () => {
    const use = new KeyUse('app');
    const begin = () => use.begin({ concurrency: 1 }, NOON)?.reason;
    expect([begin(), begin(), begin()]).toEqual([undefined, 'concurrency', 'concurrency']);
    use.end();
    expect([begin(), begin()]).toEqual([undefined, 'concurrency']);
    expect(use.running).toBe(1);
  });

  it('on tokens refuses after the tokens of a minute are used, until they have come back', () => {
    const use = new KeyUse('app');
    const check = (ms: number) => use.begin({ tokens_per_minute: 600 }, NOON + ms);
    expect(check(0)).toBeUndefined();
    use.charge(1200, 0, NOON);
    // 600 too many, at 10 a second.
    expect(check(0)?.reason).toBe('tokens');
    expect(check(0)?.retryAfter).toBe(61);
    expect(check(59_000)?.reason).toBe('tokens');
    expect(check(61_000)).toBeUndefined();
  });

  it('on cost refuses until midnight UTC', () => {
    const use = new KeyUse('app');
    const check = (ms: number) => use.begin({ cost_per_day: 1 }, NOON + ms);
    use.charge(0, 0.6, NOON);
    expect(check(0)).toBeUndefined();
    use.charge(0, 0.4, NOON);
    expect(check(0)).toMatchObject({ reason: 'cost', retryAfter: 12 * 3600 });
    expect(check(12 * HOUR - 1)?.reason).toBe('cost');
    expect(check(12 * HOUR)).toBeUndefined();
  });

  it('does not use up a request of the rate if another limit refuses', () => {
    const use = new KeyUse('app');
    const limits = { requests_per_second: 1, concurrency: 1 };
    use.begin(undefined, NOON);
    expect(use.begin(limits, NOON)?.reason).toBe('concurrency');
    use.end();
    expect(use.begin(limits, NOON)).toBeUndefined();
  });

  it('is not raised by a clock that goes back', () => {
    const use = new KeyUse('app');
    const check = (ms: number) => use.begin({ requests_per_second: 1, cost_per_day: 1 }, NOON + ms)?.reason;
    expect(check(0)).toBeUndefined();
    expect(check(-HOUR)).toBe('requests');
    expect(check(-HOUR + 999)).toBe('requests');
    expect(check(-HOUR + 1000)).toBeUndefined();
    expect(check(0)).toBeUndefined();
    // Requests may be checked in another order than they came in.
    expect([check(-1), check(999), check(998), check(1000)]).toEqual([
      'requests',
      'requests',
      'requests',
      undefined,
    ]);
    use.charge(0, 1, NOON);
    use.charge(0, 1, NOON - 24 * HOUR);
    expect(check(HOUR)).toBe('cost');
  });
});

describe('the cost of a day', () => {
  const lines: string[] = [];
  const log = new Logger({ write: (line: string) => void lines.push(line) } as unknown as LineSink, {
    level: 'info',
    isText: false,
  });
  const open = async (file: string): Promise<KeyUses> => {
    const uses = new KeyUses(file, log);
    await uses.start();
    return uses;
  };
  const limits = { cost_per_day: 1 };

  it('is kept over a restart, without the key', async () => {
    const file = join(folder(), 'key-costs.json');
    const uses = await open(file);
    uses.of('app').charge(10, 1.5, Date.now());
    await uses.stop();
    expect(readFileSync(file, 'utf8')).toContain('"app":1.5');
    const again = await open(file);
    expect(again.of('app').begin(limits, Date.now())?.reason).toBe('cost');
    expect(again.of('other').begin(limits, Date.now())).toBeUndefined();
    await again.stop();
  });

  it('of another day is forgotten', async () => {
    const file = join(folder(), 'key-costs.json');
    writeFileSync(file, JSON.stringify({ day: 1, costs: { app: 5 } }));
    const uses = await open(file);
    expect(uses.of('app').begin(limits, Date.now())).toBeUndefined();
    await uses.stop();
  });

  it('begins at 0 if its file is damaged, and weir says so', async () => {
    const file = join(folder(), 'key-costs.json');
    writeFileSync(file, '{"day":');
    const uses = await open(file);
    expect(uses.of('app').begin(limits, Date.now())).toBeUndefined();
    expect(lines.at(-1)).toContain('file is damaged');
    await uses.stop();
  });
});

it('counts the first hundred names by themselves, and all others together', () => {
  const uses = new KeyUses('/none', undefined as never);
  for (let i = 0; i < 150; i++) uses.of(`app${i}`).came();
  const totals = uses.totals();
  expect(totals).toHaveLength(101);
  expect(totals.at(-1)).toMatchObject({ key: OTHER_KEYS });
  expect(totals.at(-1)!.uses).toHaveLength(50);
  expect(totals[99]!.key).toBe('app99');
});
