// Finds the rows of a page that a query may match, with what the page knows without making records.
// Invariant: every row that the query matches is marked.
import type { LogRecord } from '../log-record.ts';
import type { WordTest } from '../query/required-words.ts';
import { RowsKnowledge } from './block-knowledge.ts';
import type { OpenPage } from './open-page.ts';
import type { Page } from './page.ts';
import { isTraceTime, type SearchPlan, type WantedId } from './search-plan.ts';
import type { SegmentQuery } from './segment-query.ts';
import { HAS } from './shape.ts';

/** Marks of rows: the query matches none, some, or all such rows; or the numbers of the row may decide. */
export const NO_MATCH = 0;
const MAY_MATCH = 1;
const MATCH = 2;
const MATCH_BY_ROW = 3;

export interface RowMask {
  /** Mark of each row. */
  readonly marks: Uint8Array;
  /** Number of rows with a mark other than NO_MATCH. */
  readonly count: number;
}

/** Marks the rows of a page; `undefined`: none can match. */
export function maskOf(open: OpenPage, plan: SearchPlan): RowMask | undefined {
  const { page } = open;
  const marks = new Uint8Array(page.rows).fill(MAY_MATCH);
  const { durationNs, requestIds, traceIds, words } = plan.query.prefilter;
  // Few rows have a certain id, so this saves most of what follows.
  if (requestIds) markRequests(page, marks, requestIds, plan.requests!);
  if (traceIds) markTraces(page, marks, traceIds, plan.traces!);
  let count = markShapes(page, marks, plan);
  if (count > 0 && durationNs) count = markDurations(page, marks, durationNs);
  if (count > 0 && words) count = markWords(open, marks, words);
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
  const cached = plan.marks.get(shape);
  if (cached !== undefined) return cached;
  const known = new RowsKnowledge(page, index);
  const verdict = plan.query.possible(known);
  const ofSome = known.dependsOnRow ? MATCH_BY_ROW : MAY_MATCH;
  const mark = verdict === 'none' ? NO_MATCH : verdict === 'all' ? MATCH : ofSome;
  if (!known.dependsOnPage) plan.marks.set(shape, mark);
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
  page: Page,
  marks: Uint8Array,
  ids: readonly string[],
  wanted: readonly WantedId[],
): void {
  const { shape, timeMs } = page;
  const has = Uint32Array.from(page.shapes, (one) => one.has);
  const times = wanted.map(({ ms }) => ms ?? Number.NaN);
  // Compared first, since this is faster than looking into a list.
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const isOnly = first === last;
  let named: ReadonlySet<number> | undefined;
  for (let row = 0; row < marks.length; row++) {
    const columns = has[shape[row]!]!;
    let isWanted = false;
    if ((columns & HAS.ownId) !== 0) {
      const ms = timeMs[row]!;
      isWanted = (isOnly ? ms === first : times.includes(ms)) && ids.includes(page.requestId(row));
    } else if ((columns & HAS.requestId) !== 0) {
      named ??= page.names.requestIds.find(ids);
      isWanted = named.has(page.names.requestIds.numberAt(page.ranksOf(HAS.requestId)[row]!));
    }
    if (!isWanted) marks[row] = NO_MATCH;
  }
}

function markTraces(
  page: Page,
  marks: Uint8Array,
  ids: readonly string[],
  wanted: readonly WantedId[],
): void {
  const { shape, timeMs } = page;
  const has = Uint32Array.from(page.shapes, (one) => one.has);
  const times = wanted.map(({ ms }) => ms ?? Number.NaN);
  let named: ReadonlySet<number> | undefined;
  for (let row = 0; row < marks.length; row++) {
    const columns = has[shape[row]!]!;
    let isWanted = false;
    if ((columns & HAS.ownTrace) !== 0) {
      let mayBeOwn = (columns & HAS.ownId) === 0;
      for (let i = 0; i < times.length; i++) if (isTraceTime(timeMs[row]!, times[i]!)) mayBeOwn = true;
      isWanted = mayBeOwn && ids.includes(page.traceId(row));
    } else if ((columns & HAS.trace) !== 0) {
      named ??= page.names.traces.find(ids);
      isWanted = named.has(page.names.traces.numberAt(page.ranksOf(HAS.trace)[row]!));
    }
    if (!isWanted) marks[row] = NO_MATCH;
  }
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
