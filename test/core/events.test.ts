// Lifecycle events: one call writes a log line and a record; repeats are limited but counted.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EVENTS } from '../../src/core/event-table.ts';
import type { LifecycleEvent } from '../../src/core/events.ts';
import { Logger, type LogLevel } from '../../src/core/logger.ts';
import { RepeatLimiter } from '../../src/core/repeat-limiter.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }));
afterEach(() => void vi.useRealTimers());

const MINUTE_MS = 60_000;

describe('the repeat limiter', () => {
  /** The events that were passed on: number of the event, and how many were left out before it. */
  const heard = (repeats: RepeatLimiter, key: string, count: number, into: [number, number][] = []) => {
    for (let i = 0; i < count; i++) repeats.take(key, (suppressed) => void into.push([i, suppressed]));
    return into;
  };

  it('passes on ten events a minute, then the latest with a count of the others', () => {
    const repeats = new RepeatLimiter();
    const into = heard(repeats, 'a', 25);
    expect(into).toEqual(Array.from({ length: 10 }, (_, i) => [i, 0]));
    expect(heard(repeats, 'another key', 1)).toEqual([[0, 0]]);
    vi.advanceTimersByTime(MINUTE_MS);
    expect(into.slice(10)).toEqual([[24, 14]]);
    vi.advanceTimersByTime(10 * MINUTE_MS);
    expect(into).toHaveLength(11);
  });

  it('passes on events of a new minute at once, after the held one', () => {
    const repeats = new RepeatLimiter();
    const into = heard(repeats, 'a', 12);
    vi.setSystemTime(Date.now());
    vi.advanceTimersByTime(MINUTE_MS);
    heard(repeats, 'a', 12, into);
    // The held event counts in the new minute.
    expect(into.slice(10)).toEqual([[11, 1], ...Array.from({ length: 9 }, (_, i) => [i, 0])]);
  });

  it('passes on each held event once on flush', () => {
    const repeats = new RepeatLimiter();
    const into = heard(repeats, 'a', 11);
    repeats.flush();
    repeats.flush();
    vi.advanceTimersByTime(MINUTE_MS);
    expect(into.slice(10)).toEqual([[10, 0]]);
  });

  it('loses no event if there are too many keys', () => {
    const repeats = new RepeatLimiter();
    let passed = 0;
    let suppressed = 0;
    const keys = 5000;
    for (let key = 0; key < keys; key++)
      for (let i = 0; i < 12; i++)
        repeats.take(String(key), (before) => {
          passed++;
          suppressed += before;
        });
    repeats.flush();
    expect(passed + suppressed).toBe(12 * keys);
    expect(passed).toBe(11 * keys);
  });
});

describe('a lifecycle event', () => {
  const open = (level: LogLevel = 'info') => {
    const lines: Record<string, unknown>[] = [];
    const records: LifecycleEvent[] = [];
    const sink = {
      write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>),
      flush: () => undefined,
      dropped: () => 0,
    };
    const log = new Logger(sink, { level, isText: false });
    log.recorder = (event) => void records.push(event);
    return { log, lines, records };
  };
  const down = {
    deployment: 'dep1',
    replica: 'r0',
    url: 'http://127.0.0.1:8000',
    from: 'ready',
    problem: 'GET /health answered 500',
  };

  it('writes a log line and a record with the same facts', () => {
    const { log, lines, records } = open();
    log.event('replica_down', down);
    expect(lines).toEqual([
      { time: new Date().toISOString(), level: 'warn', event: 'replica is down', ...down },
    ]);
    const { deployment, replica, ...others } = down;
    expect(records).toEqual([
      {
        name: 'replica_down',
        level: 'warn',
        timeMs: Date.now(),
        message:
          'Health check failed. Replica r0 is down and gets no more requests until it is ready: GET /health answered 500',
        deployment,
        environment: undefined,
        replica,
        attributes: { event: 'replica_down', ...others },
      },
    ]);
  });

  it('keeps its own time when it is held, and counts the events that were left out', () => {
    const { log, lines, records } = open();
    for (let i = 0; i < 13; i++) {
      vi.advanceTimersByTime(10);
      log.event('replica_down', down);
    }
    const lastMs = Date.now();
    log.flushEvents();
    expect(records).toHaveLength(11);
    expect(records[10]).toMatchObject({ timeMs: lastMs, attributes: { suppressed: 2 } });
    expect(lines[10]).toMatchObject({ time: new Date(lastMs).toISOString(), suppressed: 2 });
  });

  it('is limited per replica, and not at all if an operator caused it', () => {
    const { log, records } = open();
    for (let i = 0; i < 12; i++) log.event('replica_down', down);
    log.event('replica_down', { ...down, replica: 'r1' });
    expect(records.at(-1)).toMatchObject({ replica: 'r1', attributes: { event: 'replica_down' } });
    for (let i = 0; i < 12; i++) log.event('configuration_reloaded', {});
    expect(records.filter(({ name }) => name === 'configuration_reloaded')).toHaveLength(12);
  });

  it('is recorded even if log.level hides its line', () => {
    const { log, lines, records } = open('error');
    log.event('replica_down', down);
    expect(lines).toEqual([]);
    expect(records).toHaveLength(1);
  });

  it('has a lower case name and a log line', () => {
    for (const [name, { line }] of Object.entries(EVENTS)) {
      expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)+$/);
      expect(line).not.toBe('');
    }
  });
});
