// The decoder: its limits, what it refuses, and what it remembers.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Decoder } from '../../../../src/protocol/http2/hpack/decoder.ts';
import { Encoder } from '../../../../src/protocol/http2/hpack/encoder.ts';
import { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import { HpackError } from '../../../../src/protocol/http2/hpack/hpack-error.ts';
import { decodeAll, forwarded, hex, integer, literal, sections, tableOf, tableSize } from './blocks.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 200) };
const MAX_LIST = 16 * 1024;

/** The error of a block; fails for one that is decoded. */
function errorOf(bytes: Buffer, decoder = new Decoder(MAX_LIST)): HpackError {
  try {
    decodeAll(decoder, bytes);
  } catch (error) {
    if (error instanceof HpackError) return error;
    throw error;
  }
  throw new Error(`the block ${bytes.toString('hex')} was decoded`);
}

describe('a malformed block ends the connection:', () => {
  it.each([
    { title: 'index 0', digits: '80', message: 'index 0' },
    { title: 'an index above the static table', digits: 'be', message: 'index 62' },
    { title: 'a name with an index above the static table', digits: '7f00 0161', message: 'index 63' },
    { title: 'an index that has no end', digits: 'ff80', message: 'ends within an integer' },
    { title: 'an index above 2^28', digits: 'ffffffffffff01', message: 'integer' },
    { title: 'an index with many zeros before its end', digits: 'ff8080808080808000', message: 'integer' },
    { title: 'a field without a name', digits: '40', message: 'before a string' },
    { title: 'a name without a value', digits: '400161', message: 'before a string' },
    { title: 'a string that is longer than the block', digits: '40016105 61', message: 'string of 5 bytes' },
    { title: 'a string of 256 MiB', digits: '4001617f80ffff7f', message: 'string of' },
    { title: 'a table above 4,096 bytes', digits: '3fe21f', message: 'dynamic table of 4097 bytes' },
    { title: 'a size update after a field', digits: '8220', message: 'size update after a field' },
    { title: 'a Huffman code with the symbol EOS', digits: '400161 84ffffffff', message: 'Huffman' },
    { title: 'Huffman padding of zeros', digits: '400161 8118', message: 'Huffman' },
    { title: 'Huffman padding of 8 bits', digits: '400161 821fff', message: 'Huffman' },
    { title: 'Huffman padding that is not all ones', digits: '400161 811e', message: 'Huffman' },
  ])('$title', ({ digits, message }) => {
    const error = errorOf(hex(digits));
    expect(error.message).toContain(message);
    expect(error.isExcessive).toBe(false);
  });

  it('never throws anything else, whatever bytes come', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), (blocks) => {
        const decoder = new Decoder(1000);
        for (const bytes of blocks)
          try {
            decodeAll(decoder, Buffer.from(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(HpackError);
            return;
          }
      }),
      runs,
    );
  });

  it('never throws anything else for blocks of which some bytes have changed', () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.boolean() });
    fc.assert(
      fc.property(sections, fc.array(change, { minLength: 1, maxLength: 4 }), (lists, changes) => {
        const encoder = new Encoder();
        const decoder = new Decoder(MAX_LIST);
        for (const list of lists) {
          let bytes = forwarded(encoder, HeaderBlock.of(list.flat()));
          for (const { at, byte, cut } of changes) {
            if (bytes.length === 0) continue;
            bytes[at % bytes.length] = byte;
            if (cut) bytes = bytes.subarray(0, at % bytes.length);
          }
          try {
            decodeAll(decoder, bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(HpackError);
            return;
          }
          expect(tableSize(tableOf(decoder))).toBeLessThanOrEqual(4096);
        }
      }),
      runs,
    );
  });
});

describe('Huffman padding', () => {
  it.each([
    { digits: '811f', text: 'a', ones: 3 },
    { digits: '8218c7', text: 'aaa', ones: 1 },
    { digits: '82fe3f', text: '!', ones: 6 },
    { digits: '831a8aff', text: 'a %', ones: 7 },
    { digits: '81fc', text: 'X', ones: 0 },
    { digits: '850000000000', text: '00000000', ones: 0 },
    { digits: '80', text: '', ones: 0 },
  ])('may have $ones ones', ({ digits, text }) => {
    expect(decodeAll(new Decoder(MAX_LIST), hex(`000161 ${digits}`)).value('a')).toBe(text);
  });
});

describe('the dynamic table', () => {
  it('is emptied by a field that is larger than it, which is not an error', () => {
    const decoder = new Decoder(MAX_LIST);
    decodeAll(decoder, literal(0x40, 'a', 'b'));
    expect(tableOf(decoder)).toEqual(['a: b']);
    expect(decodeAll(decoder, literal(0x40, 'large', 'x'.repeat(5000))).value('large')).toHaveLength(5000);
    expect(tableOf(decoder)).toEqual([]);
  });

  it('keeps no field with a size of 0, and takes fields again afterwards', () => {
    const decoder = new Decoder(MAX_LIST);
    decodeAll(decoder, literal(0x40, 'a', 'b'));
    decodeAll(decoder, Buffer.concat([hex('20'), literal(0x40, 'c', 'd')]));
    expect(tableOf(decoder)).toEqual([]);
    decodeAll(decoder, Buffer.concat([integer(0x20, 31, 4096), literal(0x40, 'e', 'f')]));
    expect(tableOf(decoder)).toEqual(['e: f']);
  });

  it('follows several size updates in one block', () => {
    const decoder = new Decoder(MAX_LIST);
    for (const name of ['a', 'b', 'c']) decodeAll(decoder, literal(0x40, name, '1'));
    // Down to room for two fields, and up again.
    decodeAll(decoder, Buffer.concat([integer(0x20, 31, 68), integer(0x20, 31, 4096), hex('82')]));
    expect(tableOf(decoder)).toEqual(['c: 1', 'b: 1']);
  });

  it('follows a size update each time that the same block comes', () => {
    const decoder = new Decoder(MAX_LIST);
    const small = Buffer.concat([integer(0x20, 31, 40), hex('82')]);
    for (const bytes of [small, small, integer(0x20, 31, 4096), small]) decodeAll(decoder, bytes);
    for (const name of ['a', 'b']) decodeAll(decoder, literal(0x40, name, '1'));
    expect(tableOf(decoder)).toEqual(['b: 1']);
  });

  it('lets a new field take the name of one that it evicts', () => {
    const decoder = new Decoder(MAX_LIST);
    decodeAll(decoder, Buffer.concat([integer(0x20, 31, 40), literal(0x40, 'name', '1')]));
    expect(decodeAll(decoder, hex('7e 0132')).raw()).toEqual(['name', '2']);
    expect(tableOf(decoder)).toEqual(['name: 2']);
  });

  it('holds 4,096 bytes and not more', () => {
    const decoder = new Decoder(MAX_LIST);
    for (let i = 0; i < 300; i++) decodeAll(decoder, literal(0x40, '', String(i % 10)));
    expect(tableOf(decoder)).toHaveLength(Math.floor(4096 / 33));
    for (let i = 0; i < 300; i++) decodeAll(decoder, literal(0x40, '', ''));
    expect(tableOf(decoder)).toHaveLength(128);
  });
});

describe('a block that is too large', () => {
  it('is decoded to its end, so that the next blocks are right', () => {
    const decoder = new Decoder(100);
    const first = decodeAll(
      decoder,
      Buffer.concat([hex('82'), literal(0x40, 'a', 'x'.repeat(100)), literal(0x40, 'b', '1'), hex('84')]),
    );
    expect(first.isTooLarge).toBe(true);
    expect(first.raw()).toEqual([':method', 'GET']);
    const next = decodeAll(decoder, hex('be'));
    expect(next.isTooLarge).toBe(false);
    expect(next.raw()).toEqual(['b', '1']);
  });

  it('is told from one with exactly the allowed size', () => {
    const bytes = literal(0, 'name', 'value');
    expect(decodeAll(new Decoder(41), bytes).isTooLarge).toBe(false);
    expect(decodeAll(new Decoder(40), bytes).isTooLarge).toBe(true);
  });

  it('is not remembered as one that fits', () => {
    const decoder = new Decoder(100);
    const bytes = literal(0, 'a', 'x'.repeat(100));
    for (let i = 0; i < 4; i++) expect(decodeAll(decoder, bytes).isTooLarge).toBe(true);
  });

  it('ends the connection above four times the allowed size', () => {
    const decoder = new Decoder(MAX_LIST);
    decodeAll(decoder, literal(0x40, 'a', 'x'.repeat(4000)));
    const most = Math.floor((4 * MAX_LIST) / 4033);
    expect(decodeAll(decoder, Buffer.alloc(most, 0xbe)).isTooLarge).toBe(true);
    const error = errorOf(Buffer.alloc(most + 1, 0xbe), decoder);
    expect(error.isExcessive).toBe(true);
    expect(error.message).toContain('16384 bytes');
  });
});

describe('values', () => {
  it('keep their bytes, one character per byte', () => {
    const value = Buffer.from([0x80, 0xc3, 0xa4, 0xff]).toString('latin1');
    expect(decodeAll(new Decoder(MAX_LIST), literal(0, 'a', value)).value('a')).toBe(value);
  });

  it('may be longer than any buffer that is kept for them', () => {
    // 30,000 times "0", which has a code of 5 zeros.
    const bytes = Buffer.concat([hex('000161'), integer(0x80, 127, 18_750), Buffer.alloc(18_750)]);
    expect(decodeAll(new Decoder(64 * 1024), bytes).value('a')).toBe('0'.repeat(30_000));
  });
});

describe('a block that came before', () => {
  it('is not decoded again', () => {
    const decoder = new Decoder(MAX_LIST);
    const bytes = Buffer.concat([hex('8286'), literal(0x10, 'authorization', 'secret')]);
    decodeAll(decoder, bytes);
    const second = decodeAll(decoder, bytes);
    expect(second.isRemembered).toBe(true);
    expect(decodeAll(decoder, Buffer.from(bytes))).toBe(second);
  });

  it('is decoded anew once its indexes mean other fields', () => {
    const decoder = new Decoder(MAX_LIST);
    decodeAll(decoder, literal(0x40, 'a', '1'));
    const bytes = hex('82be');
    for (let i = 0; i < 3; i++) expect(decodeAll(decoder, bytes).value('a')).toBe('1');
    decodeAll(decoder, literal(0x40, 'b', '2'));
    expect(decodeAll(decoder, bytes).raw()).toEqual([':method', 'GET', 'b', '2']);
  });

  it('is malformed once the fields that it refers to are evicted', () => {
    const decoder = new Decoder(MAX_LIST);
    decodeAll(decoder, literal(0x40, 'a', '1'));
    for (let i = 0; i < 3; i++) decodeAll(decoder, hex('be'));
    decodeAll(decoder, literal(0x40, 'large', 'x'.repeat(5000)));
    expect(errorOf(hex('be'), decoder).message).toContain('index 62');
  });

  it('stays right whatever blocks come between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const decoder = new Decoder(MAX_LIST);
        // A model of the dynamic table, the newest field first, and its limit.
        const table: string[] = [];
        let limit = 4096;
        for (const { bytes, indexes = [], literals = [], inserted = [], resizedTo } of steps) {
          const referred = indexes.map((index) => STATIC_FIELDS[index] ?? table[index - 62]);
          if (referred.includes(undefined)) return void errorOf(bytes, decoder);
          limit = resizedTo ?? limit;
          table.unshift(...inserted);
          while (tableSize(table) > limit) table.pop();
          const { fields } = decodeAll(decoder, bytes);
          expect(fields.map(({ name, value }) => `${name}: ${value}`)).toEqual([...referred, ...literals]);
        }
      }),
      runs,
    );
  });
});

const STATIC_FIELDS: Record<number, string> = { 2: ':method: GET', 6: ':scheme: http' };

/** A block, and what it does in the model of a decoder. */
interface Step {
  readonly bytes: Buffer;
  readonly indexes?: readonly number[];
  readonly literals?: readonly string[];
  readonly inserted?: readonly string[];
  readonly resizedTo?: number;
}
const literalStep = fc
  .tuple(fc.constantFrom(0x40, 0), fc.constantFrom('a', 'b', 'c'), fc.constantFrom('1', '2'))
  .map(([pattern, name, value]): Step => {
    const literals = [`${name}: ${value}`];
    const inserted = pattern === 0x40 ? literals : [];
    return { bytes: literal(pattern, name, value), literals, inserted };
  });
const indexedStep = fc
  .constantFrom([62], [63], [2, 62], [62, 63], [2, 6])
  .map((indexes): Step => ({ bytes: Buffer.from(indexes.map((index) => 0x80 + index)), indexes }));
const resizeStep = fc
  .constantFrom(40, 80, 4096)
  .map((resizedTo): Step => ({ bytes: integer(0x20, 31, resizedTo), resizedTo }));
const step = fc.oneof(literalStep, indexedStep, resizeStep);
