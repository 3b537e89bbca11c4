// Splits bodies into events, from pieces of any size (HTML standard, 9.2.6).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStreamSplitter, eventSplitter } from '../../../src/protocol/http/event-stream.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 500) };

/** Splits a body in these pieces. Returns events as `type|data`, and the number of skipped events. */
function split(
  pieces: readonly (string | Uint8Array)[],
  { isWhole = true, type = 'text/event-stream', maxEventBytes = 1000 } = {},
) {
  const events: string[] = [];
  const splitter = eventSplitter(type, (data, name) => events.push(`${name}|${data}`), maxEventBytes)!;
  for (const piece of pieces) splitter.push(new Uint8Array(Buffer.from(piece as string)));
  splitter.end(isWhole);
  return { events, skipped: splitter.skipped };
}

describe('the splitter of text/event-stream', () => {
  it.each(['\n', '\r\n', '\r'])('gives the same events with line ends %j', (end) => {
    const lines = [
      ': note',
      'id: 1',
      'data: {"a":1}',
      '',
      'data:two',
      'data: lines',
      '',
      'event: error',
      'data',
      '',
    ];
    const text = lines.map((line) => line + end).join('');
    expect(split([text]).events).toEqual(['|{"a":1}', '|two\nlines', 'error|']);
  });

  it('gives the same events at every split of its bytes', () => {
    const text = Buffer.from(
      '\ufeffdata: é😀\r\n\r\nevent: x\rdata: a\rdata: b\r\rdata:c\n\n: note\n\r\ndata: last',
    );
    const whole = split([text]).events;
    expect(whole).toEqual(['|é😀', 'x|a\nb', '|c', '|last']);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 8 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((to, i) => text.subarray(at[i], to));
        expect(split(pieces).events).toEqual(whole);
      }),
      runs,
    );
    expect(split([...text].map((byte) => new Uint8Array([byte]))).events).toEqual(whole);
  });

  it('has the id of the last event, also of one without data', () => {
    const seen: string[] = [];
    const source = new EventStreamSplitter((data) => seen.push(`${source.lastId} ${data}`), 1000);
    const push = (text: string) => source.push(Buffer.from(text));
    push('data: a\n\n');
    expect(source.lastId).toBe('');
    push('id: 7\ndata: b\n\ndata: c\n\nid: 8\n: \n');
    expect(source.lastId).toBe('7');
    push('\n');
    expect(source.lastId).toBe('8');
    push('id:\ndata: d\n\n');
    expect(seen).toEqual([' a', '7 b', '7 c', ' d']);
  });

  it('returns a last event without a blank line only if the body is whole', () => {
    for (const text of ['data: a\n\ndata: b', 'data: a\n\ndata: b\n', 'data: a\n\ndata: b\r']) {
      expect(split([text]).events).toEqual(['|a', '|b']);
      expect(split([text], { isWhole: false }).events).toEqual(['|a']);
    }
  });

  it('skips and counts an event that is too long', () => {
    const long = 'x'.repeat(1200);
    expect(split([`data: ${long}\n\ndata: a\n\n`])).toEqual({ events: ['|a'], skipped: 1 });
    expect(split(['data: ', long.slice(0, 600), long.slice(600), '\n\ndata: a\n\n'])).toEqual({
      events: ['|a'],
      skipped: 1,
    });
    const lines = `data: ${'y'.repeat(300)}\n`.repeat(4);
    expect(split([`${lines}\ndata: a\n\n`])).toEqual({ events: ['|a'], skipped: 1 });
  });

  it('reads the error field of llama.cpp', () => {
    expect(split(['error: {"message":"m"}\n\n']).events).toEqual(['error|{"message":"m"}']);
  });
});

describe('the splitter of JSON lines', () => {
  it('returns one event per line', () => {
    const type = 'application/x-ndjson; charset=utf-8';
    expect(split(['{"a":1}\n\n{"b"', ':2}\r\n{"c":3}'], { type }).events).toEqual([
      '|{"a":1}',
      '|{"b":2}',
      '|{"c":3}',
    ]);
    expect(split(['{"a":1}\n{"c":3}'], { type, isWhole: false }).events).toEqual(['|{"a":1}']);
    expect(split([`"${'x'.repeat(2000)}"\n1\n`], { type })).toEqual({ events: ['|1'], skipped: 1 });
  });
});

it('returns no splitter for other types', () => {
  for (const type of ['', 'application/json', 'text/event-streams', 'text/plain'])
    expect(eventSplitter(type, () => undefined, 10)).toBeUndefined();
});
