// Joining of lines that belong together.
import { describe, expect, it } from 'vitest';
import { NOW, reader, recordsOf } from './read-lines.ts';

const messages = (...lines: string[]) =>
  recordsOf(lines.map((line) => `${line}\n`).join('')).map(({ message }) => message.split('\n').length);

const TRACEBACK = [
  'Traceback (most recent call last):',
  '  File "/app/model.py", line 12, in predict',
  '    return self.model(x)',
  'ValueError: x must be positive',
];

describe('a log record', () => {
  it('includes the traceback after an error line', () => {
    const records = recordsOf(['ERROR:root:boom', ...TRACEBACK, 'INFO: next', ''].join('\n'));
    expect(records.map(({ severity, message }) => [severity, message])).toEqual([
      [17, ['ERROR:root:boom', ...TRACEBACK].join('\n')],
      [9, 'INFO: next'],
    ]);
  });

  it('has level error for a traceback, and does not include the info line before it', () => {
    const records = recordsOf(['INFO: fine', ...TRACEBACK, 'print', ''].join('\n'));
    expect(records.map(({ severity, message }) => [severity, message.split('\n').length])).toEqual([
      [9, 1],
      [17, 4],
      [0, 1],
    ]);
  });

  it('includes the traceback after a line that announces it', () => {
    const [record] = recordsOf(['Exception in thread Thread-1 (f):', ...TRACEBACK, ''].join('\n'));
    expect(record).toMatchObject({ severity: 17, message: expect.stringMatching(/^Exception.*positive$/s) });
  });

  it('includes a chain of tracebacks', () => {
    const chain = [
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
    const records = recordsOf([...chain, 'after', ''].join('\n'));
    expect(records.map(({ message }) => message)).toEqual([chain.join('\n'), 'after']);
  });

  it('includes only one of two tracebacks that are not linked', () =>
    expect(messages(...TRACEBACK, ...TRACEBACK, '', ...TRACEBACK)).toEqual([4, 4, 4]));

  it('ends at a logger’s line within a traceback', () =>
    expect(messages(...TRACEBACK.slice(0, 3), 'INFO: other thread', 'text')).toEqual([3, 1, 1]));

  it('has level error for a stack of Node or Java unless its first line has another level', () => {
    for (const [first, frame, severity] of [
      ['TypeError: x', '    at f (/app/a.js:1:1)', 17],
      ['Exception in thread "main" java.io.IOException: x', '\tat a.B.c(B.java:1)', 17],
      ['java.io.IOException: x', '\tat jdk.internal.Reflect.invoke0(Native Method)', 17],
      ['WARN: retrying', '    at f (/app/a.js:1:1)', 13],
      ['Lunch', '    at noon', 0],
    ] as const)
      expect(recordsOf(`${first}\n${frame}\n`)).toMatchObject([{ severity, message: `${first}\n${frame}` }]);
  });

  it('includes a stack of Node or Java', () => {
    expect(
      messages('Error: no', '    at f (a.js:1:1)', '    at g (a.js:2:1) {', "  code: 'E'", '}', 'next'),
    ).toEqual([5, 1]);
    expect(
      messages(
        'java.lang.IllegalStateException: x',
        '\tat a.B.c(B.java:1)',
        'Caused by: java.io.IOException: y',
        '\tat a.B.d(B.java:2)',
        '\t... 3 more',
      ),
    ).toEqual([5]);
  });

  it('includes indented lines of any kind', () =>
    expect(messages('{', '  "a": 1', '}', 'x', '\ty')).toEqual([3, 2]));

  it('does not consist of blank lines alone', () =>
    expect(messages('', 'a', '', '', 'b', '  ', '')).toEqual([1, 1]));

  it('includes no other line if it begins with a JSON line', () => {
    const records = recordsOf('{"message":"a"}\n  indented\n{"message":"b"}\nERROR x\n{"message":"c"}\n');
    expect(records.map(({ message }) => message)).toEqual(['a', '  indented', 'b', 'ERROR x', 'c']);
  });

  it('includes a private key, which is redacted', () => {
    const key = [
      '-----BEGIN RSA PRIVATE KEY-----',
      'MIIEpAIBAAKCAQEA7bq',
      'abcd==',
      '-----END RSA PRIVATE KEY-----',
    ];
    expect(recordsOf(['key:', ...key, 'next', ''].join('\n')).map(({ message }) => message)).toEqual([
      'key:',
      '[redacted]',
      'next',
    ]);
  });

  it('does not continue after the first line of a key without its content', () => {
    const records = recordsOf('agent=-----BEGIN PRIVATE KEY-----\nINFO: login of root\n');
    expect(records.map(({ message }) => message)).toEqual(['agent=[redacted]', 'INFO: login of root']);
  });

  it('waits 25 ms for further lines', () => {
    const lines = reader();
    expect(lines.push(Buffer.from('ERROR a\n  b\n'), NOW)).toEqual([]);
    expect(lines.tick(NOW + 24_000_000n)).toEqual([]);
    lines.push(Buffer.from('  c\n'), NOW + 24_000_000n);
    expect(lines.tick(NOW + 48_000_000n)).toEqual([]);
    expect(lines.tick(NOW + 49_000_000n)).toMatchObject([{ message: 'ERROR a\n  b\n  c', timeNs: NOW }]);
    expect(lines.tick(NOW + 999_000_000n)).toEqual([]);
  });

  it('includes at most 500 lines or 256 KiB, and further lines become new records', () => {
    const records = recordsOf(`a\n${' b\n'.repeat(1200)}`);
    expect(records.map(({ message, attributes }) => [message.split('\n').length, attributes])).toEqual([
      [500, '{"is_cut":true,"bytes":1498}'],
      [500, '{"is_cut":true,"bytes":1499}'],
      [201, ''],
    ]);
    for (const { message } of recordsOf(`a\n${` ${'b'.repeat(60_000)}\n`.repeat(20)}`))
      expect(message.length).toBeLessThanOrEqual(256 * 1024);
  });
});
