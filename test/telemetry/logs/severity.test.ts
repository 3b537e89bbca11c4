// Levels of other loggers as OTLP severity numbers.
import { describe, expect, it } from 'vitest';
import {
  apiLevel,
  SEVERITY,
  severityOfName,
  severityOfPino,
  severityOfPython,
  severityText,
} from '../../../src/telemetry/logs/severity.ts';

describe('severity', () => {
  it.each([
    ['trace', 1],
    ['DEBUG', 5],
    ['Info', 9],
    [' notice ', 10],
    ['warn', 13],
    ['WARNING', 13],
    ['err', 17],
    ['Error', 17],
    ['CRITICAL', 21],
    ['emerg', 21],
    ['fatal', 21],
    ['panic', 21],
  ])('reads level %s as %i', (name, severity) => expect(severityOfName(name)).toBe(severity));

  it.each(['', 'loud', 'constructor', '__proto__', 'toString', `error${' '.repeat(100)}`])(
    'reads %j as 0, since it is not a level',
    (name) => expect(severityOfName(name)).toBe(0),
  );

  it('distinguishes level numbers of pino and of Python', () => {
    expect([10, 20, 30, 40, 50, 60].map(severityOfPino)).toEqual([1, 5, 9, 13, 17, 21]);
    expect([10, 20, 30, 40, 50].map(severityOfPython)).toEqual([5, 9, 13, 17, 21]);
    // A custom level belongs to the standard level below it.
    expect([25, 35].map(severityOfPython)).toEqual([9, 13]);
  });

  it.each([-10, 0, 9, 70, 1e9, Number.NaN, Infinity])(
    'reads number %d as 0, since it is not a level',
    (level) => {
      expect(severityOfPino(level)).toBe(0);
      expect(severityOfPython(level)).toBe(0);
    },
  );

  it('has a name for each of the 24 numbers', () => {
    const names = Array.from({ length: 25 }, (_, severity) => severityText(severity));
    expect(names).toEqual([
      '',
      ...['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].flatMap((name) => [name, name, name, name]),
    ]);
  });

  it('maps to the four levels of the contract’s log API, and 0 to none', () => {
    expect(Object.values(SEVERITY).map(apiLevel)).toEqual([
      'DEBUG',
      'DEBUG',
      'INFO',
      'INFO',
      'WARNING',
      'ERROR',
      'ERROR',
    ]);
    expect(apiLevel(0)).toBeUndefined();
  });
});
