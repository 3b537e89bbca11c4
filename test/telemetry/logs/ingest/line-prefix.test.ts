// Tracebacks with a prefix on each line become one record, for any prefix of any program.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NOW, reader, recordsOf } from './read-lines.ts';

const file = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../fixtures/lines/${name}`, import.meta.url)));
const TRACEBACK = [
  'Traceback (most recent call last):',
  '  File "/app/model.py", line 12, in predict',
  '    return self.model(x)',
  'ValueError: x must be positive',
];
const CHAIN = [
  ...TRACEBACK,
  '',
  'During handling of the above exception, another exception occurred:',
  '',
  ...TRACEBACK,
  '',
  'The above exception was the direct cause of the following exception:',
  '',
  ...TRACEBACK,
];
const GROUP = [
  '  + Exception Group Traceback (most recent call last):',
  '  |   File "/app/a.py", line 1, in <module>',
  '  | ExceptionGroup: two (2 sub-exceptions)',
  '  +-+---------------- 1 ----------------',
  '    | Traceback (most recent call last):',
  '    |   File "/app/a.py", line 2, in f',
  '    | ValueError: one',
  '    +---------------- 2 ----------------',
  '    | TypeError: two',
  '    +------------------------------------',
];
const JAVA = [
  'java.lang.IllegalStateException: x',
  '\tat a.B.c(B.java:1)',
  'Caused by: java.io.IOException: y',
  '\tat a.B.d(B.java:2)',
  '\t... 3 more',
];
const NODE = ['TypeError: x is not a function', '    at f (/app/a.js:1:1)', '    at /app/b.js:2:2'];

const PREFIXES = [
  '(EngineCore_DP0 pid=77) ',
  '(Worker_TP0 pid=123) ',
  '(RayWorkerWrapper pid=123, ip=10.0.0.1) ',
  '[rank0]: ',
  '[default0]:',
  'app-1  | ',
  '[pod/llama-0/model] ',
  'llama-0 model ',
  'ERROR 11-20 12:00:00 [core.py:708] ',
  '(EngineCore_DP0 pid=77) ERROR 11-20 12:00:00 [core.py:708] ',
  'E1120 12:00:00.123456     7 server.py:1] ',
  'anything at all> ',
];
const prefixed = (prefix: string, lines: readonly string[]) => lines.map((line) => prefix + line);
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');
const shape = (lines: readonly string[]) =>
  recordsOf(text(lines)).map(({ severity, message }) => [severity, message]);

it('joins the traceback of a vLLM engine into one record of level error', () => {
  const records = recordsOf(file('log_vllm_tb.log'));
  expect(records).toHaveLength(1);
  expect(records[0]).toMatchObject({
    severity: 17,
    message: [
      '(EngineCore_DP0 pid=77) Process EngineCore_DP0:',
      'Traceback (most recent call last):',
      '  File "/x/core.py", line 691, in run',
      '    self.go()',
      '    ~~~~~~~^^',
      'RuntimeError: boom',
    ].join('\n'),
  });
});

describe.each(PREFIXES)('with prefix %j', (prefix) => {
  it.each([
    ['a traceback', TRACEBACK],
    ['a chain of tracebacks', CHAIN],
    ['a group of exceptions', GROUP],
  ])('joins %s into one record of level error, without the next line', (_what, lines) => {
    const [record, ...others] = shape([...prefixed(prefix, lines), 'INFO: next']);
    expect(record).toEqual([17, prefix + lines.join('\n')]);
    expect(others).toEqual([[9, 'INFO: next']]);
  });

  it('continues a chain after a line that announces it, and after blank lines without the last space', () => {
    const lines = prefixed(prefix, ['Process EngineCore_DP0:', ...CHAIN]).map((line) => line.trimEnd());
    expect(shape(lines)).toEqual([[17, [`${prefix}Process EngineCore_DP0:`, ...CHAIN].join('\n')]]);
  });

  it('separates two unlinked tracebacks, and later lines with the same prefix', () => {
    const records = shape([...prefixed(prefix, TRACEBACK), ...prefixed(prefix, TRACEBACK), `${prefix}next`]);
    expect(records.map(([, message]) => String(message).split('\n').length)).toEqual([4, 4, 1]);
    expect(records.slice(0, 2).map(([severity]) => severity)).toEqual([17, 17]);
  });

  it('joins a traceback without its beginning', () => {
    expect(shape(prefixed(prefix, TRACEBACK.slice(1)))).toEqual([
      [17, prefix + TRACEBACK.slice(1).join('\n')],
    ]);
  });

  it('joins stacks of Java and Node', () => {
    for (const lines of [JAVA, NODE])
      expect(shape(prefixed(prefix, lines)).map(([, message]) => message)).toEqual([
        prefix + lines.join('\n'),
      ]);
  });
});

describe('a traceback with a prefix', () => {
  it('is one record per process if the lines of several processes alternate', () => {
    const workers = Array.from({ length: 8 }, (_, i) => `(Worker_TP${i} pid=${100 + i}) `);
    const lines = CHAIN.flatMap((line) => workers.map((prefix) => prefix + line));
    expect(shape(lines)).toEqual(workers.map((prefix) => [17, prefix + CHAIN.join('\n')]));
  });

  it('is separate from one with a similar prefix', () => {
    const [short, long] = ['(W pid=1) ', '(W pid=1) ERROR 11-20 12:00:00 [core.py:708] '];
    const lines = [
      `${long}failed`,
      ...prefixed(long, TRACEBACK),
      `${short}Process W:`,
      ...prefixed(short, TRACEBACK),
    ];
    expect(shape(lines)).toEqual([
      [17, [`${long}failed`, ...TRACEBACK].join('\n')],
      [17, [`${short}Process W:`, ...TRACEBACK].join('\n')],
    ]);
  });

  it('is joined if the time in the prefix changes, and keeps the first time', () => {
    const lines = TRACEBACK.map((line, i) => `2026-11-20T12:00:0${i}.00${i}Z ${line}`);
    expect(recordsOf(text(lines))).toMatchObject([
      {
        severity: 17,
        message: `2026-11-20T12:00:00.000Z ${TRACEBACK.join('\n')}`,
        timeNs: BigInt(Date.UTC(2026, 10, 20, 12)) * 1_000_000n,
      },
    ]);
  });

  it('is joined if only the first line has a logger’s header', () => {
    const head = '2026-11-20 12:00:00,123 WARNING ';
    expect(shape(['INFO: before', `${head}${TRACEBACK[0]}`, ...TRACEBACK.slice(1), 'INFO: after'])).toEqual([
      [9, 'INFO: before'],
      [13, head + TRACEBACK.join('\n')],
      [9, 'INFO: after'],
    ]);
  });

  it('belongs to an error line before it and keeps its level, but not to a line of another level', () => {
    const prefix = '(W pid=1) ';
    expect(
      shape([`${prefix}CRITICAL 11-20 12:00:00 [a.py:1] no`, ...prefixed(prefix, TRACEBACK)]),
    ).toMatchObject([[21, expect.stringContaining('ValueError')]]);
    expect(shape([`${prefix}INFO 11-20 12:00:00 [a.py:1] ok`, ...prefixed(prefix, TRACEBACK)])).toMatchObject(
      [
        [9, `${prefix}INFO 11-20 12:00:00 [a.py:1] ok`],
        [17, prefix + TRACEBACK.join('\n')],
      ],
    );
  });

  it('ends with its exception group, also without a prefix', () => {
    expect(shape(['INFO: before', ...GROUP, 'next'])).toEqual([
      [9, 'INFO: before'],
      [17, GROUP.join('\n')],
      [0, 'next'],
    ]);
  });

  it('does not include later lines if it is on one line', () => {
    const line = String.raw`failed: 'Traceback (most recent call last):\n  File "a.py"'`;
    expect(shape([line, 'next'])).toEqual([
      [17, line],
      [0, 'next'],
    ]);
  });

  it('delays other lines by at most 25 ms, and records keep the order of their first lines', () => {
    const lines = reader();
    const push = (...all: string[]) => lines.push(Buffer.from(text(all)), NOW).map(({ message }) => message);
    expect(
      push(`[rank0]: ${TRACEBACK[0]}`, 'INFO: a', '{"message":"b"}', `[rank0]: ${TRACEBACK[1]}`),
    ).toEqual([]);
    expect(lines.emittedBytes).toBe(0);
    expect(lines.tick(NOW + 24_000_000n)).toEqual([]);
    expect(lines.tick(NOW + 25_000_000n).map(({ message }) => message)).toEqual([
      `[rank0]: ${TRACEBACK.slice(0, 2).join('\n')}`,
      'INFO: a',
      'b',
    ]);
  });

  it('delays a limited number of records if it never ends, and loses none', () => {
    const lines = reader();
    let given = 0;
    let most = 0;
    for (let i = 0; i < 20_000; i++) {
      const line = i % 4 === 0 ? `[rank${i % 400}]: ${TRACEBACK[i % 8 === 0 ? 0 : 1]}` : `INFO: line ${i}`;
      for (const { message } of lines.push(Buffer.from(`${line}\n`), NOW))
        given += message.split('\n').length;
      most = Math.max(most, i + 1 - given);
    }
    for (const { message } of lines.end()) given += message.split('\n').length;
    expect(given).toBe(20_000);
    expect(most).toBeLessThan(9000);
  });

  it('loses no line in any mixture', () => {
    const line = fc.constantFrom(
      ...TRACEBACK,
      GROUP[0]!,
      GROUP[2]!,
      ...CHAIN.slice(4, 7),
      'INFO: x',
      'text',
      '    at f (a)',
    );
    const prefix = fc.constantFrom(
      '',
      '[a]: ',
      '[b]: ',
      '(c pid=1) ',
      '(c pid=1) ERROR 11-20 12:00:00 [x] ',
      'd | ',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(prefix, line), { maxLength: 40 }), (all) => {
        const records = recordsOf(text(all.map(([before, what]) => before + what)));
        const bare = (one: string) =>
          one.replace(/^(?:\[[ab]\]: ?|\(c pid=1\) ?(?:ERROR 11-20 12:00:00 \[x\] ?)?|d \| ?)/, '').trim();
        const sorted = (lines: string[]) =>
          lines
            .map(bare)
            .filter((one) => one !== '')
            .sort();
        expect(sorted(records.flatMap(({ message }) => message.split('\n')))).toEqual(
          sorted(all.map((one) => one.join(''))),
        );
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 500) },
    );
  });
});

it('reads levels after a prefix', () => {
  expect(
    shape(['[rank0]: ERROR 11-20 12:00:00 x', 'app-1  | WARNING: y', '[default0]:INFO:     z']),
  ).toMatchObject([
    [17, expect.anything()],
    [13, expect.anything()],
    [9, expect.anything()],
  ]);
});
