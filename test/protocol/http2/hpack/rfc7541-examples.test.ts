// The examples of RFC 7541, appendix C: what the decoder reads, and the dynamic table after it.
import { describe, expect, it } from 'vitest';
import { writeInteger } from '../../../../src/protocol/http2/hpack/block-writer.ts';
import { BlockReader } from '../../../../src/protocol/http2/hpack/block-reader.ts';
import { Decoder } from '../../../../src/protocol/http2/hpack/decoder.ts';
import { decodeAll, hex, tableOf, tableSize } from './blocks.ts';

interface Example {
  /** The header block in hexadecimal digits. */
  readonly block: string;
  readonly fields: readonly string[];
  /** Size of the dynamic table after the block, as the RFC gives it. */
  readonly size: number;
}

/** Decodes blocks one after another, and compares fields and tables. */
function expectExamples(decoder: Decoder, examples: readonly Example[]): void {
  for (const { block, fields, size } of examples) {
    const { fields: decoded } = decodeAll(decoder, hex(block));
    expect(decoded.map(({ name, value }) => `${name}: ${value}`)).toEqual(fields);
    expect(tableSize(tableOf(decoder)), `table after ${block}`).toBe(size);
  }
}

/** The responses of C.5 and C.6 are for a table of 256 bytes. */
function smallDecoder(): Decoder {
  const decoder = new Decoder(64 * 1024);
  decodeAll(decoder, hex('3fe101'));
  return decoder;
}

describe('the integers of C.1', () => {
  it.each([
    { value: 10, mask: 31, digits: '0a' },
    { value: 1337, mask: 31, digits: '1f9a0a' },
    { value: 42, mask: 255, digits: '2a' },
  ])('are read and written: $value', ({ value, mask, digits }) => {
    const bytes = hex(digits);
    const reader = new BlockReader();
    reader.open(bytes, 0, bytes.length);
    expect(reader.integer(mask)).toBe(value);
    expect(reader.hasMore).toBe(false);
    const out = Buffer.alloc(8);
    expect(out.subarray(0, writeInteger(out, 0, 0, mask, value))).toEqual(bytes);
  });
});

describe('the header fields of C.2', () => {
  it('are read: literal with indexing', () => {
    expectExamples(new Decoder(1000), [
      {
        block: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
        fields: ['custom-key: custom-header'],
        size: 55,
      },
    ]);
  });

  it('are read: literal without indexing', () => {
    expectExamples(new Decoder(1000), [
      { block: '040c 2f73 616d 706c 652f 7061 7468', fields: [':path: /sample/path'], size: 0 },
    ]);
  });

  it('are read: literal that is never indexed', () => {
    const decoder = new Decoder(1000);
    const block = '1008 7061 7373 776f 7264 0673 6563 7265 74';
    expectExamples(decoder, [{ block, fields: ['password: secret'], size: 0 }]);
    expect(decodeAll(decoder, hex(block)).fields[0]!.isNeverIndexed).toBe(true);
  });

  it('are read: indexed', () => {
    expectExamples(new Decoder(1000), [{ block: '82', fields: [':method: GET'], size: 0 }]);
  });
});

const FIRST_REQUEST = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const SECOND_REQUEST = [...FIRST_REQUEST, 'cache-control: no-cache'];
const THIRD_REQUEST = [
  ':method: GET',
  ':scheme: https',
  ':path: /index.html',
  ':authority: www.example.com',
  'custom-key: custom-value',
];

describe('the requests', () => {
  it('of C.3 are read: without Huffman code', () => {
    const decoder = new Decoder(1000);
    expectExamples(decoder, [
      { block: '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', fields: FIRST_REQUEST, size: 57 },
      { block: '8286 84be 5808 6e6f 2d63 6163 6865', fields: SECOND_REQUEST, size: 110 },
      {
        block: '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
        fields: THIRD_REQUEST,
        size: 164,
      },
    ]);
    expect(tableOf(decoder)).toEqual([
      'custom-key: custom-value',
      'cache-control: no-cache',
      ':authority: www.example.com',
    ]);
  });

  it('of C.4 are read: with Huffman code', () => {
    expectExamples(new Decoder(1000), [
      { block: '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', fields: FIRST_REQUEST, size: 57 },
      { block: '8286 84be 5886 a8eb 1064 9cbf', fields: SECOND_REQUEST, size: 110 },
      {
        block: '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
        fields: THIRD_REQUEST,
        size: 164,
      },
    ]);
  });
});

const LOCATION = 'location: https://www.example.com';
const responseFields = (status: number, second: number): string[] => [
  `:status: ${status}`,
  'cache-control: private',
  `date: Mon, 21 Oct 2013 20:13:${second} GMT`,
  LOCATION,
];
const THIRD_RESPONSE = [
  ...responseFields(200, 22),
  'content-encoding: gzip',
  'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
];

describe('the responses, which evict fields from a table of 256 bytes,', () => {
  it('of C.5 are read: without Huffman code', () => {
    expectExamples(smallDecoder(), [
      {
        block: `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a
          3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        fields: responseFields(302, 21),
        size: 222,
      },
      { block: '4803 3330 37c1 c0bf', fields: responseFields(307, 21), size: 222 },
      {
        block: `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04
          677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b
          206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
        fields: THIRD_RESPONSE,
        size: 215,
      },
    ]);
  });

  it('of C.6 are read: with Huffman code', () => {
    const decoder = smallDecoder();
    expectExamples(decoder, [
      {
        block: `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
          919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
        fields: responseFields(302, 21),
        size: 222,
      },
      { block: '4883 640e ffc1 c0bf', fields: responseFields(307, 21), size: 222 },
      {
        block: `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7
          821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5
          b106 3d50 07`,
        fields: THIRD_RESPONSE,
        size: 215,
      },
    ]);
    expect(tableOf(decoder)).toEqual([
      'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
      'content-encoding: gzip',
      'date: Mon, 21 Oct 2013 20:13:22 GMT',
    ]);
  });
});
