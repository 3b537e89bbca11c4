// Reads the tail of the newest file after a restart, so that its records go on as if weir had not ended.
// Invariant: rows keep their sequence numbers. A damaged page of the tail ends a block, since its numbers are missing.
import { describe } from '../../../core/errors.ts';
import { BlockRows } from './block-rows.ts';
import { DamagedBlobError } from './blob.ts';
import { tailPlace, type TailPage } from './day-file.ts';
import { Page } from './page.ts';
import type { Shape } from './shape.ts';
import { fromTailBlob } from './tail-page.ts';

export interface RestoredTail {
  /** Blocks of rows in the tail, in order. All but the last one are to be sealed. */
  readonly blocks: BlockRows[];
  readonly damaged: readonly { readonly place: number; readonly problem: string }[];
}

/**
 * `tail`: in order of the sequence numbers. `replacedIn` returns the records from one sequence number to another that were
 * replaced.
 */
export function restoreTail(
  tail: readonly TailPage[],
  replacedIn: (first: number, last: number) => readonly number[],
): RestoredTail {
  const blocks: BlockRows[] = [];
  const damaged: RestoredTail['damaged'][number][] = [];
  const shapes = new Map<string, Shape>();
  for (const { seq, page: blob } of tail) {
    let page: Page;
    try {
      const parts = fromTailBlob(blob);
      page = new Page(seq, (part) => parts[part]!);
    } catch (error) {
      if (!(error instanceof DamagedBlobError)) throw error;
      damaged.push({ place: tailPlace(seq), problem: describe(error) });
      continue;
    }
    for (let row = 0; row < page.rows; row++) {
      let rows = blocks.at(-1);
      if (rows === undefined || rows.nextSeq !== seq + row || rows.isFull)
        blocks.push((rows = new BlockRows(seq + row)));
      const shape = page.shapeOf(row);
      const key = JSON.stringify(shape);
      const known = shapes.get(key);
      if (known === undefined) shapes.set(key, shape);
      rows.copy(page, row, known ?? shape);
    }
  }
  for (const rows of blocks) {
    for (const seq of replacedIn(rows.firstSeq, rows.nextSeq - 1)) rows.replace(seq - rows.firstSeq);
    rows.stored();
  }
  return { blocks, damaged };
}
