// Lines that container runtimes write: CRI and Docker's json-file driver.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { attributesOf } from '../../../../src/telemetry/logs/log-record.ts';
import { NOW, reader, recordsOf } from './read-lines.ts';

const SECOND = 1_000_000_000n;
/** The times in the fixtures are in the week before this. */
const LATER = NOW + 7n * 86_400n * SECOND;
const T = '2026-11-20T16:00:00.000000001Z';
const T_NS = BigInt(Date.UTC(2026, 10, 20, 16)) * 1_000_000n + 1n;

function fileRecords(name: string) {
  const lines = reader();
  const bytes = readFileSync(fileURLToPath(new URL(`../../../fixtures/lines/${name}`, import.meta.url)));
  return [...lines.push(bytes, LATER), ...lines.end()].map(({ severity, message, timeNs, attributes }) => ({
    severity,
    message,
    iso: new Date(Number(timeNs / 1_000_000n)).toISOString(),
    stream: attributesOf({ attributes })['stream'],
  }));
}
const of = (text: string, options?: Parameters<typeof recordsOf>[1]) =>
  recordsOf(text, options).map((record) => ({ ...record, parsed: attributesOf(record) }));
const docker = (log: string, stream = 'stdout', more: object = {}) =>
  `${JSON.stringify({ log, stream, time: T, ...more })}\n`;

it('reads the lines that the container printed from a CRI log, with levels, times, pieces and tracebacks', () => {
  expect(fileRecords('log_cri.log')).toEqual([
    { severity: 9, message: 'INFO one', iso: '2026-11-27T00:00:01.000Z', stream: 'stdout' },
    { severity: 17, message: 'ERROR two', iso: '2026-11-27T00:00:02.000Z', stream: 'stderr' },
    { severity: 17, message: 'half and half', iso: '2026-11-27T00:00:03.000Z', stream: 'stdout' },
    {
      severity: 17,
      message: 'Traceback (most recent call last):\n  File "/a.py", line 1, in f\nValueError: bad',
      iso: '2026-11-27T00:00:04.000Z',
      stream: 'stderr',
    },
  ]);
});

it('reads the lines that the container printed from a Docker log', () => {
  expect(fileRecords('log_dockerjson.log')).toEqual([
    { severity: 17, message: 'ERROR one', iso: '2026-11-27T00:00:01.100Z', stream: 'stderr' },
    { severity: 17, message: 'inner', iso: '2026-11-27T00:00:02.100Z', stream: 'stdout' },
  ]);
});

describe('a line with the wrapper of a container runtime', () => {
  it('keeps the time of the runtime to the nanosecond, with any zone and more tags', () => {
    for (const wrapped of [`${T} stderr F x`, '2026-11-20T18:00:00.000000001+02:00 stderr F:a:b x'])
      expect(of(`${wrapped}\n`)).toMatchObject([
        { message: 'x', timeNs: T_NS, parsed: { stream: 'stderr' } },
      ]);
  });

  it('keeps the time and attributes of a JSON line', () => {
    const inner = '{"message":"m","ts":"2026-11-20T15:00:00Z","k":1,"stream":"own"}';
    for (const line of [`${T} stdout F ${inner}\n`, docker(`${inner}\n`)])
      expect(of(line)).toMatchObject([
        { message: 'm', timeNs: T_NS - 3600n * SECOND - 1n, parsed: { k: 1, stream: 'own' } },
      ]);
  });

  it('keeps further fields, such as labels of Docker and fields of a collector', () => {
    expect(of(docker('x\n', 'stdout', { attrs: { tag: 't' } }))).toMatchObject([
      { message: 'x', parsed: { stream: 'stdout', attrs: { tag: 't' } } },
    ]);
  });

  it('is joined with the other lines of a vLLM traceback with a prefix', () => {
    const prefix = '(EngineCore_DP0 pid=77) ';
    const lines = [
      'Process EngineCore_DP0:',
      'Traceback (most recent call last):',
      '  File "a", line 1, in f',
      'ValueError: x',
    ];
    for (const wrap of [
      (line: string) => `${T} stderr F ${line}\n`,
      (line: string) => docker(`${line}\n`, 'stderr'),
    ]) {
      const records = of(lines.map((line) => wrap(prefix + line)).join(''));
      expect(records).toMatchObject([{ severity: 17, message: prefix + lines.join('\n') }]);
    }
  });

  it('is joined with the other lines of a traceback that were printed seconds apart', () => {
    const lines = [
      'Traceback (most recent call last):',
      '  File "a", line 1, in f',
      '    g()',
      'KeyError: x',
      '',
      'During handling of the above exception, another exception occurred:',
      '',
      'Traceback (most recent call last):',
      '  File "a", line 2, in f',
      'ValueError: x',
    ];
    const at = (i: number) => `2026-11-20T16:00:${String(i).padStart(2, '0')}.5Z`;
    const later = '2026-11-20T16:00:40Z';
    for (const prefix of ['', '(EngineCore_DP0 pid=77) ']) {
      const cri = lines.map((line, i) => `${at(i)} stderr F ${prefix}${line}\n`).join('');
      const json = lines.map((line, i) => docker(`${prefix}${line}\n`, 'stderr', { time: at(i) })).join('');
      for (const [text, next] of [
        [cri, `${later} stderr F   next\n`],
        [json, docker('  next\n', 'stderr', { time: later })],
      ] as const)
        expect(of(text + next)).toMatchObject([
          { severity: 17, message: `${prefix}${lines.join('\n')}` },
          { severity: 0, message: '  next' },
        ]);
    }
  });

  it('does not continue a line printed long before it, even if it is indented', () =>
    expect(of(`${T} stdout F step\n2026-11-20T16:00:01Z stdout F   loss 1.0\n`)).toHaveLength(2));

  it('is joined with lines of its own stream only', () => {
    const lines = ['Traceback (most recent call last):', '  File "a", line 1, in f', 'ValueError: x'];
    const mixed = lines.map((line, i) => `${T} stderr F ${line}\n${T} stdout F INFO: ${i}\n`).join('');
    expect(of(mixed).map(({ message }) => message)).toEqual([
      lines.join('\n'),
      'INFO: 0',
      'INFO: 1',
      'INFO: 2',
    ]);
  });

  it('stays unchanged if the wrapper is not certain', () => {
    for (const line of [
      `${T} stdin F x`,
      `${T} stdout G x`,
      '2026-11-20 16:00:00 stdout F x',
      '2126-11-20T16:00:00Z stdout F x',
      JSON.stringify({ log: 'x', time: T }),
      JSON.stringify({ log: 1, stream: 'stdout', time: T }),
      JSON.stringify({ log: 'x', stream: 'stdout', time: 'now' }),
    ])
      expect(of(`${line}\n`)).toMatchObject([{ message: line }]);
  });

  it('gives no record if it is blank, and loses its terminal escapes', () => {
    expect(of(`${T} stdout F\n${T} stdout F \n${docker('\n')}`)).toEqual([]);
    expect(of(docker('\u001b[31mred\u001b[0m\r\n'))).toMatchObject([{ message: 'red' }]);
  });
});

describe('a line in pieces', () => {
  const P = (text: string, stream = 'stdout') => `${T} ${stream} P ${text}\n`;
  const F = (text: string, stream = 'stdout') => `${T} ${stream} F ${text}\n`;

  it('is joined and redacted, also if two streams are mixed', () => {
    const lines = P('INFO: pass') + P('ERROR: a', 'stderr') + P('word=hun') + F('b', 'stderr') + F('ter2 x');
    expect(of(lines)).toMatchObject([
      { message: 'INFO: password=[redacted] x', parsed: { stream: 'stdout' } },
      { message: 'ERROR: ab', parsed: { stream: 'stderr' } },
    ]);
    expect(of(docker('INFO: a') + docker('b') + docker('c\n')).map(({ message }) => message)).toHaveLength(2);
    expect(of(docker('x\n') + docker('INFO: a') + docker('b') + docker('c\n'))).toMatchObject([
      { message: 'x' },
      { message: 'INFO: abc' },
    ]);
    const long = 'y'.repeat(16 * 1024);
    expect(of(docker(long) + docker('b') + docker('c\n'))).toMatchObject([{ message: `${long}bc` }]);
  });

  it('is not joined if the program writes no line ends', () => {
    expect(of(docker('a') + docker('b') + docker('c')).map(({ message }) => message)).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('is cut if it is too long, and the record has its length', () => {
    const lines = `${P('é'.repeat(400)).repeat(3)}${F('z')}`;
    const [record] = of(lines, { maxLineBytes: 1025 });
    expect(record).toMatchObject({ message: 'é'.repeat(512), parsed: { is_cut: true, bytes: 2401 } });
  });

  it('waits a second for the next piece, is read again after a restart, and is not lost at the end', () => {
    const lines = reader();
    const first = F('one');
    lines.push(Buffer.from(first + P('INFO: half')), NOW);
    expect(lines.flush().map(({ message }) => message)).toEqual(['one']);
    // After a restart, reading continues at the beginning of the line.
    expect(lines.emittedBytes).toBe(first.length);
    expect(lines.tick(NOW + SECOND - 1n)).toEqual([]);
    expect(lines.tick(NOW + SECOND).map(({ message }) => message)).toEqual(['INFO: half']);
    lines.push(Buffer.from(P('last')), NOW);
    expect(lines.end().map(({ message }) => message)).toEqual(['last']);
  });
});
