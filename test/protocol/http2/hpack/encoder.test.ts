// The encoder: its table and the peer's limit of it, secrets, and blocks that are forwarded.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Decoder } from '../../../../src/protocol/http2/hpack/decoder.ts';
import { BEGIN_BYTES, Encoder, type FieldFilter } from '../../../../src/protocol/http2/hpack/encoder.ts';
import { Field } from '../../../../src/protocol/http2/hpack/field.ts';
import { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import { intern } from '../../../../src/protocol/http2/hpack/interned-fields.ts';
import { decodeAll, forwarded, hex, integer, literal, section, sections, tableOf } from './blocks.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 150) };
const MAX_LIST = 64 * 1024;

/** One field as a section. */
const fieldSection = (encoder: Encoder, name: string, value: string): Buffer =>
  section(encoder, (out, at) => encoder.field(intern(name, value), out, at));

/** A connection from weir to a peer. */
function connection(): { encoder: Encoder; decoder: Decoder } {
  return { encoder: new Encoder(), decoder: new Decoder(MAX_LIST) };
}

describe('a field', () => {
  it('of the static table is one byte', () => {
    expect(fieldSection(new Encoder(), ':method', 'POST')).toEqual(hex('83'));
  });

  it('that recurs is written once, then as a reference', () => {
    const { encoder, decoder } = connection();
    const first = fieldSection(encoder, 'user-agent', 'a');
    expect(first).toEqual(hex('7a 01 61'));
    const second = fieldSection(encoder, 'user-agent', 'a');
    expect(second).toEqual(hex('be'));
    for (const bytes of [first, second]) expect(decodeAll(decoder, bytes).raw()).toEqual(['user-agent', 'a']);
  });

  it('with a value of its own refers to the name after the first time', () => {
    const { encoder, decoder } = connection();
    for (const id of ['id-0', 'id-1', 'id-2']) {
      const bytes = section(encoder, (out, at) => encoder.literal('x-id', id, out, at));
      expect(bytes.includes('x-id')).toBe(id === 'id-0');
      expect(decodeAll(decoder, bytes).raw()).toEqual(['x-id', id]);
    }
    expect(tableOf(decoder)).toEqual(['x-id: id-0']);
  });

  it('of which the table has the name only is not taken for it', () => {
    const { encoder, decoder } = connection();
    decodeAll(
      decoder,
      section(encoder, (out, at) => encoder.literal('x-id', 'id-0', out, at)),
    );
    expect(decodeAll(decoder, fieldSection(encoder, 'x-id', '')).raw()).toEqual(['x-id', '']);
  });

  it('still refers to its name after an older field with the name is evicted', () => {
    const { encoder, decoder } = connection();
    encoder.limit(140);
    for (const [name, value] of ['a1', 'b1', 'c1', 'a2', 'd1'])
      decodeAll(decoder, fieldSection(encoder, name!, value!));
    expect(tableOf(decoder)).toEqual(['d: 1', 'a: 2', 'c: 1', 'b: 1']);
    expect(section(encoder, (out, at) => encoder.literal('a', '3', out, at))).toEqual(hex('0f30 0133'));
  });

  it('that is large gets into no table', () => {
    const { encoder, decoder } = connection();
    const value = 'x'.repeat(1024);
    for (let i = 0; i < 3; i++) {
      const bytes = fieldSection(encoder, 'x-large', value);
      expect(decodeAll(decoder, bytes).raw()).toEqual(['x-large', value]);
    }
    expect(tableOf(decoder)).toEqual([]);
  });
});

describe('a secret', () => {
  it.each([
    'authorization',
    'proxy-authorization',
    'baseten-authorization',
    'cookie',
    'set-cookie',
    'x-api-key',
  ])('in %s is never indexed, and says so to the next peer', (name) => {
    const { encoder, decoder } = connection();
    // Its sender indexes it.
    const sender = new Decoder(MAX_LIST);
    decodeAll(sender, literal(0x40, name, 'secret'));
    const block = decodeAll(sender, hex('be'));
    for (const bytes of [
      forwarded(encoder, block),
      fieldSection(encoder, name, 'secret'),
      section(encoder, (out, at) => encoder.literal(name, 'secret', out, at)),
    ]) {
      expect(bytes[0]! >> 4).toBe(1);
      const [field] = decodeAll(decoder, bytes).fields;
      expect([field!.name, field!.value, field!.isNeverIndexed]).toEqual([name, 'secret', true]);
    }
    expect(tableOf(decoder)).toEqual([]);
  });

  it('stays one if only its sender says so', () => {
    const { encoder, decoder } = connection();
    const bytes = literal(0x10, 'x-token', 'secret');
    const block = decodeAll(new Decoder(MAX_LIST), bytes);
    expect(forwarded(encoder, block)).toEqual(bytes);
    // Also beside the same field of a client that does not ask for it.
    decodeAll(decoder, fieldSection(encoder, 'x-token', 'secret'));
    expect(decodeAll(decoder, forwarded(encoder, block)).fields[0]!.isNeverIndexed).toBe(true);
  });

  it('with an empty value does not become a reference into the static table', () => {
    const block = decodeAll(new Decoder(MAX_LIST), literal(0x10, 'etag', ''));
    expect(forwarded(new Encoder(), block)[0]! >> 4).toBe(1);
  });
});

describe('the table of the peer', () => {
  it('of size 0 is told to it in the next section, and only there', () => {
    const { encoder, decoder } = connection();
    decodeAll(decoder, fieldSection(encoder, 'a', '1'));
    encoder.limit(0);
    const bytes = fieldSection(encoder, 'a', '1');
    expect(bytes).toEqual(Buffer.concat([hex('20'), literal(0, 'a', '1')]));
    expect(decodeAll(decoder, bytes).raw()).toEqual(['a', '1']);
    expect(tableOf(decoder)).toEqual([]);
    expect(fieldSection(encoder, 'a', '1')).toEqual(literal(0, 'a', '1'));
  });

  it('that becomes small and large again between two sections is told as both', () => {
    const { encoder, decoder } = connection();
    decodeAll(decoder, fieldSection(encoder, 'a', '1'));
    for (const size of [100, 0, 2000, 4096]) encoder.limit(size);
    const bytes = fieldSection(encoder, 'a', '1');
    expect(bytes).toEqual(Buffer.concat([hex('20'), integer(0x20, 31, 4096), literal(0x40, 'a', '1')]));
    expect(decodeAll(decoder, bytes).raw()).toEqual(['a', '1']);
    expect(tableOf(decoder)).toEqual(['a: 1']);
  });

  it('above 4,096 bytes is not asked for, so nothing is told', () => {
    const encoder = new Encoder();
    encoder.limit(65_536);
    expect(fieldSection(encoder, ':method', 'GET')).toEqual(hex('82'));
  });

  it('is full at times, and then takes few fields, so that encoded blocks stay', () => {
    const { encoder, decoder } = connection();
    const sent = (i: number): string[] => {
      const bytes = fieldSection(encoder, `name-${i}`, 'x'.repeat(60));
      decodeAll(decoder, bytes);
      return tableOf(decoder);
    };
    for (let i = 0; i < 100; i++) sent(i);
    // 4,096 / 98 fields fit; one more has come.
    expect(tableOf(decoder)[0]).toContain('name-41');
    for (let i = 100; i < 553; i++) sent(i);
    expect(tableOf(decoder)[0]).toContain('name-41');
    expect(sent(553)[0]).toContain('name-553');
  });
});

describe('a block', () => {
  const dropsTe: FieldFilter = { drops: ({ name }) => name === 'te' };

  /** Sections as a client repeats them, as weir forwards them. */
  function repeated(encoder: Encoder, filter: FieldFilter): Buffer[] {
    const client = connection();
    const raw = [':method', 'POST', ':path', '/a', 'te', 'trailers', 'user-agent', 'b', 'cookie', 'c=d'];
    return Array.from({ length: 5 }, () => {
      const bytes = section(client.encoder, (out, start) => {
        let at = start;
        for (let i = 0; i < raw.length; i += 2)
          at = client.encoder.field(intern(raw[i]!, raw[i + 1]!), out, at);
        return at;
      });
      return forwarded(encoder, decodeAll(client.decoder, bytes), filter);
    });
  }

  it('is forwarded without the fields that the filter drops, also once it is remembered', () => {
    const { encoder, decoder } = connection();
    for (const bytes of repeated(encoder, dropsTe))
      expect(decodeAll(decoder, bytes).raw()).toEqual([
        ':method',
        'POST',
        ':path',
        '/a',
        'user-agent',
        'b',
        'cookie',
        'c=d',
      ]);
  });

  it('that came before is written as references', () => {
    const last = repeated(new Encoder(), dropsTe).at(-1)!;
    // Method, path, user-agent, and the cookie as a literal with the index of its name.
    expect(last).toEqual(hex('83 bf be 1f11 03 633d64'));
  });

  it('is encoded anew for another filter, and for another table', () => {
    const { encoder, decoder } = connection();
    const client = new Decoder(MAX_LIST);
    decodeAll(client, literal(0x40, 'a', '1'));
    const block = decodeAll(client, hex('be'));
    expect(decodeAll(client, hex('be'))).toBe(block);
    for (let i = 0; i < 3; i++)
      expect(decodeAll(decoder, forwarded(encoder, block)).raw()).toEqual(['a', '1']);
    // The field is in the table once.
    expect(tableOf(decoder)).toEqual(['a: 1']);
    const dropsA: FieldFilter = { drops: ({ name }) => name === 'a' };
    expect(decodeAll(decoder, forwarded(encoder, block, dropsA)).raw()).toEqual([]);
    expect(decodeAll(decoder, forwarded(encoder, block)).raw()).toEqual(['a', '1']);
    // Another field comes before it in the table.
    decodeAll(decoder, fieldSection(encoder, 'b', '2'));
    expect(decodeAll(decoder, forwarded(encoder, block)).raw()).toEqual(['a', '1']);
    encoder.limit(0);
    expect(decodeAll(decoder, forwarded(encoder, block)).raw()).toEqual(['a', '1']);
  });

  it('of values that come once leaves the table alone', () => {
    const { encoder, decoder } = connection();
    const bytes = Buffer.concat([literal(0x40, 'x-trace', 'a'), literal(0, 'x-span', 'b')]);
    const block = decodeAll(new Decoder(MAX_LIST), bytes);
    for (let i = 0; i < 3; i++)
      expect(decodeAll(decoder, forwarded(encoder, block)).raw()).toEqual(['x-trace', 'a', 'x-span', 'b']);
    expect(tableOf(decoder)).toEqual([]);
  });
});

describe('encoding and decoding', () => {
  const limits = fc.option(fc.constantFrom(0, 33, 100, 600, 4096, 100_000), { freq: 3, nil: undefined });

  it('keeps names, values, order and duplicates, through any number of connections', () => {
    fc.assert(
      fc.property(sections, fc.array(limits), (lists, sizes) => {
        const client = connection();
        const replica = connection();
        // Each section comes twice, as clients send them.
        for (const [i, list] of lists.flatMap((list) => [list, list]).entries()) {
          const size = sizes[i];
          if (size !== undefined) (i % 2 === 0 ? client : replica).encoder.limit(size);
          const bytes = section(client.encoder, (out, start) =>
            list.reduce((at, [name, value]) => client.encoder.field(intern(name, value), out, at), start),
          );
          const received = decodeAll(client.decoder, bytes);
          expect(received.raw()).toEqual(list.flat());
          const sent = section(replica.encoder, (out, start) =>
            replica.encoder.literal(
              'x-id',
              String(i),
              out,
              replica.encoder.forward(received, { drops: ({ name }) => name === 'cookie' }, out, start),
            ),
          );
          const expected = [...list.filter(([name]) => name !== 'cookie'), ['x-id', String(i)]].flat();
          expect(decodeAll(replica.decoder, sent).raw()).toEqual(expected);
        }
      }),
      runs,
    );
  });

  it('needs no more bytes than the sizes of the fields', () => {
    fc.assert(
      fc.property(sections, limits, (lists, size) => {
        const encoder = new Encoder();
        if (size !== undefined) encoder.limit(size);
        const out = Buffer.alloc(MAX_LIST);
        expect(encoder.begin(out, 0)).toBeLessThanOrEqual(BEGIN_BYTES);
        for (const list of lists)
          for (const [name, value] of list) {
            const most = new Field(name, value).size;
            expect(encoder.field(intern(name, value), out, 0)).toBeLessThanOrEqual(most);
            expect(encoder.literal(name, value, out, 0)).toBeLessThanOrEqual(most);
            const block = HeaderBlock.of([name, value]);
            expect(encoder.forward(block, { drops: () => false }, out, 0)).toBeLessThanOrEqual(block.size);
          }
      }),
      runs,
    );
  });
});
