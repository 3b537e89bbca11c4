import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventSplitter } from '../../../src/protocol/http/event-stream.ts';
import { chunk, events, LINES_TYPE, llmBody, SSE_TYPE, usageChunk } from '../../kit/llm-bodies.ts';
import { readInPieces, saidBy, saidByParse } from '../../kit/llm-reading.ts';

const content = JSON.stringify(chunk({ content: 'a\u00e9"usage":{' }));
const DATA = [
  content,
  JSON.stringify(chunk({ role: 'assistant', content: '' })),
  JSON.stringify(chunk({ tool_calls: [{ index: 0, function: { arguments: '{}\n' } }] })),
  JSON.stringify(chunk({}, 'stop')),
  JSON.stringify({ ...chunk({}), choices: [{ index: 1, delta: {}, finish_reason: 'length' }] }),
  JSON.stringify(usageChunk),
  JSON.stringify({ ...usageChunk, usage: { prompt_tokens: 1 } }),
  JSON.stringify({ error: { message: 'down', type: 'x' } }),
  '[DONE]',
  '{}',
  'text',
  content.slice(0, 40),
];
const PIECES = [
  ...DATA,
  'data: ',
  'data: ',
  'data:',
  'data',
  ' ',
  ':',
  '{',
  '}',
  '"',
  '\\',
  '[',
  ',',
  'error:',
  'event: error',
  'event:error',
  'event: x',
  'event',
  'id: 1',
  'dat',
  '\n',
  '\n',
  '\n\n',
  '\n\n',
  '\r',
  '\r\n',
  '\r\n\r\n',
  '\uFEFF',
  'é',
];
const line = fc.oneof(
  fc.constantFrom(...DATA).map((data) => `data: ${data}\n`),
  fc.constantFrom('\n', '\n', '\r\n', ': comment\n', 'event: error\n'),
);
const soup = fc.array(
  fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...PIECES) }, { weight: 3, arbitrary: line }),
  {
    maxLength: 30,
  },
);
const parts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 });
const cutsOf = (length: number, of: readonly number[]): number[] =>
  of.map((part) => Math.floor(part * length)).sort((a, b) => a - b);

/** The events of a stream as protocol/http/event-stream.ts gives them, each written in the usual way. */
function rewritten(type: string, body: Buffer, isCut: boolean): Buffer {
  // A byte order mark counts only at the very beginning.
  let text = '\n';
  const splitter = eventSplitter(
    type,
    (data, name) => {
      if (type === LINES_TYPE) text += `${data}\n`;
      else text += `event: ${name}\ndata: ${data.split('\n').join('\ndata: ')}\n\n`;
    },
    2 ** 20,
  )!;
  splitter.push(body);
  splitter.end(!isCut);
  return Buffer.from(text);
}

describe('a reader of events', () => {
  it.each([SSE_TYPE, LINES_TYPE])('sees the events that the splitter of event streams gives: %s', (type) => {
    let found = 0;
    let errors = 0;
    fc.assert(
      fc.property(soup, parts, fc.boolean(), (pieces, split, isCut) => {
        const text = pieces.join('');
        const body = Buffer.from(type === LINES_TYPE ? text.replaceAll('data: ', '') : text);
        const said = saidBy(readInPieces({ type, body, isCut }, cutsOf(body.length, split)));
        const usual = rewritten(type, body, isCut);
        expect(said).toEqual(saidBy(readInPieces({ type, body: usual, isCut: false }, [])));
        if (said) found++;
        if (said?.error) errors++;
      }),
      { numRuns: 4000 },
    );
    expect(found).toBeGreaterThan(300);
    expect(errors).toBeGreaterThan(50);
  });

  it('says of a stream of chunks what a parse of it says', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(line, line, fc.constant('\n')), { maxLength: 30 }),
        parts,
        (pieces, split) => {
          // The first event gives the kind of the stream.
          const body = llmBody(
            'chunks',
            SSE_TYPE,
            events(chunk({ role: 'assistant' })) + pieces.join(''),
            undefined,
          );
          const { events: _events, ...said } = saidBy(readInPieces(body, cutsOf(body.body.length, split)))!;
          const parsed = saidByParse(body);
          // Only the beginning of an error's text is kept if it is not JSON.
          expect({ ...said, error: said.error?.type }).toEqual({ ...parsed, error: parsed.error?.type });
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('counts events with content, not events', () => {
    const count = (...data: unknown[]): number | undefined =>
      saidBy(readInPieces(llmBody('', SSE_TYPE, events(...data), undefined), []))?.events;
    expect(count(...Array.from({ length: 500 }, () => chunk({ content: 'a' })), usageChunk)).toBe(500);
    expect(count(chunk({ content: '' }), chunk({ content: null }), chunk({}), usageChunk)).toBeUndefined();
  });
});
