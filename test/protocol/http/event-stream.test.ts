// Splitting bodies into events, from pieces of any size (HTML standard, 9.2.6).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventSplitter } from '../../../src/protocol/http/event-stream.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 500) };

/** Events of a body that comes in these pieces, as `type|data`, and how many were skipped. */
function split(
  pieces: readonly (string | Uint8Array)[],
  { isWhole = true, type = 'text/event-stream', maxEventBytes = 1000 } = {},
) {
  const events: string[] = [];
  const source = eventSplitter(type, (data, name) => events.push(`${name}|${data}`), maxEventBytes)!;
  for (const piece of pieces) source.push(new Uint8Array(Buffer.from(piece as string)));
  source.end(isWhole);
  return { events, skipped: source.skipped };
}

describe('a text/event-stream', () => {
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

  it('counts a last event without a blank line if the body ended, and not if it broke off', () => {
    for (const text of ['data: a\n\ndata: b', 'data: a\n\ndata: b\n', 'data: a\n\ndata: b\r']) {
      expect(split([text]).events).toEqual(['|a', '|b']);
      expect(split([text], { isWhole: false }).events).toEqual(['|a']);
    }
  });

  it('skips an event that is too long, counts it, and goes on', () => {
    const long = 'x'.repeat(1200);
    expect(split([`data: ${long}\n\ndata: a\n\n`])).toEqual({ events: ['|a'], skipped: 1 });
    expect(split(['data: ', long.slice(0, 600), long.slice(600), '\n\ndata: a\n\n'])).toEqual({
      events: ['|a'],
      skipped: 1,
    });
    const lines = `data: ${'y'.repeat(300)}\n`.repeat(4);
    expect(split([`${lines}\ndata: a\n\n`])).toEqual({ events: ['|a'], skipped: 1 });
  });

  it('reads an error that llama.cpp sends as a field of its own', () => {
    expect(split(['error: {"message":"m"}\n\n']).events).toEqual(['error|{"message":"m"}']);
  });
});

describe('JSON lines', () => {
  it('are one event each', () => {
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

it('other types are not event streams', () => {
  for (const type of ['', 'application/json', 'text/event-streams', 'text/plain'])
    expect(eventSplitter(type, () => undefined, 10)).toBeUndefined();
});
