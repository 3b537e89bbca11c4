import { describe, expect, it } from 'vitest';
import { LlmFollower } from '../../../src/protocol/llm/llm-follower.ts';
import { JSON_TYPE, type SaidFacts } from '../../kit/llm-bodies.ts';
import { readInPieces, saidBy } from '../../kit/llm-reading.ts';

const KIB = 1024;
const counts = '"usage":{"prompt_tokens":7,"total_tokens":7}';
const COUNTED: SaidFacts = { input: 7, total: 7, isFinished: true };

/** What is read of a body whose length is known, and of the same one whose length is not, in pieces of a size. */
function said(
  text: string,
  pieceSize = 16 * KIB,
): [isKnown: SaidFacts | undefined, isUnknown: SaidFacts | undefined] {
  const body = Buffer.from(text);
  const cuts = Array.from({ length: Math.floor(body.length / pieceSize) }, (_none, i) => (i + 1) * pieceSize);
  const read = (length?: number): SaidFacts | undefined =>
    saidBy(readInPieces({ type: JSON_TYPE, body, isCut: false }, cuts, new LlmFollower(), length));
  return [read(body.length), read()];
}

const both = (facts: SaidFacts | undefined): (SaidFacts | undefined)[] => [facts, facts];
/** Text that makes the body `bytes` long. */
const filled = (bytes: number, before: string, after: string, fill = 'x'): string =>
  before + fill.repeat(bytes - Buffer.byteLength(before + after)) + after;

describe('a plain response', () => {
  it('of 64 KiB is read whole', () => {
    const body = filled(64 * KIB, `{"model":"m",${counts},"object":"`, '"}');
    for (const size of [1 * KIB, 48 * KIB, 64 * KIB, 1000])
      expect(said(body, size)).toEqual(both({ ...COUNTED, model: 'm' }));
  });

  it('of one byte more is read for the usage in its last 16 KiB', () => {
    for (const bytes of [64 * KIB + 1, 64 * KIB + 2, 80 * KIB, 1024 * KIB]) {
      const isFirst = filled(bytes, `{"model":"m",${counts},"object":"`, '"}');
      const isLast = filled(bytes, '{"model":"m","object":"', `",${counts}}`);
      for (const size of [1 * KIB, 16 * KIB, 48 * KIB, 63 * KIB, 64 * KIB, 2048 * KIB]) {
        expect(said(isFirst, size)).toEqual(both(undefined));
        expect(said(isLast, size)).toEqual(both(COUNTED));
      }
    }
  });

  it('is read from the first byte of its last 16 KiB on', () => {
    const body = (more: number): string => {
      const end = filled(16 * KIB + more, `${counts},"object":"`, '"}\n');
      return filled(100 * KIB, '{"object":"', `",${end}`);
    };
    for (const size of [1000, 16 * KIB, 100 * KIB]) {
      expect(said(body(0), size)).toEqual(both(COUNTED));
      expect(said(body(1), size)).toEqual(both(undefined));
    }
  });

  it('is not read for usage in texts, in lists or deeper in objects', () => {
    const wrong = '"usage":{"prompt_tokens":99,"total_tokens":99}';
    const inside = [
      `{"a":"${'x'.repeat(70_000)}","b":{${wrong}}}`,
      `{"a":"${'x'.repeat(70_000)}","b":[{${wrong}}]}`,
      `{"a":"${'x'.repeat(70_000)}","b":"usage","c":["usage","done"]}`,
      `{"a":"${'x'.repeat(70_000)}","b":${JSON.stringify(`{${wrong}}`)}}`,
      `[${'1,'.repeat(40_000)}{${wrong}}]`,
      `{"a":"${'x'.repeat(70_000)}","model":"m","b":{"model":"n","id":"i",${wrong}}}`,
    ];
    for (const text of inside) expect(said(text)).toEqual(both(undefined));
    for (const text of inside.filter((one) => one.startsWith('{')))
      expect(said(`${text.slice(0, -1)},${counts},"c":{${wrong}}}`)).toEqual(both(COUNTED));
  });

  it('is read although the model wrote the name in its last text', () => {
    const text = JSON.stringify({
      choices: [{ message: { content: `${'x'.repeat(70_000)} {"usage":{"total_tokens":9}}` } }],
    });
    expect(said(`${text.slice(0, -1)},${counts}}`)).toEqual(both(COUNTED));
    expect(said(text)).toEqual(both(undefined));
  });

  it('of embeddings is read, as numbers and as base64', () => {
    const numbers = Array.from({ length: 3000 }, (_none, i) => Math.sin(i));
    const embedding = (values: unknown): string =>
      `{"object":"list","data":[{"object":"embedding","index":0,"embedding":${JSON.stringify(values)}}],"model":"e",${counts}}`;
    expect(said(embedding(numbers.slice(0, 1000)))).toEqual(both({ ...COUNTED, model: 'e' }));
    // More than 64 KiB: only what follows the usage.
    const long = embedding(numbers.concat(numbers));
    expect(long.length).toBeGreaterThan(64 * KIB);
    expect(said(long)).toEqual(both(COUNTED));
    const base64 = Buffer.from(new Float32Array(numbers).buffer).toString('base64');
    expect(said(embedding(base64))).toEqual(both({ ...COUNTED, model: 'e' }));
    expect(said(embedding(base64.repeat(80)))).toEqual(both(COUNTED));
  });

  it('of Ollama is read behind a long context', () => {
    const context = Array.from({ length: 30_000 }, (_none, i) => i);
    const text = JSON.stringify({
      model: 'm',
      done: true,
      context,
      total_duration: 5,
      prompt_eval_count: 7,
      eval_count: 2,
    });
    expect(said(text)).toEqual(both({ input: 7, output: 2, total: 9, isFinished: true }));
  });

  it('of SGLang is read behind a long text', () => {
    const text = JSON.stringify({
      text: 'x'.repeat(100_000),
      meta_info: { id: 'i', prompt_tokens: 7, completion_tokens: 2 },
    });
    expect(said(text)).toEqual(both({ id: 'i', input: 7, output: 2, total: 9, isFinished: true }));
  });

  it('that is cut is not read', () => {
    const body = Buffer.from(filled(100 * KIB, '{"object":"', `",${counts}}`));
    expect(readInPieces({ type: JSON_TYPE, body, isCut: true }, [50_000])).toBeUndefined();
  });
});

describe('the model of a request', () => {
  const requested = (text: string, isKnown: boolean, pieceSize = 16 * KIB): string | undefined => {
    const follower = new LlmFollower();
    const body = Buffer.from(text);
    const sink = follower.requestBegins(JSON_TYPE, undefined, isKnown ? body.length : undefined);
    for (let from = 0; from < body.length; from += pieceSize)
      sink?.push(body, from, Math.min(from + pieceSize, body.length));
    return follower.end(true)?.model;
  };
  const messages = `"messages":[{"role":"user","content":"${'x'.repeat(200_000)}"}]`;

  it.each([true, false])('is read before and after long messages; length known: %s', (isKnown) => {
    for (const size of [1000, 16 * KIB, 60_001, 500_000]) {
      expect(requested(`{"model":"m",${messages}}`, isKnown, size)).toBe('m');
      expect(requested(`{${messages},"model":"m"}`, isKnown, size)).toBe('m');
      expect(
        requested(`{"stream":true,${messages},"model":"m","tools":[{"model":"n"}]}`, isKnown, size),
      ).toBe('m');
    }
  });

  it.each([true, false])('is not read from a tool or a text; length known: %s', (isKnown) => {
    const wrong = [
      '"tool":{"model":"n"}',
      '"tools":[{"model":"n"}]',
      '"a":"model"',
      '"a":"\\"model\\":\\"n\\""',
    ];
    for (const one of wrong) {
      expect(requested(`{${messages},${one}}`, isKnown)).toBeUndefined();
      expect(requested(`{${one}}`, isKnown)).toBeUndefined();
      expect(requested(`{${messages},"model":"m",${one}}`, isKnown)).toBe('m');
    }
  });

  it('is not read if the request is not JSON or has a content coding', () => {
    const body = Buffer.from('{"model":"m"}');
    for (const [type, coding] of [['text/plain'], [undefined], [JSON_TYPE, 'gzip']]) {
      const follower = new LlmFollower();
      follower.requestBegins(type, coding, body.length)?.push(body, 0, body.length);
      expect(follower.end(true)).toBeUndefined();
    }
  });
});
