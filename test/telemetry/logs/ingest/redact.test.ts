// Secrets are redacted before a text is stored.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attributesText } from '../../../../src/telemetry/logs/ingest/attributes.ts';
import { REDACTED, Redactor, RULES } from '../../../../src/telemetry/logs/ingest/redact.ts';
import { parseJsonPath } from '../../../../src/telemetry/logs/masking/json-path.ts';
import { Masker } from '../../../../src/telemetry/logs/masking/masker.ts';
import { rulesOf } from '../../../../src/telemetry/logs/masking/mask-rules.ts';
import { rulesFor } from '../../../../src/telemetry/logs/ingest/secret-triggers.ts';
import { compileRegex, type Regex } from '../../../../src/telemetry/logs/regex.ts';
import { recordOf } from './read-lines.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 500) };
const builtIn = new Redactor({ builtIn: true, custom: [] });
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P';
const compiled = (pattern: string): Regex => {
  const regex = compileRegex(pattern);
  if (typeof regex === 'string') throw new Error(regex);
  return regex;
};

describe('Redactor', () => {
  it.each([
    ['Authorization: Bearer abc', 'Authorization: Bearer [redacted]'],
    ['authorization=Api-Key abcd.efgh, next', 'authorization=Api-Key [redacted], next'],
    [`{"Authorization": "Bearer ${JWT}"}`, '{"Authorization": "Bearer [redacted]"}'],
    ["{'authorization': 'Basic dXNlcjpwYXNz'}", "{'authorization': 'Basic [redacted]'}"],
    [String.raw`{\"authorization\":\"Token xyz\"}`, String.raw`{\"authorization\":\"Token [redacted]\"}`],
    ['sent Bearer aB3dE5gH7j to it', 'sent Bearer [redacted] to it'],
    ['sent Basic dXNlcjpwYXNz', 'sent Basic [redacted]'],
    ['key sk-proj-abcdefghij1234567890 used', 'key [redacted] used'],
    ['hf_abcdefghijklmnopqrstuvwxyz', '[redacted]'],
    ['ghp_abcdefghijklmnopqrstuvwxyz0123456789', '[redacted]'],
    ['AKIAIOSFODNN7EXAMPLE', '[redacted]'],
    [`got ${JWT}.`, 'got [redacted].'],
    ['password=hunter2 user=a', 'password=[redacted] user=a'],
    ['DB_PASSWORD: "a b c", x', 'DB_PASSWORD: "[redacted]", x'],
    ['{"api_key": "a\\"b", "n": 1}', '{"api_key": "[redacted]", "n": 1}'],
    [String.raw`"{\"apiKey\":\"a b\",\"n\":1}"`, String.raw`"{\"apiKey\":\"[redacted]\",\"n\":1}"`],
    ['x-api-key: abcdef', 'x-api-key: [redacted]'],
    ['?access_token=abc&n=1', '?access_token=[redacted]&n=1'],
    ["secret='a b'", "secret='[redacted]'"],
    ['AWS_SECRET_ACCESS_KEY=abc/def+ghi', 'AWS_SECRET_ACCESS_KEY=[redacted]'],
    ['token=abcdefgh', 'token=[redacted]'],
    ['{"token": "a1b2c3d4e5"}', '{"token": "[redacted]"}'],
    ['"token": "Hello password=hunter2"', '"token": "Hello password=[redacted]"'],
    ['private_key=-----BEGIN PRIVATE KEY-----\nMIIE\n', 'private_key=[redacted]'],
    ['password="not closed', 'password="[redacted]'],
    ['redis://user:pa@ss@host:1/0', 'redis://[redacted]@host:1/0'],
    ['-----BEGIN PRIVATE KEY-----\\nMIIE\\nabc=\\n-----END PRIVATE KEY-----\\n rest', '[redacted]\\n rest'],
    ['-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef', '[redacted]'],
  ])('redacts %s', (text, expected) => {
    expect(builtIn.redactText(text)).toBe(expected);
    expect(builtIn.redactText(expected)).toBe(expected);
  });

  it.each([
    'Avg generation throughput: 55 tokens/s, max_tokens=100, token=12, token: 0.35s',
    '{"token": " Hello", "logprob": -0.3}',
    '"completion_token": 15, "next_token": 12',
    'Basic authentication is required, Bearer authentication too',
    'Invalid token: unexpected end',
    'password=null secret: none',
    'disk-1234567890123456789 task-abcdefghijklmnopqrst',
    'http://host/path?mail=a@b.c and https://host:8080/@scope',
    'eyJ.abc',
    '-----BEGIN CERTIFICATE-----',
  ])('leaves unchanged: %s', (text) => expect(builtIn.redactText(text)).toBe(text));

  it('redacts message, traceback and attributes of a JSON line, by value and by name', () => {
    const record = recordOf(
      JSON.stringify({
        message: 'login password=hunter2',
        exc_info: `ValueError: ${JWT}`,
        headers: { Authorization: 'Custom hunter2', 'x-api-key': 'hunter2', accept: '*/*' },
        list: ['sk-hunter2hunter2hunter2'],
        password: 12_345,
        secret: { inner: 'hunter2' },
        max_token: 5,
        api_key: null,
      }),
    );
    expect(
      JSON.stringify(record, (_key, value: unknown) => (typeof value === 'bigint' ? '' : value)),
    ).not.toMatch(/hunter2|dozjg|12345/);
    expect(record.parsed).toEqual({
      exc_info: `ValueError: ${REDACTED}`,
      headers: { Authorization: REDACTED, 'x-api-key': REDACTED, accept: '*/*' },
      list: [REDACTED],
      password: REDACTED,
      secret: REDACTED,
      max_token: 5,
      api_key: null,
    });
  });

  it('redacts the whole text if custom expressions would make it much longer', () => {
    const all = new Redactor({ builtIn: false, custom: [compiled('[aeiou]')] });
    expect(all.redactText('a book')).toBe('[redacted] b[redacted]k');
    expect(all.redactText('a book '.repeat(100))).toBe(REDACTED);
    expect(new Redactor({ builtIn: false, custom: [compiled('.*')] }).redactText('a book')).toBe(REDACTED);
  });

  it('redacts matches of custom expressions, with or without the built-in rules', () => {
    const patterns = [compiled(String.raw`user-\d+`), compiled('(?i)card [0-9]{4}')];
    const text = 'user-12 paid with CARD 1234, password=x';
    expect(new Redactor({ builtIn: true, custom: patterns }).redactText(text)).toBe(
      '[redacted] paid with [redacted], password=[redacted]',
    );
    expect(new Redactor({ builtIn: false, custom: patterns }).redactText(text)).toBe(
      '[redacted] paid with [redacted], password=x',
    );
    expect(new Redactor({ builtIn: false, custom: [] }).redactText(text)).toBe(text);
  });

  it('redacts secrets with any text around them', () => {
    const piece = fc.constantFrom(
      '[redacted]',
      '-----BEGIN PRIVATE KEY-----',
      '-----END PRIVATE KEY-----',
      ' ',
      '\n',
      ...`password = : " ' \\ token Bearer abc123XYZ sk- :// @ . eyJ authorization`.split(' '),
    );
    const around = fc.array(piece, { maxLength: 15 }).map((pieces) => pieces.join(''));
    const secret = fc.constantFrom(
      'password=0pensesame',
      'Bearer aB0pensesame',
      'sk-0pensesame0pensesame',
      JWT,
    );
    fc.assert(
      fc.property(around, secret, around, (before, planted, after) => {
        expect(builtIn.redactText(`${before} ${planted} ${after}`)).not.toMatch(
          /0pensesame|eyJhbGci|dozjgNry/,
        );
      }),
      runs,
    );
  });

  it('takes time linear in the text for any text', () => {
    const heads = [
      '',
      'password="',
      String.raw`token=\"`,
      '-----BEGIN PRIVATE KEY-----',
      'https://',
      'eyJaaaaaaaa',
    ];
    const bodies = [
      'eyJ-',
      'a.eyJ',
      '://',
      'password=',
      'password="',
      '"secret":"',
      'token ',
      'bearer ',
      'sk-',
    ];
    const more = [
      'authorization: ',
      '-----BEGIN PRIVATE KEY-----',
      '\\',
      '"',
      'api-key ',
      'token:  \\\\',
      '@://',
    ];
    for (const head of heads)
      for (const body of [...bodies, ...more]) {
        // With quadratic time this would take minutes, and the test would reach its time limit.
        const text = head + body.repeat(Math.ceil(1_000_000 / body.length));
        expect(builtIn.redactText(text).length, `${head} ${body}`).toBeLessThan(8 * text.length);
      }
  });
});

const FRAGMENTS = [
  'password=',
  'Passphrase: ',
  'PWD=',
  '"client_secret": "',
  'api_key=',
  'X-Api-Key: ',
  'ApiKey ',
  'access_key=',
  'privateKey=',
  'credentials: ',
  'token=',
  'access_token": "',
  'max_tokens": ',
  'Token ',
  'Authorization: ',
  'Bearer ',
  'basic ',
  'sk-proj-abcdefghij1234567890',
  'hf_abcdefghijklmnopqrst',
  'ghp_abcdefghijklmnopqrstuvwxyz0',
  'GITHUB_PAT_abcdefghijklmnopqrstuv',
  'xoxb-1234567890-abc',
  'glpat-abcdefghijkl',
  'AIzaabcdefghijklmnopqrstuvwxyz0123456789',
  'AKIAABCDEFGHIJKLMNOP',
  'ASIAABCDEFGHIJKLMNOP',
  JWT,
  'https://user:pass@host/',
  '-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----',
  'aB3dE5gH7jK9',
  'é中ſ\u212a',
  '\\"',
  '=',
];
const anyText = fc
  .array(fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ maxLength: 4 })), { maxLength: 8 })
  .map((parts) => parts.join(''));

describe('the search for words that rules need', () => {
  it('finds a word of every rule that changes the text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const found = rulesFor(text);
        for (const [rule, apply] of RULES) if ((found & rule) === 0) expect(apply(text)).toBe(text);
      }),
      runs,
    );
  });

  it('finds nothing in texts of models, although they count tokens', () => {
    expect(rulesFor('{"max_tokens":64,"usage":{"prompt_tokens":12,"total_tokens":76}}')).toBe(0);
  });
});

it('redacts an access key and a private key without other words of secrets', () => {
  expect(builtIn.redactText('access_key=abc123def456 used')).toBe('access_key=[redacted] used');
  expect(builtIn.redactText('{"privateKey":"abc123def456"}')).toBe('{"privateKey":"[redacted]"}');
});

describe('a body with paths to mask', () => {
  const path = parseJsonPath('$.user.name');
  if (typeof path === 'string') throw new Error(path);
  const dropping = new Redactor({ builtIn: true, custom: [], paths: [{ path, replace: () => '[dropped]' }] });

  it('loses the values at them, also behind a secret that is a number', () => {
    const body = '{"x":{"authorization":12345},"user":{"name":"Ann"}}';
    expect(dropping.redactBody(body, false)).toContain('"user":{"name":"[dropped]"}');
  });

  it('is not kept if it is almost JSON, since they may not be found', () => {
    expect(dropping.redactBody('{user:{name:"Ann"}}', false)).toBeUndefined();
  });
});

it('keeps no body in UTF-16, since no rule finds values in it', () => {
  const masking = new Redactor({ builtIn: true, custom: [], masker: new Masker(rulesOf(['email'])) });
  const body = Buffer.from('{"to":"ann@example.com"}', 'utf16le').toString();
  expect(masking.redactBody(body, false)).toBeUndefined();
});

describe('with personal data to mask', () => {
  const masking = new Redactor({ builtIn: true, custom: [], masker: new Masker(rulesOf(['card', 'email'])) });

  it('masks numbers among the attributes of a record', () => {
    const text = attributesText({ a: { card: 4111111111111111 }, took: 0.5, at: 1732764028123 }, masking);
    expect(JSON.parse(text)).toEqual({ a: { card: '[card]' }, took: 0.5, at: 1732764028123 });
  });

  it('stores no part of a value that the end of a long text cuts', () => {
    const address = `${'a'.repeat(60)}@example.com `;
    for (let before = 0; before < 24; before++) {
      const text = `${'x'.repeat(before)} ${address.repeat(66)} ${'4111 1111 1111 1111 '.repeat(40)}`;
      const stored = masking.redactStart(text, 1024).slice(0, 1024);
      expect(stored).toContain('[email]');
      expect(stored).not.toContain('4111');
    }
  });
});
