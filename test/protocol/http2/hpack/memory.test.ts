// What HPACK keeps is bounded: fields that recur, and blocks that are remembered.
import { describe, expect, it } from 'vitest';
import { EncodedBlocks } from '../../../../src/protocol/http2/hpack/encoded-blocks.ts';
import { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import { InternedFields, intern } from '../../../../src/protocol/http2/hpack/interned-fields.ts';
import { RememberedBlocks } from '../../../../src/protocol/http2/hpack/remembered-blocks.ts';
import { dropsNothing } from './blocks.ts';

describe('interned fields', () => {
  it('are one object for a name and value', () => {
    expect(intern('a', 'b')).toBe(intern('a', 'b'));
    expect(intern('a', 'b')).not.toBe(intern('a', 'c'));
    expect(intern('a', 'b')).not.toBe(intern('b', 'b'));
  });

  it('are at most twice as many as the limit, and twice as many bytes', () => {
    const few = new InternedFields(100, 1024 * 1024);
    for (let i = 0; i < 10_000; i++) {
      few.get('x-id', String(i));
      expect(few.count).toBeLessThanOrEqual(200);
    }
    expect(few.count).toBeGreaterThan(100);
    const small = new InternedFields(1_000_000, 10_000);
    for (let i = 0; i < 10_000; i++) {
      small.get(`name-${i}`, 'x'.repeat(i % 1000));
      expect(small.bytes).toBeLessThanOrEqual(20_000);
    }
  });

  it('stay as long as they are in use', () => {
    const fields = new InternedFields(100, 1024 * 1024);
    const field = fields.get('user-agent', 'a');
    for (let i = 0; i < 10_000; i++) {
      fields.get('x-id', String(i));
      if (i % 50 === 0) fields.get('user-agent', 'a');
    }
    expect(fields.get('user-agent', 'a')).toBe(field);
  });

  it('have no secrets among them, and no large values', () => {
    const fields = new InternedFields(100, 1024 * 1024);
    expect(fields.get('authorization', 'secret').isNeverIndexed).toBe(true);
    fields.get('x-large', 'x'.repeat(1025));
    expect(fields.count).toBe(0);
  });
});

describe('remembered blocks', () => {
  const block = (size: number): HeaderBlock => HeaderBlock.of(['a', 'x'.repeat(size)]);

  it('are at most 8 of a connection', () => {
    const blocks = new RememberedBlocks();
    for (let i = 0; i < 100; i++) blocks.consider(Buffer.from([i]), 0, 1, block(1), false);
    expect(blocks.count).toBe(8);
    expect(blocks.find(Buffer.from([99]), 0, 1)).toBeDefined();
    expect(blocks.find(Buffer.from([91]), 0, 1)).toBeUndefined();
  });

  it('are small, and so are their fields', () => {
    const blocks = new RememberedBlocks();
    blocks.consider(Buffer.alloc(1025), 0, 1025, block(1), false);
    blocks.consider(Buffer.alloc(1), 0, 1, block(16 * 1024), false);
    expect(blocks.count).toBe(0);
  });

  it('are found by all of their bytes', () => {
    const blocks = new RememberedBlocks();
    const bytes = Buffer.alloc(300, 7);
    blocks.consider(bytes, 100, 300, block(1), false);
    expect(blocks.find(bytes, 50, 250)).toBeDefined();
    for (const at of [0, 100, 183, 184, 199]) {
      const other = Buffer.from(bytes);
      other[at] = 8;
      expect(blocks.find(other, 0, 200), `byte ${at}`).toBeUndefined();
    }
    expect(blocks.find(bytes, 0, 199)).toBeUndefined();
  });

  it('have bytes of their own, since those of a read are overwritten', () => {
    const blocks = new RememberedBlocks();
    const bytes = Buffer.from([1, 2, 3, 4]);
    blocks.consider(bytes, 1, 3, block(1), false);
    bytes.fill(0);
    expect(blocks.find(Buffer.from([2, 3]), 0, 2)).toBeDefined();
  });
});

describe('encoded blocks', () => {
  it('are at most 256 blocks and 64 KiB of a connection', () => {
    const blocks = new EncodedBlocks();
    const out = Buffer.alloc(4096);
    for (let i = 0; i < 1000; i++) {
      const block = HeaderBlock.of([]);
      blocks.keep(block, dropsNothing, out, 0, i < 500 ? 1 : 1000);
      expect(blocks.find(block, dropsNothing)).toBeDefined();
      expect(blocks.count).toBeLessThanOrEqual(256);
      expect(blocks.bytes).toBeLessThanOrEqual(64 * 1024);
    }
    const block = HeaderBlock.of([]);
    blocks.keep(block, dropsNothing, out, 0, 2049);
    expect(blocks.find(block, dropsNothing)).toBeUndefined();
  });

  it('count once for a block with several filters', () => {
    const blocks = new EncodedBlocks();
    const block = HeaderBlock.of([]);
    for (let i = 0; i < 200; i++) blocks.keep(block, { drops: () => true }, Buffer.alloc(1000), 0, 1000);
    expect([blocks.count, blocks.bytes]).toEqual([1, 1000]);
  });
});
