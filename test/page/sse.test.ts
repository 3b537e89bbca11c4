import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SseParser, type ServerEvent } from '../../page/api/sse.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Events of a text that arrives in these pieces. */
function read(text: string, cuts: readonly number[] = []): { events: ServerEvent[]; lastId: string } {
  const parser = new SseParser();
  const all = bytes(text);
  const places = [...new Set(cuts.map((cut) => cut % (all.length + 1)))].sort((a, b) => a - b);
  const events: ServerEvent[] = [];
  let from = 0;
  for (const to of [...places, all.length]) {
    events.push(...parser.push(all.subarray(from, to)));
    from = to;
  }
  return { events, lastId: parser.lastId };
}

describe('server-sent events', () => {
  it('have a name, data and the last id', () => {
    expect(
      read('retry: 1000\n\nid: 7\ndata: {"a":1}\n\nevent: dropped\ndata: {"count":3}\n\n').events,
    ).toEqual([
      { name: 'message', data: '{"a":1}', id: '7' },
      { name: 'dropped', data: '{"count":3}', id: '7' },
    ]);
  });

  it('join lines of data, and leave comments and unknown fields out', () => {
    expect(read(': hello\ndata: a\ndata:b\nother: x\n\n').events).toEqual([
      { name: 'message', data: 'a\nb', id: '' },
    ]);
  });

  it('take an id without an event', () => {
    expect(read('id: 41\n: \n\n')).toEqual({ events: [], lastId: '41' });
  });

  it('take an id only when its event is complete', () => {
    expect(read('id: 1\ndata: x\n\nid: 2\ndata: y\n').lastId).toBe('1');
  });

  it('have empty lines of two characters that come one by one', () => {
    const text = 'data: x\r\n\r\ndata: y\r\n\r\n';
    const each = Array.from({ length: text.length }, (_, i) => i);
    expect(read(text, each)).toEqual(read(text));
    expect(read('data: x\r\n\n\n', each).events).toHaveLength(1);
  });

  it('are the same however the bytes are divided', () => {
    const line = fc.oneof(
      fc.constantFrom('data: ', 'data:', 'id: 12', 'event: end', ': ', 'data: ä€😀', 'retry: 5', 'data'),
      fc.string({ maxLength: 10 }).map((text) => `data: ${text.replaceAll(/[\r\n]/g, '')}`),
    );
    const end = fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\r\n\r\n');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, end), { maxLength: 20 }),
        fc.array(fc.nat(400), { maxLength: 30 }),
        (parts, cuts) => {
          const text = parts.flat().join('');
          expect(read(text, cuts)).toEqual(read(text));
        },
      ),
    );
  });
});
