// The time of a plain line: the one at its beginning, otherwise the time of arrival.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timeOfPlain } from '../../../../src/telemetry/logs/ingest/line-time.ts';
import { NOW, recordOf, recordsOf } from './read-lines.ts';
import { cpuMs } from '../../../kit/cpu-time.ts';

const DAY_MS = 86_400_000;
const at = (line: string, retentionMs = 7 * DAY_MS) => timeOfPlain(line, NOW, retentionMs);
/** 2026-11-20 12:00:00 in UTC, and in local time. */
const UTC = BigInt(Date.UTC(2026, 10, 20, 12)) * 1_000_000n;
const LOCAL = BigInt(new Date(2026, 10, 20, 12).getTime()) * 1_000_000n;
const MS = 1_000_000n;

describe('the time of a plain line', () => {
  it.each([
    ['Python logging', '2026-11-20 12:00:00,123 ERROR boom', LOCAL + 123n * MS],
    ['Python logging, with names', '2026-11-20 12:00:00,123 - my.module - ERROR - boom', LOCAL + 123n * MS],
    ['loguru', '2026-11-20 12:00:00.123 | DEBUG    | mod:fn:1 - text', LOCAL + 123n * MS],
    ['gunicorn', '[2026-11-20 12:00:00 +0000] [7] [INFO] Starting', UTC],
    ['TGI', '2026-11-20T12:00:00.123456Z  INFO launcher: Args', UTC + 123_456_000n],
    ['Rust, in small letters', '2026-11-20t14:00:00+02:00 x', UTC],
    ['Postgres', '2026-11-20 12:00:00.500 UTC [7] LOG:  ready', UTC + 500n * MS],
    ['hours of a zone', '2026-11-20 10:00:00-02 x', UTC],
    ['nginx', '2026/11/20 12:00:00 [crit] 7#7: *1 connect() failed', LOCAL],
    ['Go', '2026/11/20 12:00:00.123456 text', LOCAL + 123_456_000n],
    ['vLLM', 'INFO 11-20 12:00:00 [core.py:58] text', LOCAL],
    ['vLLM, with a fraction', 'INFO 11-20 12:00:00.123 [core.py:58] text', LOCAL + 123n * MS],
    ['vLLM, several processes', '(EngineCore_0 pid=123) ERROR 11-20 12:00:00 [core.py:58] x', LOCAL],
    ['torchrun', '[rank0]: 2026-11-20 12:00:00,123 x', LOCAL + 123n * MS],
    ['docker compose', 'app-1  | 2026-11-20T12:00:00Z x', UTC],
    ['a level in brackets', '[WARNING] 2026-11-20 12:00:00 x', LOCAL],
    ['a level with a colon', 'INFO:     2026-11-20 12:00:00 x', LOCAL],
    ['klog', 'I1120 12:00:00.123456       1 server.go:10] x', LOCAL + 123_456_000n],
    ['glog, with the year', 'E20261120 12:00:00.123456 1 model.cc:1] x', LOCAL + 123_456_000n],
    ['syslog', 'Nov 20 12:00:00 host app[7]: x', LOCAL],
    ['syslog, RFC 3164', '<34>Nov 20 12:00:00 host app: x', LOCAL],
    ['syslog, RFC 5424', '<34>1 2026-11-20T12:00:00.5Z host app - - - x', UTC + 500n * MS],
    ['Apache', '[Fri Nov 20 12:00:00.123456 2026] [core:error] x', LOCAL + 123_456_000n],
    ['Redis', '7:M 20 Nov 2026 12:00:00.123 * Ready', LOCAL + 123n * MS],
    ['PHP', '[20-Nov-2026 12:00:00 UTC] PHP Warning:  x', UTC],
    ['logfmt', 'time="2026-11-20T12:00:00Z" level=warning msg="slow"', UTC],
    ['logfmt, epoch', 'ts=1795176000.5 level=info msg=x', UTC + 500n * MS],
    ['Squid', '1795176000.123    45 10.0.0.1 TCP_MISS/200', UTC + 123n * MS],
  ])('is read from %s', (_who, line, time) => {
    expect(at(line)).toBe(time);
    expect(recordOf(line)).toMatchObject({ message: line, timeNs: time });
  });

  it.each([
    ['a line without one', 'INFO:     127.0.0.1:5000 - "GET / HTTP/1.1" 200 OK'],
    ['one in the middle', 'loaded at 2026-11-20 12:00:00'],
    ['one behind an address', '10.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 1'],
    ['a date alone', '2026-11-20 is a Friday'],
    ['a clock alone, which may be a duration', '12:00:00.1234 WARNING low memory'],
    ['a version', '2026.11.20 released'],
    ['a version in front of a clock', '1.2.3 12:00:00 x'],
    ['a name that contains a date', 'model-2026-11-20 12:00:00 x'],
    ['a date with text directly behind it', '2026-11-20 12:00:00x'],
    ['a day that does not exist', '2026-02-30 12:00:00 x'],
    ['an hour that does not exist', '2026-11-20 25:00:00 x'],
    ['day and month that cannot be told apart', '05/01/2026 12:00:00 - INFO x'],
    ['a word that is not a month', 'May be 12 12:00:00 x'],
    ['a whole number', '1795176000 requests'],
    ['the far future', '2027-11-20T12:00:00Z x'],
    ['a time before the retention', '2026-11-12T12:00:00Z x'],
    ['an old build', '2019-01-01 12:00:00 x'],
    ['hours ahead without a zone, so that of another zone', '2026-11-21 12:00:00 x'],
    ['a word that looks like a level', 'Info 2026-11-20'],
  ])('is not read from %s', (_what, line) => {
    expect(at(line)).toBeUndefined();
    expect(recordOf(line, { retentionMs: 7 * DAY_MS })).toMatchObject({ message: line, timeNs: NOW });
  });

  it('is in the latest possible year if the line has no year', () => {
    const newYear = BigInt(new Date(2027, 0, 1, 0, 0, 10).getTime()) * MS;
    const of = (line: string) => timeOfPlain(line, newYear, 7 * DAY_MS);
    expect(of('INFO 12-31 23:59:59 x')).toBe(newYear - 11_000n * MS);
    expect(of('INFO 01-01 00:00:05 x')).toBe(newYear - 5000n * MS);
    const oldYear = BigInt(new Date(2026, 11, 31, 23, 59, 59).getTime()) * MS;
    // The clock of the other machine is slightly ahead.
    expect(timeOfPlain('INFO 01-01 00:00:01 x', oldYear, DAY_MS)).toBe(oldYear + 2000n * MS);
    expect(timeOfPlain('INFO 02-29 00:00:01 x', oldYear, 366 * DAY_MS)).toBeUndefined();
  });

  it('is the time of the first line in a record with several lines', () => {
    const [record] = recordsOf('2026-11-20 12:00:00,123 ERROR x\n  2026-11-20 13:00:00 in it\n');
    expect(record).toMatchObject({ timeNs: LOCAL + 123n * MS });
  });

  it('does not depend on the line before, which may have been in the same second', () => {
    const before = ['', 'INFO ', '[', '(Engine pid=1) INFO '];
    const date = ['2026-11-20 ', '11-20 ', '2026-11-20T'];
    const fraction = ['', '.5', ',123', '.123456789', '.1234567890', '.', ','];
    const after = ['', ' x', ' Z', ' +01:00', ' - x', ' GPU', '] x', 'Z', ': x', '|', ' 2026', '\tUTC'];
    const line = fc
      .tuple(
        fc.constantFrom(...before),
        fc.constantFrom(...date),
        fc.constantFrom('12:00:00', '12:00:01'),
        fc.constantFrom(...fraction),
        fc.constantFrom(...after),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const alone = lines.map((one) => {
          at('2026-11-19 00:00:00 x');
          return at(one);
        });
        expect(lines.map((one) => at(one))).toEqual(alone);
      }),
      { numRuns: 2000 },
    );
  });

  it('is read in constant time from long lines', () => {
    const line = `${'2026-11-20 '.repeat(20_000)}${'[INFO] '.repeat(20_000)}`;
    const begin = cpuMs();
    for (let i = 0; i < 1000; i++) at(line);
    expect(cpuMs() - begin).toBeLessThan(1000);
  });
});
