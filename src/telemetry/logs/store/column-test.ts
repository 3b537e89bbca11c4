// Tests many rows at once with the columns of a page, before records are made of them.
// Invariant: a row that is said to match matches, and one that is said not to match does not (query/match.ts).
import { isColumn } from '../query/field-names.ts';
import { attributePath, presenceTest, textsOf, valueTest, type ValueTest } from '../query/field-test.ts';
import { possible } from '../query/possible.ts';
import type { QueryNode } from '../query/query-node.ts';
import { isNative, RowsKnowledge } from './block-knowledge.ts';
import { ROW_MATCH, ROW_MISMATCH } from './member-column.ts';
import type { Page } from './page.ts';
import { HAS, isShapeColumn } from './shape.ts';

const EITHER = ROW_MATCH | ROW_MISMATCH;

/** Bits of each row, or those of all rows. */
type Outcomes = Uint8Array | number;
type Test = (page: Page) => Outcomes;

const outcome = (isMatch: boolean): number => (isMatch ? ROW_MATCH : ROW_MISMATCH);

/** The outcomes of each shape, for the rows. */
function byShape(page: Page, ofShape: readonly number[]): Outcomes {
  const [first = EITHER] = ofShape;
  if (ofShape.every((one) => one === first)) return first;
  const { shape } = page;
  const out = new Uint8Array(page.rows);
  for (let row = 0; row < out.length; row++) out[row] = ofShape[shape[row]!]!;
  return out;
}

/** What shapes tell. */
function shapeTest(node: QueryNode): Test {
  const evaluate = possible(node);
  const bits = { none: ROW_MISMATCH, all: ROW_MATCH, some: EITHER };
  return (page) =>
    byShape(
      page,
      page.shapes.map((_, index) => bits[evaluate(new RowsKnowledge(page, index))]),
    );
}

function memberTest(name: string, matches: ValueTest, only: readonly string[] | undefined): Test {
  const path = attributePath(name);
  const ofMissing = outcome(matches(undefined));
  return (page) => {
    const column = page.members?.find(path);
    if (column === undefined) return EITHER;
    const native = page.shapes.map((shape) => isNative(path, shape));
    if (column === 'missing')
      return byShape(
        page,
        native.map((one) => (one ? EITHER : ofMissing)),
      );
    const out = column.outcomes(matches, only);
    if (native.includes(true))
      for (let row = 0; row < out.length; row++) if (native[page.shape[row]!]) out[row] = EITHER;
    return out;
  };
}

/** Joins outcomes. `decisive`: the bit that one part can decide with: a mismatch for `and`, a match for `or`. */
function join(a: Outcomes, b: Outcomes, decisive: number): Outcomes {
  const neutral = EITHER - decisive;
  const of = (x: number, y: number): number => (x & y & neutral) | ((x | y) & decisive);
  if (typeof a === 'number') {
    if (a === decisive) return a;
    if (a === neutral) return b;
    if (typeof b === 'number') return of(a, b);
    return b.map((one) => of(a, one));
  }
  if (typeof b === 'number') return join(b, a, decisive);
  for (let i = 0; i < a.length; i++) a[i] = of(a[i]!, b[i]!);
  return a;
}

const isDecided = (outcomes: Outcomes, bits: number): boolean =>
  typeof outcomes === 'number' ? outcomes === bits : outcomes.every((one) => one === bits);

const hasParent: Test = (page) =>
  byShape(
    page,
    page.shapes.map(({ has }) => outcome((has & HAS.parent) !== 0)),
  );

interface CompiledTest {
  readonly test: Test;
  /** Names of members that it reads. */
  readonly names: readonly string[];
  /** Shapes, durations and members do not tell everything. */
  readonly readsMore?: true;
}

function fieldTest(
  node: Extract<QueryNode, { readonly op: 'field' | 'exists' }>,
  matches: ValueTest,
): CompiledTest {
  const { name } = node;
  const only = node.op === 'field' ? textsOf(node) : undefined;
  if (!isColumn(name)) return { test: memberTest(name, matches, only), names: [attributePath(name)] };
  if (name === 'durationNs')
    return {
      test: ({ durationNs }) => Uint8Array.from(durationNs, (value) => outcome(matches(value))),
      names: [],
    };
  return { test: shapeTest(node), names: [], ...(!isShapeColumn(name) && { readsMore: true }) };
}

function compileTest(node: QueryNode): CompiledTest {
  switch (node.op) {
    case 'all':
      return { test: () => ROW_MATCH, names: [] };
    case 'and':
    case 'or': {
      const decisive = node.op === 'and' ? ROW_MISMATCH : ROW_MATCH;
      // Shapes first, since columns must be read.
      const parts = node.of.map(compileTest).sort((a, b) => a.names.length - b.names.length);
      return {
        test(page) {
          let result: Outcomes = EITHER - decisive;
          for (const { test } of parts) {
            result = join(result, test(page), decisive);
            if (isDecided(result, decisive)) return decisive;
          }
          return result;
        },
        names: parts.flatMap(({ names }) => names),
        ...(parts.some(({ readsMore }) => readsMore) && { readsMore: true }),
      };
    }
    case 'not': {
      const { test, ...reads } = compileTest(node.of);
      const negated = (bits: number): number => ((bits & 1) << 1) | (bits >> 1);
      return {
        test(page) {
          const outcomes = test(page);
          return typeof outcomes === 'number' ? negated(outcomes) : outcomes.map(negated);
        },
        ...reads,
      };
    }
    case 'exists':
      if (node.name === 'parentSpanId') return { test: hasParent, names: [] };
      return fieldTest(node, presenceTest(node.name));
    case 'field':
      return fieldTest(node, valueTest(node));
    case 'words':
    case 'substring':
    case 'regex':
      return { test: shapeTest(node), names: [], readsMore: true };
  }
}
/** The test of a query. */
export class ColumnTest {
  /** Names of members that it reads. */
  readonly names: readonly string[];
  /** Shapes, durations and these members decide all rows but those of native records. */
  readonly isComplete: boolean;
  readonly #test: Test;

  constructor(node: QueryNode) {
    const { test, names, readsMore } = compileTest(node);
    this.#test = test;
    this.names = names;
    this.isComplete = readsMore !== true;
  }

  /** For each row of a page with `members`: ROW_MATCH, ROW_MISMATCH, or both: it is not decided. */
  outcomes(page: Page): Uint8Array {
    const outcomes = this.#test(page);
    return typeof outcomes === 'number' ? new Uint8Array(page.rows).fill(outcomes) : outcomes;
  }
}
