import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import {
  AttributeColumns,
  encodeAttributes,
} from '../../../../src/telemetry/logs/store/attribute-columns.ts';
import { DamagedBlobError, fromBlob, toBlob } from '../../../../src/telemetry/logs/store/blob.ts';
import { BlockRows } from '../../../../src/telemetry/logs/store/block-rows.ts';
import { ByteWriter } from '../../../../src/telemetry/logs/store/byte-writer.ts';
import { BloomFilter, hashOfId, mayHave } from '../../../../src/telemetry/logs/store/bloom-filter.ts';
import { encodePage } from '../../../../src/telemetry/logs/store/encode-page.ts';
import {
  ColumnMemory,
  decodeIndexes,
  decodeNumbers,
  deltas,
  encodedLength,
  numberAt,
  undeltas,
  writeNumbers,
} from '../../../../src/telemetry/logs/store/number-column.ts';
import { Page } from '../../../../src/telemetry/logs/store/page.ts';
import { HashList } from '../../../../src/telemetry/logs/store/page-words.ts';
import { fromTailBlob, toTailBlob } from '../../../../src/telemetry/logs/store/tail-page.ts';
import { encodeTexts, TextColumn } from '../../../../src/telemetry/logs/store/text-column.ts';
import { recordOf, text } from '../query/arbitrary.ts';
import { anyRow, lineRow, type Row } from './stored-rows.ts';

/** A column of numbers as bytes. */
function encodeNumbers(values: ArrayLike<number>, count: number): Uint8Array {
  const out = new ByteWriter();
  writeNumbers(out, values, 0, count);
  return out.part(0);
}

const FIRST = 1000;

function blockOf(rows: readonly Row[]): BlockRows {
  const block = new BlockRows(FIRST);
  for (const row of rows) row.addTo(block);
  return block;
}

const recordsOf = (page: Page): LogRecord[] =>
  Array.from({ length: page.rows }, (_, row) => page.record(row));

const expectedOf = (rows: readonly Row[], from = 0): LogRecord[] =>
  rows.map(({ expected }, i) => ({ ...expected, seq: FIRST + from + i }));

describe('a page', () => {
  it('gives back the records that were stored, of lines and of requests', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 30 }), fc.nat(), (rows, at) => {
        const from = at % rows.length;
        const { parts } = encodePage(blockOf(rows), from, rows.length);
        const page = new Page(FIRST + from, (part) => parts[part]!);
        expect(recordsOf(page)).toEqual(expectedOf(rows.slice(from), from));
      }),
      { numRuns: 500 },
    );
  });

  it('gives back each record alone, and after others', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 40 }), (rows) => {
        const { parts } = encodePage(blockOf(rows), 0, rows.length);
        const read = (part: number) => parts[part]!;
        const alone = rows.map((_, row) => new Page(FIRST, read).record(row));
        expect(alone).toEqual(expectedOf(rows));
        const page = new Page(FIRST, read);
        expect(rows.map((_, i) => page.record(rows.length - 1 - i)).reverse()).toEqual(alone);
      }),
    );
  });

  it('gives back the records through the tail, and after they were copied from there', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 10 }), fc.boolean(), (rows, compresses) => {
        const parts = fromTailBlob(toTailBlob(encodePage(blockOf(rows), 0, rows.length).parts, compresses));
        const page = new Page(FIRST, (part) => parts[part]!);
        const copied = new BlockRows(FIRST);
        for (let row = 0; row < page.rows; row++) copied.copy(page, row, page.shapeOf(row));
        const again = encodePage(copied, 0, rows.length).parts;
        expect(recordsOf(page)).toEqual(expectedOf(rows));
        expect(recordsOf(new Page(FIRST, (part) => again[part]!))).toEqual(expectedOf(rows));
      }),
    );
  });

  it('keeps records apart whose fields are the same when they are joined', () => {
    const [one, other] = [
      lineRow(recordOf({ deployment: 'a\nb', environment: 'c' })),
      lineRow(recordOf({ deployment: 'a', environment: 'b\nc' })),
    ];
    const { parts } = encodePage(blockOf([one, other]), 0, 2);
    expect(recordsOf(new Page(FIRST, (part) => parts[part]!))).toEqual(expectedOf([one, other]));
  });

  it('ends after 4,096 rows, or after 48 KB of texts', () => {
    const short = new BlockRows(1);
    const long = new BlockRows(1);
    for (let i = 0; i < 5000; i++) lineRow(recordOf({})).addTo(short);
    for (let i = 0; i < 10; i++) lineRow(recordOf({ message: 'x'.repeat(20_000) })).addTo(long);
    expect(short.allPageEnds).toEqual([4096, 5000]);
    expect(long.allPageEnds).toEqual([3, 6, 9, 10]);
  });
});

describe('a column of numbers', () => {
  const numbers = fc.array(
    fc.oneof(
      fc.nat(255),
      fc.nat(70_000),
      fc.nat(5).map((n) => n * 1_000_000),
      fc.maxSafeNat(),
      fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
    ),
  );

  it('gives back its numbers, and ends where the next one begins', () => {
    fc.assert(
      fc.property(numbers, fc.nat(9), (values, at) => {
        const column = encodeNumbers(values, values.length);
        const bytes = Buffer.concat([Buffer.alloc(at, 7), column, Buffer.alloc(3, 7)]);
        expect(encodedLength(bytes, at, values.length)).toBe(column.length);
        expect(Array.from(decodeNumbers(bytes, at, values.length))).toEqual(values);
        expect(values.map((_, i) => numberAt(bytes, at, values.length, i))).toEqual(values);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives back its numbers in memory that other columns have used', () => {
    const memory = new ColumnMemory();
    const columns = fc.array(fc.array(fc.oneof(fc.nat(3), fc.nat(2 ** 40))), { minLength: 2 });
    fc.assert(
      fc.property(columns, (all) => {
        memory.reset();
        const decoded = all.map((values) =>
          decodeNumbers(encodeNumbers(values, values.length), 0, values.length, memory.take(values.length)),
        );
        expect(decoded.map((values) => Array.from(values))).toEqual(all);
      }),
    );
  });

  it.each([1, 2, 256, 257, 4096])('gives back %i indexes in any order', (different) => {
    const values = Array.from({ length: 5000 }, (_, i) => (i * 7919) % different);
    const bytes = Buffer.concat([Buffer.alloc(3, 7), encodeNumbers(values, values.length)]);
    expect(Array.from(decodeIndexes(bytes, 3, values.length))).toEqual(values);
  });

  it('gives back numbers from their differences', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2 ** 45), { minLength: 1 }), (values) => {
        const [base] = values;
        const column = encodeNumbers(deltas(values, 0, values.length, base!), values.length);
        expect(Array.from(undeltas(decodeNumbers(column, 0, values.length), base!))).toEqual(values);
      }),
    );
  });
});

describe('a column of texts', () => {
  it('gives back its texts, and finds some of them', () => {
    fc.assert(
      fc.property(
        fc.array(text),
        fc.boolean(),
        fc.array(text, { maxLength: 2 }),
        (texts, repeats, wanted) => {
          const bytes = encodeTexts(texts, repeats);
          const column = new TextColumn(bytes, 0, texts.length);
          const expected = texts.map((one) => one.toWellFormed());
          expect(column.end).toBe(bytes.length);
          expect(texts.map((_, row) => column.at(row))).toEqual(expected);
          const found = column.find(wanted.map((one) => one.toWellFormed()));
          expect(expected.map((_, row) => found.has(column.numberAt(row)))).toEqual(
            expected.map((one) => wanted.some((other) => other.toWellFormed() === one)),
          );
        },
      ),
    );
  });

  it('joins its texts for searches', () => {
    const { text: joined, ends } = new TextColumn(encodeTexts(['ab', '', 'cde'], false), 0, 3).joined;
    expect(joined).toBe('abcde');
    expect(Array.from(ends)).toEqual([2, 2, 5]);
  });
});

describe('columns of attributes', () => {
  const backOf = (texts: readonly string[]): string[] => {
    const columns = new AttributeColumns(encodeAttributes(texts).bytes, texts.length);
    return texts.map((_, row) => columns.text(row));
  };

  it.each([
    ['with names that are numbers', '{"b":1,"1":2}'],
    ['with a name twice', '{"a":1,"a":2}'],
    ['with numbers in an unusual form', '{"a":1e2}'],
    ['with spaces', '{ "a": 1 }'],
    ['with a name that is half of a pair', '{"\\ud800":1,"a":2}'],
    ['with the name __proto__', '{"__proto__":{"a":1},"a":2}'],
    ['without members', '{}'],
    ['that are a list', '[1]'],
    ['that are not JSON', '{no JSON}'],
  ])('give back attributes %s', (_, attributes) => {
    const others = ['{"a":1,"b":{"c":[]}}', '{"b":null}'];
    expect(backOf([...others, attributes, ...others])).toEqual([...others, attributes, ...others]);
  });

  it('give back attributes with more names than columns', () => {
    const texts = Array.from({ length: 300 }, (_, i) =>
      JSON.stringify({ [`n${i}`]: i, often: i % 3, text: 'x' }),
    );
    expect(backOf(texts)).toEqual(texts);
    const { names } = encodeAttributes(texts);
    expect(names).toEqual({ names: ['often', 'text'], hasOthers: true });
  });

  it('tell which rows have an attribute', () => {
    const columns = new AttributeColumns(
      encodeAttributes(['{"a":1}', '{"b":2,"a":"x"}', '{"b":2}']).bytes,
      3,
    );
    const { numbers, texts } = columns.values('a')!;
    expect(Array.from(numbers, (number) => (number === -1 ? '' : texts.text(number)))).toEqual([
      '1',
      '"x"',
      '',
    ]);
    expect(columns.values('c')).toBeUndefined();
  });
});

describe('a blob', () => {
  it('gives back its bytes, or reports that it is damaged', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.integer({ min: 0, max: 2000 }).map((length) => new Uint8Array(length).fill(65)),
    );
    fc.assert(
      fc.property(
        bytes,
        fc.boolean(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (content, compresses, at, change) => {
          const blob = toBlob(content, compresses);
          expect(Buffer.compare(fromBlob(blob), content)).toBe(0);
          blob[at % blob.length]! ^= change;
          expect(() => fromBlob(blob)).toThrow(DamagedBlobError);
          expect(() => fromBlob(blob.subarray(0, at % blob.length))).toThrow(DamagedBlobError);
        },
      ),
    );
  });
});

describe('bytes that are to be compressed', () => {
  it('are stored as they are if that takes little more space', () => {
    const random = randomBytes(1000);
    expect(toBlob(random, true)).toEqual(toBlob(random, false));
    const half = Buffer.concat([random, Buffer.alloc(1000)]);
    expect(toBlob(half, true).length).toBeLessThan(1100);
  });
});

describe('a Bloom filter', () => {
  it('admits every hash that was added, also after it was halved', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2 ** 32 - 1)), (hashes) => {
        const filter = new BloomFilter(64);
        for (const hash of hashes) filter.add(hash);
        const halved = filter.halved().halved();
        expect(hashes.every((hash) => mayHave(filter.bytes, hash) && mayHave(halved.bytes, hash))).toBe(true);
      }),
    );
  });

  it('denies nearly all hashes that were not added', () => {
    const hashes = Array.from({ length: 20_000 }, (_, i) => hashOfId(`id ${i}`));
    const filter = BloomFilter.of(hashes.slice(0, 10_000), 16);
    const wrong = hashes.slice(10_000).filter((hash) => mayHave(filter.bytes, hash)).length;
    expect(wrong).toBeLessThan(100);
  });

  it('gets every hash from a list that leaves out repeats, also 0', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(0, 1, 8192, 8193), fc.nat(2 ** 32 - 1))), (hashes) => {
        const list = new HashList(8192);
        for (const hash of hashes) list.add(hash);
        expect(new Set(list.list)).toEqual(new Set(hashes));
      }),
    );
  });
});
