import { describe, expect, it } from 'vitest';
import { Block } from '../../../../src/telemetry/logs/store/block.ts';
import { BlockRows } from '../../../../src/telemetry/logs/store/block-rows.ts';
import { sealBlock } from '../../../../src/telemetry/logs/store/seal-block.ts';
import { recordOf } from '../query/arbitrary.ts';
import { lineRow } from './stored-rows.ts';

const MAY_HAVE = () => true;
const blockOf = (directory: unknown): Block =>
  new Block(100, 3, Buffer.from(JSON.stringify(directory)), 7, 2, MAY_HAVE);

describe('a block', () => {
  it('says the same whether its directory begins with a summary or is of an earlier version', () => {
    const rows = new BlockRows(100);
    for (const [i, requestId] of ['', 'r1', ''].entries()) {
      lineRow(recordOf({ requestId, timeNs: BigInt(1_000_000 + i * 5000) * 1_000_000n })).addTo(rows);
      if (i === 1) rows.pageEnds.push(rows.count);
    }
    const { directory } = sealBlock(rows).block;
    const { span, ...earlier } = directory;
    const [block, old] = [blockOf(directory), blockOf(earlier)];
    expect(span).toEqual([1_000_000, 1_010_000]);
    for (const one of [block, old]) {
      expect([one.firstMs, one.lastMs, one.span]).toEqual([1_000_000, 1_010_000, span]);
      expect([one.hasForeignIds, one.tracedRequests]).toEqual([true, 'none']);
      expect(one.pages.map(({ seq, last, times }) => [seq, last, times])).toEqual([
        [100, 101, [1_000_000, 1_000_000, 1_005_000, 1_005_000]],
        [102, 102, [1_010_000, 1_010_000]],
      ]);
      expect(one.known.column('kind')).toEqual({ values: ['line'] });
    }
  });

  it('is not parsed as long as its summary is enough', () => {
    const text = '{"span":[1,20],"hasForeignIds":false,"tracedRequests":"own","pages":';
    const block = new Block(100, 3, Buffer.from(text), 7, 2, MAY_HAVE);
    expect([block.firstMs, block.lastMs, block.hasForeignIds, block.tracedRequests]).toEqual([
      1,
      20,
      false,
      'own',
    ]);
    expect(() => block.pages).toThrow(SyntaxError);
  });

  it('may have anything that its directory does not tell', () => {
    const block = blockOf({ pages: [{ rows: 3, times: [5, 9], bytes: 1 }] });
    expect([block.span, block.hasForeignIds, block.tracedRequests]).toEqual([[5, 9], true, 'any']);
    expect(block.known.column('kind')).toBeUndefined();
  });
});
