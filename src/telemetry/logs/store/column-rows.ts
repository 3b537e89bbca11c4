// Reads one file for a scan: gives the values in the columns of its pages, in the order of sequence numbers.
// Invariant: the rows are those of the records that match, with the values of these records (query/record-value.ts).
import type { KeyValue } from '../query/group-query.ts';
import type { Block, PageRef } from './block.ts';
import { covers, isIn, rangeTest, type GroupPages } from './column-groups.ts';
import type { OpenPage } from './open-page.ts';
import { PageRecords, valuesOf, type ShapeValue } from './page-values.ts';
import { canBeTraced } from './request-traces.ts';
import { isMatch, MATCH, maskOf, NEEDS_RECORD, NO_MATCH } from './row-mask.ts';
import type { RowVisitor, ScanQuery } from './scan-query.ts';
import type { SearchPlan } from './search-plan.ts';
import { HAS, type Shape } from './shape.ts';

/** The parts of a file that a scan reads. */
type RowPages = Omit<GroupPages, 'sumsOf'>;

/** A record of this shape gets its trace id from its request (request-traces.ts), so its columns do not have it. */
const isTracedLater = ({ kind, has }: Shape): boolean =>
  canBeTraced(kind) && (has & (HAS.ownId | HAS.requestId)) !== 0 && (has & (HAS.ownTrace | HAS.trace)) === 0;

/** Values of a shape: those that all its rows have, and what reads the others. */
interface ValuesOfShape {
  readonly constants: readonly KeyValue[];
  readonly indexes: readonly number[];
  readonly readers: readonly ((row: number) => KeyValue)[];
}

/** Reads the values of rows. Most are constants of the shape, and are set once for rows of the same shape. */
class RowValues {
  readonly #columns: readonly (readonly ShapeValue[])[];
  readonly #shapes: ValuesOfShape[] = [];
  #last: ValuesOfShape | undefined;

  /** `columns`: the values of each name, by index of the shape. */
  constructor(columns: readonly (readonly ShapeValue[])[]) {
    this.#columns = columns;
  }

  /** Writes the values of a row into `out`, which is the same list in each call. */
  read(row: number, shape: number, out: KeyValue[]): void {
    const values = (this.#shapes[shape] ??= this.#valuesOf(shape));
    const { constants, indexes, readers } = values;
    if (values !== this.#last) for (let i = 0; i < constants.length; i++) out[i] = constants[i]!;
    this.#last = values;
    for (let i = 0; i < indexes.length; i++) out[indexes[i]!] = readers[i]!(row);
  }

  #valuesOf(shape: number): ValuesOfShape {
    const values = this.#columns.map((column) => column[shape]!);
    const indexes = Array.from(values.keys()).filter((i) => typeof values[i] === 'function');
    return {
      constants: values.map((value) => (typeof value === 'function' ? null : value)),
      indexes,
      readers: indexes.map((i) => values[i] as (row: number) => KeyValue),
    };
  }
}

export class ColumnRows {
  readonly #query: Omit<ScanQuery, 'node'>;
  readonly #plan: SearchPlan;
  readonly #pages: RowPages;
  readonly #visitor: RowVisitor;
  readonly #values: KeyValue[];
  readonly #usesTrace: boolean;
  /** Sequence number of the last row that the visitor got. */
  #visited = 0;

  constructor(query: Omit<ScanQuery, 'node'>, plan: SearchPlan, pages: RowPages, visitor: RowVisitor) {
    this.#query = query;
    this.#plan = plan;
    this.#pages = pages;
    this.#visitor = visitor;
    this.#values = query.names.map(() => null);
    this.#usesTrace = query.names.includes('traceId');
  }

  /**
   * Reads on behind a sequence number, at least one page, until `deadlineMs` (performance.now()). Returns the sequence
   * number up to which the file was read; `undefined`: to its end.
   */
  read(seq: number, deadlineMs: number): number | undefined {
    const { blocks, tail } = this.#pages.snapshot;
    for (const block of blocks) {
      if (block.last <= seq || !this.#mayBeIn(block)) continue;
      const columns = this.#pages.columnsOf(block);
      const reached =
        columns === undefined
          ? this.#readPages(block.pages, seq, deadlineMs)
          : this.#readColumns(columns, block, seq, deadlineMs);
      if (reached !== undefined) return reached;
    }
    return this.#readPages(tail, seq, deadlineMs);
  }

  #mayBeIn(block: Block): boolean {
    return (
      isIn(block.span, this.#query) && (this.#pages.changes !== undefined || this.#pages.blockMayMatch(block))
    );
  }

  /** Reads the columns of a block; if they are damaged, its pages. */
  #readColumns(columns: PageRef, block: Block, seq: number, deadlineMs: number): number | undefined {
    this.#visited = seq;
    const reached = this.#readPages([columns], seq, deadlineMs);
    return this.#pages.columnsOf(block) === columns
      ? reached
      : this.#readPages(block.pages, this.#visited, deadlineMs);
  }

  #readPages(pages: readonly PageRef[], seq: number, deadlineMs: number): number | undefined {
    for (const ref of pages) {
      if (ref.last <= seq || !isIn(ref.times, this.#query)) continue;
      const reached = this.#readPage(ref, seq);
      if (reached !== undefined) return reached;
      if (performance.now() > deadlineMs) return ref.last;
    }
    return undefined;
  }

  /** Returns the sequence number of the row after which the visitor ended the scan. */
  #readPage(ref: PageRef, seq: number): number | undefined {
    const mayMatch = this.#pages.pageMayMatch(ref);
    if (!mayMatch && this.#pages.changes === undefined) return undefined;
    let reached: number | undefined;
    this.#pages.read(ref, (open) => {
      const marks = this.#marksOf(open, mayMatch);
      if (marks !== undefined) reached = this.#visit(open, marks, seq);
    });
    return reached;
  }

  #marksOf(open: OpenPage, mayMatch: boolean): Uint8Array | undefined {
    const { changes } = this.#pages;
    const { page } = open;
    let marks = mayMatch ? maskOf(open, this.#plan)?.marks : undefined;
    if (changes !== undefined) {
      marks ??= new Uint8Array(page.rows);
      for (let row = 0; row < marks.length; row++)
        if (changes.needsRecord(page, row)) marks[row] = NEEDS_RECORD;
      this.#plan.replaced.mark(page, marks, NO_MATCH);
    }
    return marks;
  }

  #visit({ page, times }: OpenPage, marks: Uint8Array, seq: number): number | undefined {
    const { query } = this.#plan;
    const { names } = this.#query;
    const { changes } = this.#pages;
    const records = new PageRecords(page);
    const rowValues = new RowValues(names.map((name) => valuesOf(page, name, records)));
    const isTraced = page.shapes.map((shape) => this.#usesTrace && isTracedLater(shape));
    const isInRange = covers(this.#query, times) ? undefined : rangeTest(page, this.#query);
    const { shape, timeMs, firstSeq } = page;
    const values = this.#values;
    for (let row = Math.max(0, seq + 1 - firstSeq); row < marks.length; row++) {
      const mark = marks[row]!;
      if (mark === NO_MATCH || isInRange?.(row) === false) continue;
      let goesOn: boolean;
      if (mark === NEEDS_RECORD) {
        const record = changes!.merged(records.at(row));
        if (!query.matches(record)) continue;
        goesOn = this.#visitor.record(record);
      } else {
        if (mark !== MATCH && !isMatch(page, row, mark, query, records.at)) continue;
        const index = shape[row]!;
        if (isTraced[index]!) goesOn = this.#visitor.record(records.at(row));
        else {
          rowValues.read(row, index, values);
          goesOn = this.#visitor.row(firstSeq + row, timeMs[row]!, values);
        }
      }
      this.#visited = firstSeq + row;
      if (!goesOn) return firstSeq + row;
    }
    return undefined;
  }
}
