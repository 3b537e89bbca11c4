// All records of a block as one page, of which only shapes, times, durations and members of the attributes can be read.
// Invariant: it has the rows of the pages of the block, in the same order. A record is read from these pages.
import type { LogRecord } from '../log-record.ts';
import { isColumn } from '../query/field-names.ts';
import { attributePath } from '../query/field-test.ts';
import type { GroupQuery } from '../query/group-query.ts';
import { isAttribute } from '../query/record-value.ts';
import type { Block, PageRef } from './block.ts';
import { MemberColumn, type PageMembers } from './member-column.ts';
import type { ColumnMemory } from './number-column.ts';
import { PART } from './encode-page.ts';
import { Page, type ReadPart } from './page.ts';
import type { SegmentQuery, TimeRange } from './segment-query.ts';
import { isShapeColumn } from './shape.ts';

const NS_PER_MS = 1_000_000n;

/** The names that a group query reads of matching records. */
export const namesRead = ({ by, measures }: GroupQuery): string[] =>
  [...by, ...measures].flatMap((one) => ('field' in one ? [one.field] : []));

/** True if a time is at the edge of a millisecond, or no record of the block is in its millisecond. */
const needsNoRest = ({ firstMs, lastMs }: Block, ns: bigint, rest: bigint): boolean =>
  ns % NS_PER_MS === rest || ns / NS_PER_MS < firstMs || ns / NS_PER_MS > lastMs;

/**
 * The columns of a block if they are enough for a query: they decide its rows, and have the values of these names.
 * `undefined`: the pages of the block must be read.
 */
export function columnsFor(
  block: Block,
  { rows }: SegmentQuery,
  names: readonly string[],
  { fromNs, toNs }: TimeRange,
): PageRef | undefined {
  if (rows?.isComplete !== true || block.columns === undefined) return undefined;
  const isKnown = (name: string): boolean =>
    isAttribute(name)
      ? block.known.findMember(attributePath(name)) !== undefined
      : !isColumn(name) || isShapeColumn(name) || name === 'durationNs';
  // Nanoseconds are not among the columns.
  const hasTimes = needsNoRest(block, fromNs, 0n) && needsNoRest(block, toNs, NS_PER_MS - 1n);
  return hasTimes && [...rows.names, ...names].every(isKnown) ? block.columns : undefined;
}

/** Reads a column of the block by its number (day-file.ts, memberPlace). Throws if it is damaged or missing. */
type ReadColumn = (column: number) => Uint8Array;

export class ColumnsPage extends Page {
  override readonly members: PageMembers;
  readonly #recordOf: (row: number) => LogRecord;

  /** `recordOf`: reads a record from the pages of the block. */
  constructor(
    block: Block,
    read: ReadColumn,
    recordOf: (row: number) => LogRecord,
    memory: ColumnMemory | undefined,
  ) {
    const readMain: ReadPart = (part) => {
      if (part !== PART.main) throw new TypeError(`the columns of a block have no part ${part}`);
      return read(0);
    };
    super(block.seq, readMain, undefined, memory);
    this.#recordOf = recordOf;
    const columns: MemberColumn[] = [];
    this.members = {
      find: (name) => {
        const column = block.known.findMember(name);
        if (typeof column !== 'number') return column;
        // The first column is that of all records.
        return (columns[column] ??= new MemberColumn(read(column + 1), this.rows));
      },
    };
  }

  override record(row: number): LogRecord {
    return this.#recordOf(row);
  }
}
