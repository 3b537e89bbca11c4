import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildForm } from '../../../src/protocol/llm/form-builder.ts';
import type { JsonForm } from '../../../src/protocol/llm/json-form.ts';
import { JsonSkimmer } from '../../../src/protocol/llm/json-skimmer.ts';
import { LlmFollower } from '../../../src/protocol/llm/llm-follower.ts';
import {
  json,
  listenerOf,
  noise,
  object,
  ROOT,
  written,
  type Json,
  type Report,
} from '../../kit/skim-documents.ts';

const formOf = (text: string): JsonForm | undefined => buildForm(Buffer.from(text), 0, text.length, ROOT);

/** The text in a longer buffer, and where it is. */
function placed(text: string, before: number): { bytes: Buffer; from: number; to: number } {
  const inside = Buffer.from(text);
  const bytes = Buffer.alloc(before + inside.length + 40, '"}]1');
  inside.copy(bytes, before);
  return { bytes, from: before, to: before + inside.length };
}

/** What a form tells of the text; undefined if the text has another form. `length`: of what was read. */
function toldBy(
  form: JsonForm,
  text: string,
  isLine: boolean,
): { reports: Report[]; length: number } | undefined {
  const { bytes, from, to } = placed(text, text.length % 5);
  const end = form.match(bytes, from, to, isLine);
  if (end === -1) return undefined;
  const reports: Report[] = [];
  form.tell(bytes, listenerOf(reports));
  return { reports, length: end - from };
}

function skimmed(bytes: Buffer): { reports: Report[]; isWhole: boolean } {
  const reports: Report[] = [];
  const skimmer = new JsonSkimmer(listenerOf(reports));
  skimmer.begin(ROOT);
  skimmer.push(bytes, 0, bytes.length);
  return { reports, isWhole: skimmer.isWhole };
}

/** The value with other strings and numbers, as the next ones of `others` say. */
function varied(value: Json, others: readonly (string | number)[]): Json {
  let at = 0;
  const vary = (one: Json): Json => {
    if (Array.isArray(one)) return one.map(vary);
    if (typeof one === 'object' && one !== null)
      return Object.fromEntries(Object.entries(one).map(([name, member]) => [name, vary(member)]));
    if (typeof one !== 'string' && typeof one !== 'number') return one;
    const other = others[at++ % others.length]!;
    return typeof other === typeof one ? other : one;
  };
  return vary(value);
}

const plain = ['', '', ' '];
/** Without escapes of characters that need none. */
const calm = noise.map((numbers) => numbers.map((one) => (one % 5 === 0 ? one + 1 : one)));
const other = fc.oneof(
  fc.nat(),
  fc.constantFrom<string | number>(
    '',
    'a',
    '\\',
    '"',
    '\\"',
    'a\nb',
    'x'.repeat(600),
    1.5,
    -1,
    1e21,
    2 ** 53,
  ),
  fc.string({ unit: 'grapheme' }),
);
const edit = fc.tuple(
  fc.double({ min: 0, max: 0.999, noNaN: true }),
  fc.constantFrom(...'"\\{}[],:0 t-.\n\r'.split(''), ''),
  fc.nat(2),
);

/** The text with pieces replaced. */
const edited = (text: string, edits: readonly (readonly [number, string, number])[]): string =>
  edits.reduce((before, [part, piece, dropped]) => {
    const at = Math.floor(part * before.length);
    return before.slice(0, at) + piece + before.slice(at + dropped);
  }, text);

describe('the form of a JSON text', () => {
  it('accepts a text only if a skimmer reports the same of it', () => {
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(
        object(json),
        calm,
        fc.array(other, { minLength: 1, maxLength: 6 }),
        fc.array(edit, { maxLength: 1 }),
        fc.boolean(),
        (value, writing, others, edits, isLine) => {
          const form = formOf(written(value, writing, ['']));
          if (form === undefined) return;
          const text = edited(written(varied(value, others), writing, ['']), edits);
          const told = safely(() => toldBy(form, text, isLine));
          if (told === undefined) return void refused++;
          if (told === 'wrong escape') return;
          accepted++;
          const read = Buffer.from(text).subarray(0, told.length);
          expect(skimmed(read)).toEqual({ reports: told.reports, isWhole: true });
          if (isLine) expect(/[\r\n]/.test(read.toString())).toBe(false);
        },
      ),
      { numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(200);
    expect(refused).toBeGreaterThan(150);
  });

  it('tells the same of all usual texts', () => {
    let pairs = 0;
    const others = fc.array(other, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(
        object(json),
        calm,
        fc.array(others, { minLength: 2, maxLength: 6 }),
        (value, writing, all) => {
          const form = formOf(written(value, writing, ['']));
          if (form === undefined) return;
          const usual = all.flatMap((one) => {
            const told = toldBy(form, JSON.stringify(varied(value, one)), false);
            return told !== undefined && form.isUsual ? [told.reports] : [];
          });
          pairs += Math.max(0, usual.length - 1);
          for (const reports of usual) expect(reports).toEqual(usual[0]);
        },
      ),
      { numRuns: 3000 },
    );
    expect(pairs).toBeGreaterThan(200);
  });

  it('takes a text with another string or number that is told for unusual', () => {
    const form = formOf('{"xx":"a","fil":"a","txt":"a","num":1}')!;
    const isUsual = (text: string): boolean => toldBy(form, text, true) !== undefined && form.isUsual;
    expect(isUsual('{"xx":"a","fil":"a","txt":"a","num":1}')).toBe(true);
    expect(isUsual('{"xx":"","fil":"other","txt":"a","num":1}')).toBe(true);
    expect(isUsual('{"xx":"a","fil":"","txt":"a","num":1}')).toBe(false);
    expect(isUsual('{"xx":"a","fil":"a","txt":"b","num":1}')).toBe(false);
    expect(isUsual('{"xx":"a","fil":"a","txt":"a","num":2}')).toBe(false);
  });

  it('accepts its own text', () => {
    let forms = 0;
    fc.assert(
      fc.property(object(json), calm, (value, writing) => {
        const text = written(value, writing, plain).trim();
        const form = formOf(text);
        if (form === undefined) return;
        forms++;
        expect(toldBy(form, text, false)).toEqual({
          reports: skimmed(Buffer.from(text)).reports,
          length: Buffer.byteLength(text),
        });
      }),
      { numRuns: 1000 },
    );
    expect(forms).toBeGreaterThan(100);
  });

  it.each([
    ['{"xx":"a","num":1}', '{"xx":"long text","num":23}'],
    ['{"xx":"a\\n","num":1}', '{"xx":"a\\"","num":1}'],
    ['{"xx":"a","num":12}', '{"xx":"","num":1}'],
    ['{"fil":"a","txt":"b"}', '{"fil":"","txt":"c"}'],
    ['{"xx":[1.5,{"yy":"a"}],"flg":true}', '{"xx":[-2e9,{"yy":"b"}],"flg":true}'],
    ['{ "xx" : "a" , "num" : 1 }', '{ "xx" : "b" , "num" : 2 }'],
    ['{"obj":{"num":1},"list":[{"txt":"a"}]}', '{"obj":{"num":123456789012345},"list":[{"txt":"b"}]}'],
  ])('of %s is that of %s', (one, another) => {
    const { reports } = skimmed(Buffer.from(another));
    expect(toldBy(formOf(one)!, another, true)).toEqual({ reports, length: another.length });
  });

  it.each([
    ['{"num":1}', '{"num":-1}'],
    ['{"num":1}', '{"num":1.5}'],
    ['{"num":1}', '{"num":1234567890123456}'],
    ['{"num":1}', '{"num":null}'],
    ['{"num":1}', '{"num":}'],
    ['{"xx":1}', '{"xx":}'],
    ['{"xx":1}', '{"xx":true}'],
    ['{"xx":"a"}', '{"xx":"a'],
    ['{"xx":"a"}', '{"xx":"a\\"}'],
    ['{"xx":"a"}', '{"xx":"a"'],
    ['{"xx":"a"}', '{"yy":"a"}'],
    ['{"flg":true}', '{"flg":false}'],
    ['{"xx":[1]}', '{"xx":[1,2]}'],
  ])('of %s is not that of %s', (one, another) => {
    expect(toldBy(formOf(one)!, one, true)).toBeDefined();
    expect(toldBy(formOf(one)!, another, true)).toBeUndefined();
  });

  it.each([
    '{"raw":1}',
    '{"raw":{}}',
    '{"num":-1}',
    '{"num":1',
    '[1]',
    '1',
    '{"a\\u0062":1}',
    '{"xx":nul}',
    '{\n}',
    `{"xx":[${'1,'.repeat(64)}1]}`,
    `{"xx":${'['.repeat(9)}${']'.repeat(9)}}`,
    `{"${'x'.repeat(2048)}":1}`,
  ])('is not made of %s', (text) => expect(formOf(text)).toBeUndefined());
});

/** Texts that are not JSON may have escapes that are wrong: what is reported of them cannot be parsed. */
function safely<T>(read: () => T): T | 'wrong escape' {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError) return 'wrong escape';
    throw error;
  }
}

describe('a stream of events that are like each other', () => {
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm' };
  const chat = (delta: object, finish: string | null, rest: object = {}): object => ({
    ...head,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...rest,
  });
  const text = fc.constantFrom(
    '',
    'a',
    ' river',
    '"',
    '\\',
    'a\n',
    'é',
    '😀',
    '{',
    '}',
    '\\"',
    'x'.repeat(700),
  );
  const event = fc.oneof(
    text.map((content) => chat({ content }, null)),
    text.map((content) => ({ ...chat({ content }, null), id: 'chatcmpl-22', created: 12, model: 'other' })),
    text.map((content) => chat({ content }, 'stop')),
    fc.tuple(text, fc.nat()).map(([content, completion_tokens]) =>
      chat({ content }, null, {
        usage: { prompt_tokens: 3, completion_tokens, total_tokens: completion_tokens + 3 },
      }),
    ),
    text.map((thinking) => ({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'thinking_delta', thinking },
    })),
    text.map((delta) => ({ type: 'response.output_text.delta', sequence_number: delta.length, delta })),
    text.map((message) => ({ error: { message } })),
    text.map((response) => ({ model: 'm', created_at: response.length, response, done: false })),
    text.map((finish_reason) => chat({}, finish_reason)),
  );
  const line = fc.oneof(
    { weight: 12, arbitrary: event.map((one) => `data: ${JSON.stringify(one)}\n\n`) },
    { weight: 1, arbitrary: event.map((one) => `data:${JSON.stringify(one)}\r\n\r\n`) },
    { weight: 1, arbitrary: event.map((one) => `data: ${JSON.stringify(one)} x\n\n`) },
    { weight: 1, arbitrary: event.map((one) => `event: error\ndata: ${JSON.stringify(one)}\n\n`) },
    {
      weight: 1,
      arbitrary: event.map((one) => `data: ${JSON.stringify(one).replace(',', '\ndata: ,')}\n\n`),
    },
    { weight: 1, arbitrary: event.map((one) => `data: ${JSON.stringify(one).replace('{', '{\r')}\n\n`) },
    { weight: 1, arbitrary: fc.constantFrom('data: [DONE]\n\n', ': comment\n\n', '\n') },
  );

  it('has the same facts whole and byte by byte', () => {
    const follower = new LlmFollower();
    const read = (bytes: Buffer, step: number): unknown => {
      follower.requestBegins(undefined, undefined);
      const sink = follower.responseBegins('text/event-stream', undefined, Infinity, undefined, true)!;
      for (let from = 0; from < bytes.length; from += step)
        sink.push(bytes, from, Math.min(bytes.length, from + step));
      const facts = follower.end(true);
      if (facts === undefined) return undefined;
      // Of these pieces they differ.
      facts.firstTokenMs = facts.lastTokenMs = 0;
      facts.gaps = undefined;
      return facts;
    };
    let answers = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.integer({ min: 2, max: 400 }), (lines, step) => {
        const bytes = Buffer.from(lines.join(''));
        // A single byte has no known form.
        const facts = read(bytes, 1);
        if (facts !== undefined) answers++;
        expect(read(bytes, Math.max(1, bytes.length))).toEqual(facts);
        expect(read(bytes, step)).toEqual(facts);
      }),
      { numRuns: 1500 },
    );
    expect(answers).toBeGreaterThan(500);
  });
});
