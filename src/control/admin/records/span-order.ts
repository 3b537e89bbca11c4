// The order of the spans of a trace in a waterfall: each behind its parent, with its depth.
// Invariant: every span is there once, also in a cycle of parents, and the work grows with the number of spans only.

/** A span as far as its place matters. Times in nanoseconds since the epoch. */
interface PlacedSpan {
  readonly spanId: string;
  /** '' for none. */
  readonly parentSpanId: string;
  readonly startNs: bigint;
}

export interface OrderedSpan<S> {
  readonly span: S;
  /** Number of spans above it, at most MAX_DEPTH. */
  readonly depth: number;
  /** Number of spans directly below it. */
  readonly children: number;
}

export const MAX_DEPTH = 50;

/**
 * The spans of a trace from top to bottom. A span whose parent is not among them is at depth 0. Spans with the same parent
 * are in the order of their begin. Of spans with the same id the first one has the children.
 */
export function inTreeOrder<S extends PlacedSpan>(spans: readonly S[]): OrderedSpan<S>[] {
  const sorted = spans.toSorted((a, b) => (a.startNs < b.startNs ? -1 : a.startNs > b.startNs ? 1 : 0));
  const byId = new Map<string, S>();
  for (const span of sorted) if (span.spanId !== '' && !byId.has(span.spanId)) byId.set(span.spanId, span);
  const below = new Map<S, S[]>();
  const roots: S[] = [];
  for (const span of sorted) {
    const parent = span.parentSpanId === '' ? undefined : byId.get(span.parentSpanId);
    if (parent === undefined || parent === span) roots.push(span);
    else {
      const list = below.get(parent);
      if (list) list.push(span);
      else below.set(parent, [span]);
    }
  }
  const ordered: OrderedSpan<S>[] = [];
  const placed = new Set<S>();
  const place = (root: S): void => {
    const waiting = [{ span: root, depth: 0 }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (placed.has(next.span)) continue;
      placed.add(next.span);
      const children = (below.get(next.span) ?? []).filter((child) => !placed.has(child));
      ordered.push({ ...next, children: children.length });
      const depth = Math.min(next.depth + 1, MAX_DEPTH);
      for (const child of children.toReversed()) waiting.push({ span: child, depth });
    }
  };
  for (const root of roots) place(root);
  // What is left is in cycles, which other programs may post.
  for (const span of sorted) if (!placed.has(span)) place(span);
  return ordered;
}
