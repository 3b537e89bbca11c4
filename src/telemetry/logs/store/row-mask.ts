// Finds the rows of a page that a query may match, with what the page knows without making records.
// Invariant: every row that the query matches is marked.
import type { LogRecord } from '../log-record.ts';
import { ShapeKnowledge } from './block-knowledge.ts';
import type { OpenPage } from './open-page.ts';
import type { Page } from './page.ts';
import { isTraceTime, type SearchPlan, type WantedId } from './search-plan.ts';
import { HAS } from './shape.ts';

/** Marks of rows: the query matches none, some, or all such rows. */
export const NO_MATCH = 0;
export const MAY_MATCH = 1;
export const MATCH = 2;

export interface RowMask {
  /** Mark of each row. */
  readonly marks: Uint8Array;
  /** Number of rows with a mark other than NO_MATCH. */
  readonly count: number;
}

type RowTest = (row: number) => boolean;

/** Marks the rows of a page; `undefined`: none can match. */
export function maskOf(open: OpenPage, plan: SearchPlan): RowMask | undefined {
  const { page } = open;
  const { possible } = plan.query;
  const verdicts = page.shapes.map((_, i) => {
    const verdict = possible(new ShapeKnowledge(page, i));
    return verdict === 'none' ? NO_MATCH : verdict === 'all' ? MATCH : MAY_MATCH;
  });
  if (verdicts.every((verdict) => verdict === NO_MATCH)) return undefined;
  const marks = new Uint8Array(page.rows);
  let count = 0;
  const tests = verdicts.includes(MAY_MATCH) ? rowTests(open, plan, verdicts) : [];
  for (let row = 0; row < marks.length; row++) {
    const verdict = verdicts[page.shape[row]!]!;
    if (verdict === NO_MATCH || (verdict === MAY_MATCH && !tests.every((test) => test(row)))) continue;
    marks[row] = verdict;
    count++;
  }
  return count === 0 ? undefined : { marks, count };
}

function rowTests(open: OpenPage, plan: SearchPlan, verdicts: readonly number[]): RowTest[] {
  const { page } = open;
  const { durationNs, requestIds, traceIds, words } = plan.query.prefilter;
  const tests: RowTest[] = [];
  if (durationNs) {
    const [from, to] = durationNs;
    tests.push((row) => page.durationNs[row]! >= from && page.durationNs[row]! <= to);
  }
  if (requestIds) tests.push(requestTest(page, requestIds, plan.requests!));
  if (traceIds) tests.push(traceTest(page, traceIds, plan.traces!));
  if (words) {
    const test = wordTest(open, plan, verdicts);
    if (test) tests.push(test);
  }
  return tests;
}

function requestTest(page: Page, ids: readonly string[], wanted: readonly WantedId[]): RowTest {
  const named = page.countOf(HAS.requestId) === 0 ? undefined : page.names.requestIds.find(ids);
  const ranks = page.ranksOf(HAS.requestId);
  return (row) => {
    const { has } = page.shapeOf(row);
    if ((has & HAS.ownId) !== 0)
      return wanted.some(({ ms }) => ms === page.timeMs[row]) && ids.includes(page.requestId(row));
    return (has & HAS.requestId) !== 0 && named!.has(page.names.requestIds.numberAt(ranks[row]!));
  };
}

function traceTest(page: Page, ids: readonly string[], wanted: readonly WantedId[]): RowTest {
  const named = page.countOf(HAS.trace) === 0 ? undefined : page.names.traces.find(ids);
  const ranks = page.ranksOf(HAS.trace);
  return (row) => {
    const { has } = page.shapeOf(row);
    if ((has & HAS.ownTrace) !== 0) {
      const mayBeOwn =
        (has & HAS.ownId) === 0 ||
        wanted.some(({ ms }) => ms !== undefined && isTraceTime(page.timeMs[row]!, ms));
      return mayBeOwn && ids.includes(page.traceId(row));
    }
    return (has & HAS.trace) !== 0 && named!.has(page.names.traces.numberAt(ranks[row]!));
  };
}

/** Names of attributes that are part of the searchable text (searchable-text.ts) of a record of this kind. */
const textAttributes = ({ kind }: Pick<LogRecord, 'kind'>): readonly string[] =>
  kind === 'request' ? ['exc_info', 'path', 'cause', 'detail'] : ['exc_info'];

/** Looks for the words in the messages. `undefined`: every row may have them. */
function wordTest(open: OpenPage, { query }: SearchPlan, verdicts: readonly number[]): RowTest | undefined {
  const { page } = open;
  if (page.countOf(HAS.message) === 0) return undefined;
  const names = page.attributeNames;
  /** Shapes whose text is not only the message: these rows are not tested. Of the others, tracebacks are looked at. */
  const hasMoreText = page.shapes.map(
    (shape) =>
      shape.native !== undefined ||
      ((shape.has & HAS.attributes) !== 0 &&
        (names === undefined ||
          names.hasOthers ||
          textAttributes(shape).some((name) => name !== 'exc_info' && names.names.includes(name)))),
  );
  if (!page.shapes.some((_, i) => verdicts[i] === MAY_MATCH && !hasMoreText[i])) return undefined;
  const messages = open.messagesWith(query.prefilter.words!);
  if (messages === undefined) return undefined;
  const ranks = page.ranksOf(HAS.message);
  const attributeRanks = page.ranksOf(HAS.attributes);
  const tracebacks = names?.names.includes('exc_info') ? page.attributes.values('exc_info') : undefined;
  return (row) => {
    const shape = page.shape[row]!;
    if (hasMoreText[shape]) return true;
    const { has } = page.shapes[shape]!;
    if (tracebacks && (has & HAS.attributes) !== 0 && tracebacks.numbers[attributeRanks[row]!] !== -1)
      return true;
    return (has & HAS.message) !== 0 && messages[ranks[row]!] === 1;
  };
}
