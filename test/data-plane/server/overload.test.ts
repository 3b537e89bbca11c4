// When new requests are refused since weir runs late.
import { describe, expect, it } from 'vitest';
import { Admission } from '../../../src/data-plane/server/admission.ts';
import { OpenPaths } from '../../../src/data-plane/server/open-paths.ts';
import { Overload } from '../../../src/data-plane/server/overload.ts';
import type { Exchange } from '../../../src/core/exchange/exchange.ts';
import { Logger, type LineSink } from '../../../src/core/logger.ts';

const INTERVAL_MS = 100;

/** A measure with a clock of the test. `pass` lets intervals end, each so many milliseconds late. */
function measure(limitMs: number) {
  let nowMs = 0;
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) } as unknown as LineSink;
  const overload = new Overload(limitMs, new Logger(sink, { level: 'info', isText: false }), () => nowMs);
  overload.measure();
  return {
    overload,
    lines,
    pass: (...lateMs: number[]): boolean => {
      for (const late of lateMs) {
        nowMs += INTERVAL_MS + late;
        overload.measure();
      }
      return overload.isOn;
    },
  };
}

describe('overload', () => {
  it('begins after two late intervals in a row, and not after a single pause', () => {
    const { pass } = measure(500);
    expect(pass(5000, 0, 5000, 0)).toBe(false);
    expect(pass(500, 499)).toBe(false);
    expect(pass(500, 500)).toBe(true);
  });

  it('ends after half a second in time, and says both', () => {
    const { pass, lines } = measure(500);
    expect(pass(600, 700)).toBe(true);
    expect(pass(0, 0, 0, 0, 600)).toBe(true);
    expect(pass(0, 0, 0, 0)).toBe(true);
    expect(pass(0)).toBe(false);
    expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
      'overloaded; new requests are refused',
      'not overloaded any more',
    ]);
    expect(lines[0]).toContain('"late_ms":700');
  });
});

describe('a request during overload', () => {
  const open = new OpenPaths(['/health', '/grpc.health.v1.Health/Check']);
  const admission = new Admission({ isOn: true }, open, undefined);
  const check = (of: Partial<Exchange>) => admission.check(of as Exchange, undefined, { kind: 'forward' });

  it('is refused with a time to try again', () => {
    expect(check({ protocol: 'http', method: 'POST', target: '/v1/chat/completions' })).toEqual({
      failure: 'overloaded',
      detail: '',
      retryAfter: 1,
    });
    expect(check({ protocol: 'http', method: 'POST', target: '/health' })).toBeDefined();
    const upgrade = { kind: 'forward', isUpgrade: true } as const;
    const asked = { protocol: 'http', method: 'GET', target: '/health' } as Exchange;
    expect(admission.check(asked, undefined, upgrade)).toBeDefined();
  });

  it('is served if it is a health probe', () => {
    expect(check({ protocol: 'http', method: 'GET', target: '/health' })).toBeUndefined();
    expect(
      check({ protocol: 'grpc', method: 'POST', target: '/grpc.health.v1.Health/Check' }),
    ).toBeUndefined();
  });
});
