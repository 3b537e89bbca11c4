// The flags of weir logs, and its text output.
import { describe, expect, it } from 'vitest';
import { readArguments, timeOfId, type LogsArguments } from '../../src/cli/logs/flags.ts';
import { isColored, formatTextLine } from '../../src/cli/logs/printer.ts';

const NOW = Date.parse('2026-11-20T12:00:00Z');

describe('the flags of weir logs', () => {
  it('select by default at most 5,000 lines, requests and events of the last 30 minutes', () => {
    expect(readArguments([], {}, NOW)).toEqual({
      url: 'http://127.0.0.1:9464',
      files: expect.objectContaining({ 'ca-file': { file: '', from: 'WEIR_CLIENT_CA_FILE' } }) as unknown,
      key: '',
      output: 'text',
      color: 'auto',
      limit: 5000,
      isTail: false,
      requestId: '',
      isAnyTime: false,
      filters: [
        ['kind', 'line,request,event'],
        ['start', `${NOW - 30 * 60_000}000000`],
        ['end', `${NOW}999999`],
      ],
    });
  });

  it('override the variables WEIR_CLIENT_URL and WEIR_CLIENT_KEY', () => {
    const env = { WEIR_CLIENT_URL: 'https://a/', WEIR_CLIENT_KEY: 'k' };
    expect(readArguments([], env, NOW)).toMatchObject({ url: 'https://a', key: 'k' });
    expect(readArguments(['--url=http://b', '--key', 'j'], env, NOW)).toMatchObject({
      url: 'http://b',
      key: 'j',
    });
  });

  it('accept the old names of these variables if the new ones are not set', () => {
    const old = { WEIR_ADMIN_URL: 'http://old', WEIR_ADMIN_KEY: 'of the server' };
    expect(readArguments([], old, NOW)).toMatchObject({ url: 'http://old', key: 'of the server' });
    expect(readArguments([], { ...old, WEIR_CLIENT_KEY: 'k' }, NOW)).toMatchObject({
      url: 'http://old',
      key: 'k',
    });
    expect(readArguments([], { ...old, WEIR_CLIENT_URL: 'http://new' }, NOW)).toMatchObject({
      url: 'http://new',
      key: 'of the server',
    });
  });

  it('read a time without a zone as UTC', () => {
    const { filters } = readArguments(
      ['--start=2026-11-20T16:52:26', '--end', '2026-11-20 18:00+01:00'],
      {},
      NOW,
    ) as LogsArguments;
    expect(filters).toContainEqual(['start', `${Date.parse('2026-11-20T16:52:26Z')}000000`]);
    expect(filters).toContainEqual(['end', `${Date.parse('2026-11-20T17:00:00Z')}999999`]);
  });

  it('add up the parts of --since', () => {
    const { filters } = readArguments(['--since', '1h30m'], {}, NOW) as LogsArguments;
    expect(filters).toContainEqual(['start', `${NOW - 5_400_000}000000`]);
  });

  it('report all mistakes at once', () => {
    expect(
      readArguments(['--since=1h', '--end=never', '--limit=-1', '--url=nowhere', 'what'], {}, NOW),
    ).toEqual([
      'unexpected argument "what"; see weir logs --help',
      '--limit: is "-1", must be a whole number; 0 means no limit',
      '--url: is "nowhere", must be a URL such as http://127.0.0.1:9464 or unix:/run/weir.sock',
      '--since: cannot be combined with --start or --end',
      '--end: invalid time "never"; write 2026-11-20T16:52:26Z (without a zone: UTC), or the seconds, ms, µs or ns since 1970',
    ]);
  });

  it('accept the names of the contract too', () => {
    const args = ['--model-id', 'mdl1', '--deployment-id', 'dep1', '--since', '1h', '--output', 'jsonl'];
    expect(readArguments(args, {}, NOW)).toMatchObject({
      output: 'jsonl',
      filters: expect.arrayContaining([
        ['model_id', 'mdl1'],
        ['deployment', 'dep1'],
        ['start', `${NOW - 3_600_000}000000`],
      ]) as unknown,
    });
    expect(readArguments(['--deployment=a', '--deployment-id=a', '--color=blue'], {}, NOW)).toEqual([
      '--color: is "blue", must be one of auto, always, never',
      '--deployment-id: means the same as --deployment; give only one of them',
    ]);
  });

  it.each([
    [['--tail', '20'], '--tail: takes no value, and "20" was given'],
    [['-f', '20'], '--tail: takes no value, and "20" was given'],
    [['--tail=20'], '--tail: takes no value'],
  ])('explain for %j how to set the number of records', (args, problem) =>
    expect(readArguments(args, {}, NOW)).toEqual([
      `${problem}; --limit 20 sets how many records it begins with`,
    ]),
  );

  it('remember which old variable the key came from', () => {
    const old = { WEIR_ADMIN_KEY: 'old' };
    const nameOf = (args: string[], env: NodeJS.ProcessEnv) => readArguments(args, env, NOW);
    expect(nameOf([], old)).toMatchObject({ key: 'old', keyVariable: 'WEIR_ADMIN_KEY' });
    expect(nameOf([], { ...old, WEIR_CLIENT_KEY: 'new' })).toMatchObject({
      key: 'new',
      keyVariable: undefined,
    });
    expect(nameOf(['--key=mine'], old)).toMatchObject({ key: 'mine', keyVariable: undefined });
  });

  it.each([['--tail'], ['--follow'], ['-f']])('include %s for a live tail', (flag) =>
    expect(readArguments([flag], {}, NOW)).toMatchObject({ isTail: true }),
  );

  it.each(['warn', 'WARN', 'warning', 'Error', 'fatal'])('accept the level %s', (level) =>
    expect(readArguments(['--min-level', level], {}, NOW)).toMatchObject({
      filters: expect.arrayContaining([['min_level', level.toLowerCase()]]) as unknown,
    }),
  );

  it('suggest the nearest level', () =>
    expect(readArguments(['--min-level=wran'], {}, NOW)).toEqual([
      '--min-level: unknown level "wran"; did you mean "warn"?',
    ]));

  const startOf = (...args: string[]) => {
    const read = readArguments(args, {}, NOW);
    if (!('filters' in read)) throw new Error(read.join());
    const start = read.filters.find(([name]) => name === 'start')![1];
    return [Number(BigInt(start) / 1_000_000n), read.isAnyTime];
  };
  const idAt = (ms: number) => ms.toString(16).padStart(12, '0') + 'f'.repeat(25);

  it('start the search for a request at the time in its id', () => {
    const old = NOW - 30 * 86_400_000;
    expect(timeOfId(idAt(old), NOW)).toBe(old);
    expect(startOf('--request-id', idAt(old))).toEqual([old - 600_000, true]);
    expect(startOf('--request-id', idAt(old), '--since', '1h')).toEqual([NOW - 3_600_000, false]);
    expect(startOf('--request-id', idAt(old), '--start', '2026-11-20T11:00:00Z')).toEqual([
      NOW - 3_600_000,
      false,
    ]);
  });

  it.each([
    ['of the document, with a time before weir existed', '31255019cf83c4d0c7492a5006591e1f502a5'],
    ['from before weir', idAt(5)],
    ['of others', 'my-own-1'],
    ['from the future', idAt(NOW + 1)],
  ])('search all records for an id %s', (_, id) => {
    expect(timeOfId(id, NOW)).toBeUndefined();
    expect(startOf('--request-id', id)).toEqual([0, true]);
  });

  it('allow filters but no times with --tail', () => {
    expect(
      readArguments(['--tail', '--replica=abc12', '--pod=llama-0', '--limit=10'], {}, NOW),
    ).toMatchObject({
      isTail: true,
      limit: 10,
      filters: [
        ['kind', 'line,request,event'],
        ['replica', 'abc12'],
        ['pod', 'llama-0'],
      ],
    });
    expect(readArguments(['--tail', '--since=1h'], {}, NOW)).toEqual([
      expect.stringContaining('--tail: begins now'),
    ]);
  });
});

it('formats a line without replica and request id without parentheses', () => {
  const at = new Date(2026, 10, 20, 1, 2, 3).toISOString();
  expect(formatTextLine({ timestamp: at, message: 'm' })).toBe('[2026-11-20 01:02:03]: m\n');
  expect(formatTextLine({ timestamp: at, message: 'm', replica: 'r' })).toBe(
    '[2026-11-20 01:02:03]: (r) m\n',
  );
});

describe('a line of text', () => {
  const at = new Date(2026, 10, 20, 1, 2, 3).toISOString();
  const line = {
    timestamp: at,
    message: 'POST /predict 503 no_replica',
    kind: 'request',
    level: 'ERROR',
    replica: 'abc12',
    request_id: 'f'.repeat(37),
    duration_ms: 12.345,
  };

  it('has the level, replica, request id and duration of the record, if any', () => {
    expect(formatTextLine(line)).toBe(
      `[2026-11-20 01:02:03]: ERROR (abc12 ${'f'.repeat(37)}) POST /predict 503 no_replica 12.3ms\n`,
    );
    expect(formatTextLine({ timestamp: at, message: 'm', level: 'INFO' })).toBe(
      '[2026-11-20 01:02:03]: INFO  m\n',
    );
    expect(formatTextLine({ timestamp: at, message: 'm', request_id: 'id' })).toBe(
      '[2026-11-20 01:02:03]: (id) m\n',
    );
    expect(formatTextLine({ timestamp: at, message: 'm', duration_ms: 1234.5 })).toMatch(/ m 1\.23s\n$/);
  });

  it('has the time to the first token and the tokens of a request to a model, as far as they are known', () => {
    const textOf = (attributes: object, kind = 'request') =>
      formatTextLine({ timestamp: at, message: 'm', kind, duration_ms: 1500, attributes: { ...attributes } });
    expect(textOf({ first_token_ms: 305.07, input_tokens: 7, output_tokens: 20 })).toMatch(
      / m 1\.50s ttft 305\.1ms, 7 \+ 20 tokens\n$/,
    );
    expect(textOf({ input_tokens: 7 })).toMatch(/ m 1\.50s 7 \+ \? tokens\n$/);
    expect(textOf({ first_token_ms: 1200 })).toMatch(/ m 1\.50s ttft 1\.20s\n$/);
    expect(textOf({ input_tokens: 'x' })).toMatch(/ m 1\.50s\n$/);
    expect(textOf({ input_tokens: 7, output_tokens: 20 }, 'line')).toMatch(/ m 1\.50s\n$/);
  });

  it('differs only in escape sequences when coloured', () => {
    const painted = formatTextLine(line, true);
    expect(painted).toContain('\u001b[31mERROR\u001b[0m');
    // oxlint-disable-next-line no-control-regex -- these are the colours
    expect(painted.replace(/\u001b\[\d+m/g, '')).toBe(formatTextLine(line));
  });

  it.each([
    ['auto', true, {}, true],
    ['auto', false, {}, false],
    ['auto', true, { NO_COLOR: '1' }, false],
    ['auto', true, { NO_COLOR: '' }, true],
    ['auto', true, { TERM: 'dumb' }, false],
    ['always', false, { NO_COLOR: '1' }, true],
    ['never', true, {}, false],
  ] as const)('is coloured according to --color %s, terminal %s and %j: %s', (color, isTerminal, env, is) =>
    expect(isColored(color, isTerminal, env)).toBe(is),
  );
});
