import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import { searchableText } from '../../../../src/telemetry/logs/query/searchable-text.ts';
import { wordsOf } from '../../../../src/telemetry/logs/query/words.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { node, record, recordOf, text } from './arbitrary.ts';
import { cpuMs } from '../../../kit/cpu-time.ts';

function nodeOf(text: string): QueryNode {
  const parsed = parseQuery(text);
  if ('problem' in parsed) throw new Error(`${text}: ${parsed.problem}`);
  return parsed.node;
}
const matches = (text: string, given: Partial<LogRecord>) => compile(nodeOf(text))(recordOf(given));
const line = (message: string, attributes?: object) => ({
  message,
  attributes: attributes === undefined ? '' : JSON.stringify(attributes),
});

describe('a search for words', () => {
  it.each([
    ['timeout', 'Timeout!', true],
    ['timeout', 'timeouts', false],
    ['timeout', 'a_timeout_b', true],
    ['timeout', 'xtimeout timeout', true],
    ['time*', 'the timeouts', true],
    ['time*', 'overtime', false],
    ['"out of memory"', 'CUDA OUT-OF  memory.', true],
    ['"out of memory"', 'out of the memory', false],
    ['"out of memory"', 'out out of memory', true],
    ['"out of memory"', 'outof memory', false],
    ['"a a b"', 'a a a b', true],
    ['"out of mem"*', 'out of memory', true],
    ['"out of mem"', 'out of memory', false],
    ['"ou of"*', 'out of', false],
    ['größe', 'GROSSE Grösse', true],
    ['grosse', 'Größe', true],
    ['ışık', 'IŞIK', true],
    ['istanbul', 'İSTANBUL', true],
    ['İSTANBUL', 'istanbul', true],
    ['不足', 'GPU显存不足', true],
    ['足不', 'GPU显存不足', false],
    ['الخادم', 'فشل الاتصال، بِالخَادِم الخَادِم', true],
    ['احمد', 'أحمد', true],
    ['🔥', 'x🔥y', true],
    ['→', 'a → b', true],
    ['→', 'a -> b', false],
    ['naïve', 'naive', true],
  ])('searches %s in %s and returns %s', (query, message, expected) =>
    expect(matches(query, { message })).toBe(expected),
  );

  it('looks at the message and the traceback', () => {
    const record = line('failed', { exc_info: 'Traceback\nValueError: bad', path: '/v1', user: 'ann' });
    expect(matches('ValueError', record)).toBe(true);
    expect(matches('"failed traceback"', record)).toBe(true);
    expect(matches('v1', record)).toBe(false);
    expect(matches('ann', record)).toBe(false);
  });

  it('looks at path, cause and detail of a request', () => {
    const record: Partial<LogRecord> = {
      kind: 'request',
      ...line('POST /v1/predict 502', {
        path: '/v1/predict',
        cause: 'reset_midway',
        detail: 'socket hang up',
      }),
    };
    for (const query of ['"hang up"', '"reset midway"', 'predict']) expect(matches(query, record)).toBe(true);
    expect(matches('/hang/', record)).toBe(false);
    expect(matches('includes:hang', record)).toBe(false);
  });

  it('returns the same as a comparison of lists of words', () => {
    fc.assert(
      fc.property(text, text, fc.boolean(), fc.nat(), (message, other, isPrefix, cut) => {
        // Half of the searched texts are taken from the message, since random texts rarely match.
        const searched = cut % 2 === 0 ? message.slice(cut % 7, (cut % 7) + (cut % 11)) : other;
        const [all, wanted] = [wordsOf(message), wordsOf(searched)];
        const last = wanted.length - 1;
        const expected =
          wanted.length === 0 ||
          all.some((_, from) =>
            wanted.every((word, i) =>
              isPrefix && i === last ? all[from + i]?.startsWith(word) : all[from + i] === word,
            ),
          );
        expect(compile({ op: 'words', words: [searched], isPrefix })(recordOf({ message }))).toBe(expected);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a condition on a field', () => {
  const request: Partial<LogRecord> = {
    kind: 'request',
    status: 503,
    durationNs: 2_500_000_000,
    severity: 17,
    requestId: 'Ab1',
    traceId: 'abcd',
    environment: 'production',
    attributes: JSON.stringify({
      method: 'POST',
      path: '/v1/predict',
      input_tokens: 12,
      status: 'odd',
      user: { id: 42, name: 'Ann', tags: ['a', 7] },
      'http.route': '/x',
      resource: { 'service.name': 'llm' },
      flag: true,
      code: '007',
      nothing: null,
    }),
  };
  it.each([
    ['status:5xx', true],
    ['status:4xx', false],
    ['status>=500 duration>2s', true],
    ['duration<2500ms', false],
    ['duration<=2500ms', true],
    ['level:error', true],
    ['level>error', false],
    ['level<=error', true],
    ['requestId:Ab1', true],
    ['requestId:ab1', false],
    ['requestId:*b1', true],
    ['trace:ABCD', true],
    ['env:(staging OR production)', true],
    ['env!=production', false],
    ['kind:request', true],
    ['method:post', true],
    ['path:/v1/*', true],
    ['path:/v2/*', false],
    ['path:/v1/*c*t', true],
    ['path:/v1/*t*t', false],
    ['tokens:*', false],
    ['input_tokens>=12', true],
    ['@status:odd', true],
    ['user.id:42', true],
    ['user.id:42.0', true],
    ['user.id:"42"', true],
    ['user.id>41', true],
    ['user.id>42', false],
    ['user.name:Ann', true],
    ['user.name:ann', false],
    ['user.tags:a', true],
    ['user.tags:7', true],
    ['user.tags:b', false],
    ['http.route:/x', true],
    ['resource.service.name:llm', true],
    ['flag:true', true],
    ['code:007', true],
    ['code:7', false],
    ['code>=7', true],
    ['nothing:*', false],
    ['user:*', true],
    ['user:x', false],
    ['toString:*', false],
    ['__proto__:*', false],
    ['user.tags.length:2', false],
  ])('%s returns %s', (query, expected) => expect(matches(query, request)).toBe(expected));

  it('never matches a record without the field, and its negation does', () => {
    for (const query of [
      'status<500',
      'level<=error',
      'duration<1s',
      'x<5',
      'status:*',
      'level:*',
      'requestId:*',
    ])
      expect(matches(query, { message: 'line' }), query).toBe(false);
    for (const query of ['-status:5xx', 'level!=error', '-x:5']) expect(matches(query, {}), query).toBe(true);
  });

  it('never matches an attribute if the attributes are not a JSON object', () => {
    for (const attributes of ['no JSON', '[1]', 'null', '5'])
      expect(matches('0:1 OR x:*', { attributes })).toBe(false);
  });
});

describe('a search in the message', () => {
  it('matches substrings and expressions with regard to case', () => {
    expect(matches('includes:"Out Of"', line('Out Of memory'))).toBe(true);
    expect(matches('includes:"out of"', line('Out Of memory'))).toBe(false);
    expect(matches('/Out.*mem/', line('Out Of memory'))).toBe(true);
    expect(matches('/out.*mem/', line('Out Of memory'))).toBe(false);
    expect(matches('/out.*mem/i', line('Out Of memory'))).toBe(true);
    expect(matches('/Value/', line('failed', { exc_info: 'ValueError' }))).toBe(false);
  });

  it('is fast for expressions that are slow with backtracking', () => {
    const start = cpuMs();
    for (const query of ['/(a+)+$/', '/(a|aa)+$/', '/(a*)*b/', '/(.*a){12}x/'])
      expect(matches(query, { message: `${'a'.repeat(100_000)}!` })).toBe(false);
    expect(cpuMs() - start).toBeLessThan(5000);
  });
});

describe('a compiled query', () => {
  it('returns the same for a record, whatever records it has seen before', () => {
    fc.assert(
      fc.property(node, fc.array(record, { minLength: 2, maxLength: 6 }), (node, records) => {
        const matches = compile(node);
        expect(records.map(matches)).toEqual(records.map((record) => compile(node)(record)));
      }),
      { numRuns: 1000 },
    );
  });

  it('returns the opposite if it is negated', () => {
    fc.assert(
      fc.property(node, record, (node, record) => {
        expect(compile({ op: 'not', of: node })(record)).toBe(!compile(node)(record));
      }),
    );
  });

  it('throws for an invalid regular expression', () => {
    expect(() => compile({ op: 'regex', pattern: '(' })).toThrow(
      /^invalid regular expression: .* \(in \/\(\/\)$/,
    );
  });

  it('finds a traceback whose name is written with escapes', () => {
    expect(searchableText(recordOf({ message: 'a', attributes: '{"exc\\u005finfo":"b"}' }))).toBe('a\nb');
  });
});
