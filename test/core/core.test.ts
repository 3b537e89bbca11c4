import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs } from '../../src/core/backoff.ts';
import { Deadlines, type Expiring } from '../../src/core/deadlines.ts';
import { catalogue, describe as describeError } from '../../src/core/errors.ts';
import { Lifecycle, type Component } from '../../src/core/lifecycle.ts';
import { Logger, type LineSink } from '../../src/core/logger.ts';
import { nearest } from '../../src/core/nearest-name.ts';
import { until } from '../kit/until.ts';

describe('nearest', () => {
  it.each([
    ['probe_intervall', 'probe_interval'],
    ['lisetn', 'listen'],
    ['LISTEN', 'listen'],
    ['quux', undefined],
  ])('finds the nearest known name to %s', (word, expected) =>
    expect(nearest(word, ['probe_interval', 'listen', 'max_body'])).toBe(expected),
  );
});

describe('backoff', () => {
  it('doubles up to its cap and never goes below half a step', () => {
    fc.assert(
      fc.property(fc.nat(100), (attempt) => {
        const step = Math.min(30_000, 500 * 2 ** Math.min(attempt, 30));
        const wait = backoffMs(attempt, 500, 30_000);
        return wait >= step / 2 && wait <= step;
      }),
    );
  });
});

describe('deadlines', () => {
  it('sweep every watched item, even if items unwatch others during a sweep', async () => {
    const deadlines = new Deadlines();
    const swept = new Set<number>();
    const items: Expiring[] = Array.from({ length: 50 }, (_, i) => ({
      watchSlot: -1,
      expire() {
        swept.add(i);
        deadlines.unwatch(items[i]!);
        deadlines.unwatch(items[i]!);
      },
    }));
    for (const item of items) deadlines.watch(item);
    await until('all items are swept', () => deadlines.size === 0);
    expect(swept.size).toBe(50);
  });

  it('visit every item that is still watched, even if a visit unwatches others', () => {
    const deadlines = new Deadlines();
    const items: Expiring[] = Array.from({ length: 10 }, () => ({ watchSlot: -1, expire: () => undefined }));
    for (const item of items) deadlines.watch(item);
    const visited: number[] = [];
    deadlines.each((item) => {
      const index = items.indexOf(item);
      visited.push(index);
      deadlines.unwatch(item);
      // Every third visit ends the next item too.
      if (index % 3 === 0) deadlines.unwatch(items[index + 1] ?? item);
    });
    expect(visited).toEqual([0, 2, 3, 5, 6, 8, 9]);
    expect(deadlines.size).toBe(0);
  });
});

describe('the lifecycle', () => {
  const quiet = new Logger(
    { write: () => undefined, flush: () => undefined, dropped: () => 0 },
    { level: 'error', isText: false },
  );
  const part = (name: string, log: string[], fails = false): Component => ({
    name,
    start: () => {
      log.push(`start ${name}`);
      if (fails) throw new Error('no');
    },
    stop: () => void log.push(`stop ${name}`),
  });

  it('starts in order and stops in reverse', async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle([part('a', log), part('b', log)], quiet);
    await lifecycle.start();
    await lifecycle.stop(0);
    expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('stops the started components if a later one fails to start', async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle([part('a', log), part('b', log, true), part('c', log)], quiet);
    await expect(lifecycle.start()).rejects.toThrow('no');
    expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });
});

describe('the catalogue of failures', () => {
  it('has a message and a valid HTTP status in every row', () => {
    for (const row of Object.values(catalogue)) {
      expect(row.message).toMatch(/^[A-Z].*[a-zA-Z]$/);
      expect(row.http).toBeGreaterThanOrEqual(400);
      expect(row.http).toBeLessThan(600);
    }
  });

  it('describes an error and its causes on one line', () => {
    expect(describeError(new Error('a', { cause: new Error('b', { cause: 'c' }) }))).toBe('a: b: "c"');
  });
});

describe('the logger', () => {
  const lines = (isText: boolean, level: 'info' | 'warn' = 'info') => {
    const written: string[] = [];
    const sink: LineSink = { write: (line) => written.push(line), flush: () => undefined, dropped: () => 0 };
    return { written, log: new Logger(sink, { level, isText }) };
  };

  it('writes JSON lines', () => {
    const { log, written } = lines(false);
    log.info('hello', { a: 1, b: undefined });
    expect(JSON.parse(written[0]!)).toEqual({
      time: expect.any(String),
      level: 'info',
      event: 'hello',
      a: 1,
    });
  });

  it('writes text lines, with quotes where needed', () => {
    const { log, written } = lines(true);
    log.warn('replica is down', { replica: 'r0', problem: 'no "way"' });
    expect(written[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}replica is down replica=r0 problem="no \\"way\\""\n$/,
    );
  });

  it('writes nothing below its level', () => {
    const { log, written } = lines(false, 'warn');
    log.info('nothing');
    expect(written).toEqual([]);
  });
});
