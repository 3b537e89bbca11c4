// Filters of traces: a trace is found if one of its spans meets the filter, in which any_span(…) may be met by others.
// Invariant: every trace that meets the filter has a span that `candidates` finds.
import { cheapNode } from './cheap-node.ts';
import { constant, type Compiled } from './compiled.ts';
import { rowScope, testOf, type QueryClock, type RowTest } from './row-test.ts';
import type { ShownRow } from './request-row.ts';
import { nodeOf } from './store-filter.ts';
import type { QueryNode } from '../logs/logs.ts';
import { functionName, operandsOf, QueryError, type Expr } from './tree.ts';

const isAnySpan = (expr: Expr): boolean => expr.op === 'function' && functionName(expr) === 'any_span';
const hasAnySpan = (expr: Expr): boolean => isAnySpan(expr) || operandsOf(expr).some(hasAnySpan);

/** The condition of the store that one span at least of each matching trace meets. */
function candidateNode(filter: Expr): QueryNode | undefined {
  if (!hasAnySpan(filter)) return nodeOf(filter);
  if (isAnySpan(filter)) return operandsOf(filter)[0] && candidateNode(operandsOf(filter)[0]!);
  if (filter.op === 'and') {
    // Conditions outside any_span() are for the same span.
    const plain = filter.children.filter((part) => !hasAnySpan(part));
    if (plain.length > 0) return nodeOf({ op: 'and', children: plain });
    return filter.children.map(candidateNode).find((node) => node !== undefined);
  }
  if (filter.op === 'or') {
    const nodes = filter.children.map(candidateNode);
    return nodes.every((node) => node !== undefined) ? { op: 'or', of: nodes } : undefined;
  }
  return undefined;
}

export class TraceFilter {
  readonly node: QueryNode | undefined;
  /** Conditions joined by AND for one span, which bound its time. */
  readonly plain: Expr | undefined;
  readonly #test: RowTest;
  readonly #anySpans: { readonly test: RowTest; isMet: boolean }[] = [];

  constructor(filter: Expr | undefined, clock: QueryClock) {
    this.node = filter && cheapNode(candidateNode(filter));
    this.plain = filter;
    const scope = rowScope(clock);
    this.#test =
      filter === undefined
        ? () => true
        : testOf(filter, {
            ...scope,
            override: (expr) => (isAnySpan(expr) ? this.#anySpan(expr, clock) : undefined),
          });
  }

  /** True if a single span may decide that its trace matches, or does not. */
  get isOfSpans(): boolean {
    return this.#anySpans.length === 0;
  }

  #anySpan(expr: Expr, clock: QueryClock): Compiled<ShownRow> {
    const [condition, ...others] = operandsOf(expr);
    if (condition === undefined || others.length > 0)
      throw new QueryError('any_span() takes one condition', expr.at);
    if (hasAnySpan(condition)) throw new QueryError('any_span() cannot be used inside any_span()', expr.at);
    const found = { test: testOf(condition, rowScope(clock)), isMet: false };
    this.#anySpans.push(found);
    return { ...constant<ShownRow>(null, 'boolean'), of: () => found.isMet, isConstant: false };
  }

  /** The rows of a trace that meet the filter. */
  matching<T extends { readonly row: ShownRow }>(rows: readonly T[]): T[] {
    for (const anySpan of this.#anySpans) anySpan.isMet = rows.some(({ row }) => anySpan.test(row));
    return rows.filter(({ row }) => this.#test(row));
  }

  /** True if a span meets the filter. Only if `isOfSpans`. */
  isMetBy(row: ShownRow): boolean {
    return this.#test(row);
  }
}
