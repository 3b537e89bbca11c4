// Header blocks for tests: as hexadecimal digits, as lists of fields, and through an encoder.
import fc from 'fast-check';
import type { Decoder } from '../../../../src/protocol/http2/hpack/decoder.ts';
import { BEGIN_BYTES, type Encoder, type FieldFilter } from '../../../../src/protocol/http2/hpack/encoder.ts';
import type { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import { HpackError } from '../../../../src/protocol/http2/hpack/hpack-error.ts';

export const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(/\s/g, ''), 'hex');

export const decodeAll = (decoder: Decoder, bytes: Buffer): HeaderBlock =>
  decoder.decode(bytes, 0, bytes.length);

export const dropsNothing: FieldFilter = { drops: () => false };

/** Forwards a block as a section of its own. */
export function forwarded(encoder: Encoder, block: HeaderBlock, filter = dropsNothing): Buffer {
  const out = Buffer.alloc(BEGIN_BYTES + block.size);
  return out.subarray(0, encoder.forward(block, filter, out, encoder.begin(out, 0)));
}

const scratch = Buffer.alloc(64 * 1024);

/** A section that `write` writes. */
export const section = (encoder: Encoder, write: (out: Buffer, at: number) => number): Buffer =>
  Buffer.from(scratch.subarray(0, write(scratch, encoder.begin(scratch, 0))));

/** The dynamic table of a decoder, the newest field first: `name: value`. */
export function tableOf(decoder: Decoder): string[] {
  const fields: string[] = [];
  for (let index = 62; ; index++)
    try {
      const block = decodeAll(
        decoder,
        index < 127 ? Buffer.from([128 + index]) : Buffer.from([255, index - 127]),
      );
      fields.push(block.raw().join(': '));
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      return fields;
    }
}

/** Sizes of the fields of a table together (RFC 7541 4.1). */
export const tableSize = (fields: readonly string[]): number =>
  fields.reduce((sum, field) => sum + field.length - 2 + 32, 0);

/** An integer with a prefix of the bits of `mask`, behind `pattern`, for blocks that weir does not write itself. */
export function integer(pattern: number, mask: number, value: number): Buffer {
  if (value < mask) return Buffer.from([pattern | value]);
  const bytes = [pattern | mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(128 | (rest % 128));
  return Buffer.from([...bytes, rest]);
}

/** A literal field with a name as a string, without Huffman code. `pattern`: 0x40 with indexing, 0x00 without, 0x10 never. */
export const literal = (pattern: number, name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.from([pattern]),
    integer(0, 127, name.length),
    Buffer.from(name, 'latin1'),
    integer(0, 127, value.length),
    Buffer.from(value, 'latin1'),
  ]);

const NAMES = [
  'accept',
  'authorization',
  'cookie',
  'content-type',
  'grpc-timeout',
  'user-agent',
  'x-a',
  'x-b',
];
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...NAMES) },
  fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,40}$/),
);
/** Bytes that values may have (RFC 9113 8.2.1), without spaces at the ends. */
const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('', 'a', 'gzip, deflate', 'application/grpc', 'x'.repeat(300)) },
  // oxlint-disable-next-line no-control-regex
  fc.stringMatching(/^[\x21-\x7e\x80-\xff][\t\x20-\x7e\x80-\xff]{0,200}$/).map((text) => text.trim()),
);

/** A field: a name and a value, of which many come again. */
const field: fc.Arbitrary<[name: string, value: string]> = fc.tuple(name, value);

/** Sections of fields. */
export const sections = fc.array(fc.array(field, { maxLength: 12 }), { minLength: 1, maxLength: 12 });
