// Finds the rows of a page that a query may match, with what the page knows without making records.
// Invariant: every row that the query matches is marked.
import type { LogRecord } from '../log-record.ts';
import type { WordTest } from '../query/required-words.ts';
import { ColumnsPage } from './columns-page.ts';
import { firstTime, lastTime, overlaps } from './block-directory.ts';
import { RowsKnowledge } from './block-knowledge.ts';
import type { OpenPage } from './open-page.ts';
import type { Page } from './page.ts';
import type { ColumnTest } from './column-test.ts';
import { traceTimes, type SearchPlan, type WantedId } from './search-plan.ts';
import type { SegmentQuery } from './segment-query.ts';
import { HAS } from './shape.ts';

/** Marks of rows: the query matches none, some, or all such rows; or the numbers of the row may decide. */
export const NO_MATCH = 0;
const MAY_MATCH = 1;
export const MATCH = 2;
const MATCH_BY_ROW = 3;
/** The record is not as it is stored, so only its final form can tell (changed-records.ts). */
export const NEEDS_RECORD = 4;

export interface RowMask {
  /** Mark of each row. */
  readonly marks: Uint8Array;
  /** Number of rows with a mark other than NO_MATCH. */
  readonly count: number;
}

/** Marks the rows of a page; `undefined`: none can match. `decided`: marks of these rows, as of `blockMarks`. */
export function maskOf(open: OpenPage, plan: SearchPlan, decided?: Uint8Array): RowMask | undefined {
  const { page } = open;
  if (page instanceof ColumnsPage) return withoutReplaced(blockMarks(page, plan.query.rows!), page, plan);
  if (decided === undefined) return maskOfPage(open, plan);
  if (!decided.includes(MAY_MATCH)) return withoutReplaced(decided.slice(), page, plan);
  const mask = maskOfPage(open, plan);
  const count = mask === undefined ? 0 : decide(mask.marks, decided);
  return count === 0 ? undefined : { marks: mask!.marks, count };
}

function maskOfPage(open: OpenPage, plan: SearchPlan): RowMask | undefined {
  const { page } = open;
  const { durationNs, requestIds, traceIds, tracedIds, words } = plan.query.prefilter;
  // Few rows have a certain id, so this saves most of what follows.
  const marks = requestIds
    ? markRequests(open, new Uint8Array(page.rows), requestIds, plan.requests!, plan)
    : traceIds
      ? markTraces(open, traceIds, plan.traces!, plan)
      : new Uint8Array(page.rows).fill(MAY_MATCH);
  if (!requestIds && traceIds && tracedIds) markRequests(open, marks, tracedIds, plan.traced!, plan);
  if ((requestIds ?? traceIds) && !marks.includes(MAY_MATCH)) return undefined;
  let count = markShapes(page, marks, plan);
  const { rows } = plan.query;
  if (count > 0 && page.members && rows && rows.names.length > 0)
    count = decide(marks, blockMarks(page, rows));
  if (count > 0 && durationNs) count = markDurations(page, marks, durationNs);
  if (count > 0 && words) count = markWords(open, marks, words);
  if (count > 0) count -= plan.replaced.mark(page, marks, NO_MATCH);
  return count === 0 ? undefined : { marks, count };
}

/** Marks of the rows of a block, from its columns. A row that they do not decide has MAY_MATCH. */
export function blockMarks(page: Page, test: ColumnTest): Uint8Array {
  const outcomes = test.outcomes(page);
  for (let row = 0; row < outcomes.length; row++) outcomes[row] = MARKS[outcomes[row]!]!;
  return outcomes;
}

/** By bits of outcomes (member-column.ts). */
const MARKS = [NO_MATCH, MATCH, NO_MATCH, MAY_MATCH];

/** Decides the marked rows that `decided` does. Returns how many may match. */
function decide(marks: Uint8Array, decided: Uint8Array): number {
  let count = 0;
  for (let row = 0; row < marks.length; row++) {
    if (marks[row] === NO_MATCH) continue;
    if (decided[row] !== MAY_MATCH) marks[row] = decided[row]!;
    if (marks[row] !== NO_MATCH) count++;
  }
  return count;
}

/** Leaves out replaced rows, and counts the others. */
function withoutReplaced(marks: Uint8Array, page: Page, { replaced }: SearchPlan): RowMask | undefined {
  replaced.mark(page, marks, NO_MATCH);
  let count = 0;
  for (const mark of marks) if (mark !== NO_MATCH) count++;
  return count === 0 ? undefined : { marks, count };
}

/** The record of a marked row; `undefined` if the query does not match it. */
export function matchingRecord(
  page: Page,
  row: number,
  mark: number,
  { possible, matches }: SegmentQuery,
): LogRecord | undefined {
  if (mark === MATCH) return page.record(row);
  const verdict = mark === MAY_MATCH ? 'some' : possible(new RowsKnowledge(page, page.shape[row]!, row));
  if (verdict === 'none') return undefined;
  const record = page.record(row);
  return verdict === 'all' || matches(record) ? record : undefined;
}

/** True if the query matches a marked row. `recordOf` is called if only the record can tell. */
export function isMatch(
  page: Page,
  row: number,
  mark: number,
  { possible, matches }: SegmentQuery,
  recordOf: (row: number) => LogRecord,
): boolean {
  if (mark === MATCH) return true;
  const verdict = mark === MAY_MATCH ? 'some' : possible(new RowsKnowledge(page, page.shape[row]!, row));
  return verdict === 'all' || (verdict === 'some' && matches(recordOf(row)));
}

/** Marks rows with what the query says about their shapes. Returns how many may match. */
function markShapes(page: Page, marks: Uint8Array, plan: SearchPlan): number {
  const ofShape = new Uint8Array(page.shapes.length);
  const isKnown = new Uint8Array(page.shapes.length);
  const { shape } = page;
  let count = 0;
  for (let row = 0; row < marks.length; row++) {
    if (marks[row] === NO_MATCH) continue;
    const index = shape[row]!;
    if (isKnown[index] === 0) {
      isKnown[index] = 1;
      ofShape[index] = markOfShape(page, index, plan);
    }
    if ((marks[row] = ofShape[index]!) !== NO_MATCH) count++;
  }
  return count;
}

function markOfShape(page: Page, index: number, plan: SearchPlan): number {
  const shape = page.shapes[index]!;
  const cached = page.hasSharedShapes ? plan.marks.get(shape) : undefined;
  if (cached !== undefined) return cached;
  const known = new RowsKnowledge(page, index);
  const verdict = plan.query.possible(known);
  const ofSome = known.dependsOnRow ? MATCH_BY_ROW : MAY_MATCH;
  const mark = verdict === 'none' ? NO_MATCH : verdict === 'all' ? MATCH : ofSome;
  if (page.hasSharedShapes && !known.dependsOnPage) plan.marks.set(shape, mark);
  return mark;
}

function markDurations(
  { durationNs }: Page,
  marks: Uint8Array,
  [from, to]: readonly [number, number],
): number {
  let count = 0;
  for (let row = 0; row < marks.length; row++) {
    if (marks[row] === NO_MATCH) continue;
    const value = durationNs[row]!;
    if (value < from || value > to) marks[row] = NO_MATCH;
    else count++;
  }
  return count;
}

function markRequests(
  { page, times }: OpenPage,
  marks: Uint8Array,
  ids: readonly string[],
  wanted: readonly WantedId[],
  plan: SearchPlan,
): Uint8Array {
  if (mayMatchWith(page, HAS.ownId, plan)) {
    const all = new Set(ids);
    const isWanted = (row: number): boolean =>
      (page.shapeOf(row).has & HAS.ownId) !== 0 && all.has(page.requestId(row));
    for (const { ms } of wanted)
      if (ms !== undefined && overlaps(times, ms, ms)) markTime(page, marks, ms, isWanted);
  }
  const { numbers, ranks } = namedRows(page, HAS.requestId, ids, plan);
  if (numbers.size > 0)
    for (let row = 0; row < marks.length; row++)
      if (
        (page.shapeOf(row).has & HAS.requestId) !== 0 &&
        numbers.has(page.names.requestIds.numberAt(ranks[row]!))
      )
        marks[row] = MAY_MATCH;
  return marks;
}

function markTraces(
  { page, times }: OpenPage,
  ids: readonly string[],
  wanted: readonly WantedId[],
  plan: SearchPlan,
): Uint8Array {
  const marks = new Uint8Array(page.rows);
  const [first, last] = [firstTime(times), lastTime(times)];
  const isWanted = (row: number): boolean => ids.includes(page.traceId(row));
  for (const { ms } of wanted)
    if (ms !== undefined)
      for (const time of traceTimes(ms, first, last)) markTime(page, marks, time, isWanted);
  const { numbers, ranks } = namedRows(page, HAS.trace, ids, plan);
  const mayFollow = page.shapes.map(({ has }) => (has & HAS.ownTrace) !== 0 && (has & HAS.requestId) !== 0);
  if (numbers.size > 0 || mayFollow.includes(true))
    for (let row = 0; row < marks.length; row++) {
      const hasName =
        (page.shapeOf(row).has & HAS.trace) !== 0 && numbers.has(page.names.traces.numberAt(ranks[row]!));
      if (hasName || (mayFollow[page.shape[row]!] && isWanted(row))) marks[row] = MAY_MATCH;
    }
  return marks;
}

/** True if rows with the column may match. */
const mayMatchWith = (page: Page, column: number, plan: SearchPlan): boolean =>
  page.shapes.some(({ has }, index) => (has & column) !== 0 && markOfShape(page, index, plan) !== NO_MATCH);

/** Marks the rows of a time that pass the test. */
function markTime({ timeMs }: Page, marks: Uint8Array, ms: number, test: (row: number) => boolean): void {
  for (let row = timeMs.indexOf(ms); row !== -1; row = timeMs.indexOf(ms, row + 1))
    if (test(row)) marks[row] = MAY_MATCH;
}

/** The numbers of ids that are stored as texts, and the ranks of the rows that have such an id. */
function namedRows(
  page: Page,
  column: typeof HAS.requestId | typeof HAS.trace,
  ids: readonly string[],
  plan: SearchPlan,
): { readonly numbers: ReadonlySet<number>; readonly ranks: Uint32Array } {
  if (!mayMatchWith(page, column, plan)) return { numbers: new Set(), ranks: new Uint32Array() };
  const { requestIds, traces } = page.names;
  return { numbers: (column === HAS.trace ? traces : requestIds).find(ids), ranks: page.ranksOf(column) };
}

/** Names of attributes that are part of the searchable text (searchable-text.ts) of a record of this kind. */
const textAttributes = ({ kind }: Pick<LogRecord, 'kind'>): readonly string[] =>
  kind === 'request' ? ['exc_info', 'path', 'cause', 'detail'] : ['exc_info'];

/** Looks for the words in the messages. Returns how many rows may match. */
function markWords(open: OpenPage, marks: Uint8Array, words: WordTest): number {
  const { page } = open;
  const names = page.attributeNames;
  /** Shapes whose text is not only the message: these rows keep their marks. */
  const hasMoreText = page.shapes.map(
    (shape) =>
      shape.native !== undefined ||
      ((shape.has & HAS.attributes) !== 0 &&
        (names === undefined ||
          names.hasOthers ||
          textAttributes(shape).some((name) => name !== 'exc_info' && names.names.includes(name)))),
  );
  const messages = page.countOf(HAS.message) === 0 ? undefined : open.messagesWith(words);
  const ranks = page.ranksOf(HAS.message);
  const attributeRanks = page.ranksOf(HAS.attributes);
  const tracebacks = names?.names.includes('exc_info') ? page.attributes.values('exc_info') : undefined;
  let count = 0;
  for (let row = 0; row < marks.length; row++) {
    if (marks[row] === NO_MATCH) continue;
    const index = page.shape[row]!;
    const { has } = page.shapes[index]!;
    const mayMatch =
      hasMoreText[index] ||
      (has & HAS.message) === 0 ||
      messages === undefined ||
      messages[ranks[row]!] === 1 ||
      (tracebacks !== undefined &&
        (has & HAS.attributes) !== 0 &&
        tracebacks.numbers[attributeRanks[row]!] !== -1);
    if (mayMatch) count++;
    else marks[row] = NO_MATCH;
  }
  return count;
}
