// Kinds of settings: valid and invalid inputs, error texts, and the JSON schema for editors.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { formatAddress, parseAddress } from '../../src/core/address.ts';
import { jsonSchema, keysAt, read, settingsIn } from '../../src/core/read-settings.ts';
import * as kinds from '../../src/core/settings.ts';
import { schema as allSettings } from '../../src/config/schema.ts';

const { address, amount, bounds, bytes, choice, duration, flag, fraction, int, listOf } = kinds;
const { optionalAmount, optionalTime, required, secret, secrets, section, text, wordList } = kinds;

const port = required(
  'a port such as 80',
  'A port.',
  (input) =>
    /^\d+$/.test(input) ? { value: Number(input) } : { problem: `is ${input}, must have digits only` },
  String,
);
const schema = section({
  int: int({ default: 3, min: 1, max: 10, doc: 'A number.' }),
  fraction: fraction({ default: 0.5, doc: '' }),
  duration: duration({ default: 1000, min: 100, max: 60_000, doc: 'A time.' }),
  bytes: bytes({ default: 1024, min: 512, doc: '' }),
  limited: bytes({ default: 1024, min: 512, max: 4096, doc: '' }),
  choice: choice(['', 'a', 'b'], { default: 'a', doc: '' }),
  flag: flag({ default: false, doc: '' }),
  text: text({ default: 'x', pattern: /^[a-z0-9]{1,3}$/, like: 'up to 3 letters', doc: '' }),
  hidden: text({ default: '', pattern: /^$/, show: (value) => value.replace(/:.*@/, ':***@'), doc: '' }),
  secret: secret({ minLength: 4, doc: '' }),
  secrets: secrets({ minLength: 4, max: 2, doc: '' }),
  address: address({ default: { host: '::1', port: 80 }, doc: 'An address.' }),
  bounds: bounds({ default: [1, 2], doc: '' }),
  words: wordList({ default: ['a'], pattern: /^[a-z0-9]{1,3}$/, like: 'short words', doc: '' }),
  lines: wordList({ default: [], pattern: /^[a,]+$/, like: 'lines', separator: '\n', doc: '' }),
  ports: listOf(section({ port })),
  amounts: listOf(section({ amount: amount({ max: 100, doc: '' }) })),
  maybe: optionalAmount({ max: 100, doc: '' }),
  from: optionalTime({ doc: '' }),
  pairs: listOf(section({ id: text({ default: '', doc: '' }) }), 1),
});
const A_TIME = 'a time such as 2026-12-01 or 2026-12-01T08:00:00Z (without a zone: UTC)';
const GIVEN = { pairs: [{}] };

/** The value of a setting for an input, or its error text. */
const valueOf = (name: keyof kinds.Settings<typeof schema>, input: unknown): unknown => {
  const result = read(schema, { ...GIVEN, [name]: input });
  return result.ok ? result.settings[name] : result.problems.map(({ message }) => message).join();
};

describe('a setting', () => {
  it.each([
    ['int', '7', 7],
    ['int', ' 7 ', 7],
    ['int', 10, 10],
    ['fraction', '.25', 0.25],
    ['fraction', 1, 1],
    ['duration', '1.5s', 1500],
    ['bytes', '64 KiB', 65_536],
    ['bytes', 600, 600],
    ['choice', '', ''],
    ['flag', 'true', true],
    ['flag', false, false],
    ['text', 7, '7'],
    ['secret', '', ''],
    ['secret', 'abcd', 'abcd'],
    ['secrets', '', []],
    ['secrets', 'first, second', ['first', 'second']],
    ['secrets', ['first', 'second'], ['first', 'second']],
    ['address', '127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['address', '[::]:80', { host: '::', port: 80 }],
    ['address', 'unix:/run/weir.sock', { host: 'localhost', port: 0, path: '/run/weir.sock' }],
    ['address', 'unix:///run/weir.sock', { host: 'localhost', port: 0, path: '/run/weir.sock' }],
    ['bounds', '0.5,1', [0.5, 1]],
    ['bounds', [1, '2'], [1, 2]],
    ['bounds', '1e-3, +5, 1e3', [0.001, 5, 1000]],
    ['words', undefined, ['a']],
    ['words', [], []],
    ['words', '', []],
    ['words', [0, 'b', 12], ['0', 'b', '12']],
    ['words', '0, b,12', ['0', 'b', '12']],
    ['lines', 'a,a\na', ['a,a', 'a']],
    ['ports', [{ port: '80' }], [{ port: 80 }]],
    ['amounts', [{ amount: 0 }, { amount: 0.15 }], [{ amount: 0 }, { amount: 0.15 }]],
    ['maybe', 100, 100],
    ['maybe', undefined, undefined],
    ['from', '2026-12-01', Date.UTC(2026, 11, 1)],
    ['from', '2026-12-01 01:00+01:00', Date.UTC(2026, 11, 1)],
    ['from', undefined, undefined],
  ] as const)('%s reads %j', (name, input, value) => expect(valueOf(name, input)).toEqual(value));

  it.each([
    ['int', 11, 'is 11, must be a whole number from 1 to 10'],
    ['int', 1.5, 'is 1.5, must be a whole number from 1 to 10'],
    ['int', '1e1', 'is "1e1", must be a whole number from 1 to 10'],
    ['int', null, 'is null, must be a whole number from 1 to 10'],
    ['fraction', '1.5', 'is "1.5", must be a number from 0 to 1'],
    ['fraction', NaN, 'is null, must be a number from 0 to 1'],
    ['duration', 5, 'is 5, must be a time from 100ms to 1m with its unit, such as 500ms, 30s, 20m or 2h'],
    [
      'duration',
      '2m',
      'is "2m", must be a time from 100ms to 1m with its unit, such as 500ms, 30s, 20m or 2h',
    ],
    ['bytes', '1B', 'is "1B", must be a size of at least 512B, such as 64KiB, 100MiB or a number of bytes'],
    [
      'limited',
      '1MiB',
      'is "1MiB", must be a size from 512B to 4KiB, such as 64KiB, 100MiB or a number of bytes',
    ],
    ['choice', 'c', 'is "c", must be one of "", a, b'],
    ['flag', 'yes', 'is "yes", must be true or false'],
    ['text', 'long text', 'is "long text", must be up to 3 letters'],
    ['text', ['a'], 'is ["a"], must be up to 3 letters'],
    ['text', 'x'.repeat(99), `is "${'x'.repeat(56)}…, must be up to 3 letters`],
    ['hidden', 'user:password@', 'is "user:***@", must be text like /^$/'],
    ['secret', 'abc', 'must be text of at least 4 characters'],
    ['secret', 12_345, 'must be text of at least 4 characters'],
    ['secrets', ['first', 'abc'], 'must be up to 2 texts of at least 4 characters each'],
    ['secrets', 'abc', 'must be up to 2 texts of at least 4 characters each'],
    ['secrets', [12_345], 'must be up to 2 texts of at least 4 characters each'],
    ['secrets', {}, 'must be up to 2 texts of at least 4 characters each'],
    ['secrets', 'first,second,third', 'must be up to 2 texts of at least 4 characters each'],
    [
      'address',
      '80',
      'is "80", must be host:port, such as 127.0.0.1:8080 or [::1]:8080, or unix:/run/weir.sock',
    ],
    [
      'address',
      'unix:weir.sock',
      'is "unix:weir.sock": the path must begin with / and name a file, such as unix:/run/weir.sock',
    ],
    [
      'address',
      'unix:/run/',
      'is "unix:/run/": the path must begin with / and name a file, such as unix:/run/weir.sock',
    ],
    [
      'address',
      `unix:/${'x'.repeat(107)}`,
      `is "unix:/${'x'.repeat(50)}…: the path has 108 bytes, and a Unix socket allows 107`,
    ],
    ['bounds', [2, 1], 'is [2,1], must be 1 to 64 numbers above 0, each larger than the one before'],
    ['bounds', '', 'is "", must be 1 to 64 numbers above 0, each larger than the one before'],
    ['bounds', '1,2,', 'is "1,2,", must be 1 to 64 numbers above 0, each larger than the one before'],
    ['words', ['long text'], 'is ["long text"], must be a list of short words'],
    ['words', [1.5, ''], 'is [1.5,""], must be a list of short words'],
    ['words', [[1]], 'is [[1]], must be a list of short words'],
    ['words', { a: 1 }, 'is {"a":1}, must be a list of short words'],
    ['words', 7, 'is 7, must be a list of short words'],
    ['ports', [{ port: '8a' }], 'is 8a, must have digits only'],
    ['ports', [{ port: 80 }], 'is 80, must be a port such as 80'],
    ['ports', [{}], 'is missing, must be a port such as 80'],
    ['ports', 7, 'must be a list'],
    ['ports', [7], 'must be a section (key: value lines)'],
    ['amounts', [{}], 'is missing, must be a number from 0 to 100, such as 0.15'],
    ['amounts', [{ amount: '0.15' }], 'is "0.15", must be a number from 0 to 100, such as 0.15'],
    ['amounts', [{ amount: -0.1 }], 'is -0.1, must be a number from 0 to 100, such as 0.15'],
    ['amounts', [{ amount: Infinity }], 'is null, must be a number from 0 to 100, such as 0.15'],
    ['maybe', 100.5, 'is 100.5, must be a number from 0 to 100, such as 0.15'],
    ['maybe', null, 'is null, must be a number from 0 to 100, such as 0.15'],
    ['from', 2026, `is 2026, must be ${A_TIME}`],
    ['from', '20261201', `is "20261201", must be ${A_TIME}`],
    ['from', '2026-02-30', `is "2026-02-30", must be ${A_TIME}`],
    ['pairs', [], 'is empty, must have at least one entry'],
  ] as const)('%s rejects %j: %s', (name, input, problem) => expect(valueOf(name, input)).toBe(problem));

  it('rejects a list of more than 64 words', () =>
    expect(valueOf('words', Array(65).fill('a'))).toMatch(/must be a list of short words$/));

  it('is frozen', () => {
    const result = read(schema, GIVEN);
    expect(result.ok && Object.isFrozen(result.settings.words)).toBe(true);
  });
});

it('all problems are reported at once, with their paths', () => {
  const result = read(schema, { int: 0, ports: [{ port: '1' }, { port: 'x', prot: 1 }], wrods: [] });
  expect(result.ok ? [] : result.problems).toEqual([
    { path: ['int'], message: 'is 0, must be a whole number from 1 to 10' },
    { path: ['ports', 1, 'port'], message: 'is x, must have digits only' },
    { path: ['ports', 1], message: 'has unknown settings', unknown: ['prot'] },
    { path: ['pairs'], message: 'is empty, must have at least one entry' },
    { path: [], message: 'has unknown settings', unknown: ['wrods'] },
  ]);
  expect(keysAt(schema, ['ports', 1])).toEqual(['port']);
  expect(keysAt(schema, ['int', 'x'])).toEqual([]);
});

it('an address is read from its own text form', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat({ max: 65_535 }), (host, number) => {
      const to = { host, port: number };
      expect(parseAddress(formatAddress(to))).toEqual(to);
    }),
  );
});

describe('the JSON schema', () => {
  const made = jsonSchema(schema) as { properties: Record<string, Record<string, unknown>> };

  it('has the type, limits, default and description of a setting as a file has them', () => {
    const { int: whole, duration: time, address: listen, choice: word, ports, words } = made.properties;
    expect(whole).toEqual({ type: 'integer', minimum: 1, maximum: 10, default: 3, description: 'A number.' });
    expect(time).toMatchObject({ type: 'string', default: '1s', description: 'A time.' });
    expect(listen).toMatchObject({ type: 'string', default: '[::1]:80' });
    expect(word).toMatchObject({ enum: ['', 'a', 'b'], default: 'a' });
    expect(words).toMatchObject({ type: ['array', 'string'], default: ['a'] });
    expect(ports).toMatchObject({
      type: 'array',
      items: { required: ['port'], additionalProperties: false },
    });
  });

  it('accepts the default of every setting of weir', () => {
    const properties = z.fromJSONSchema(jsonSchema(allSettings));
    const found = settingsIn(allSettings).filter(
      ({ path, info }) => !path.includes('[]') && info.defaultText !== undefined,
    );
    expect(found.length).toBeGreaterThan(100);
    for (const { path, info } of found) {
      const [part, ...names] = path;
      const inner = names.reduceRight<unknown>(
        (value, name) => ({ [name]: value }),
        ['integer', 'integer \\| auto', '0 to 1'].includes(info.kind)
          ? Number(info.defaultText)
          : info.kind === 'boolean'
            ? info.defaultText === 'true'
            : info.defaultText,
      );
      expect(properties.safeParse({ [part!]: inner }), path.join('.')).toMatchObject({ success: true });
    }
  });

  it.each([
    ['a duration without a unit', { pool: { probe_interval: 5 } }],
    ['an unknown setting', { pool: { probe_intervall: '5s' } }],
    ['a replica without a URL', { deployments: [{ replicas: [{ id: 'a' }] }] }],
    ['a word that is not one of the choices', { log: { level: 'loud' } }],
  ])('rejects %s', (_, config) =>
    expect(z.fromJSONSchema(jsonSchema(allSettings)).safeParse(config).success).toBe(false),
  );
});
