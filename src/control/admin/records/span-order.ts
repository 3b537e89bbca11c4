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
 * The spans of a trace from top to bottom, one after the other, so that the caller can pause. A span whose parent is not
 * among them is at depth 0. Spans with the same parent are in the order of their begin. Of spans with the same id the first
 * one has the children.
 */
export function* inTreeOrder<S extends PlacedSpan>(spans: readonly S[]): Generator<OrderedSpan<S>> {
  const sorted = spans.toSorted((a, b) => (a.startNs < b.startNs ? -1 : a.startNs > b.startNs ? 1 : 0));
  const { roots, below } = families(sorted);
  const placed = new Set<S>();
  // What no root leads to is in cycles, which other programs may post.
  for (const root of [...roots, ...sorted]) {
    if (placed.has(root)) continue;
    const waiting = [{ span: root, depth: 0 }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (placed.has(next.span)) continue;
      placed.add(next.span);
      const children = (below.get(next.span) ?? []).filter((child) => !placed.has(child));
      yield { ...next, children: children.length };
      const depth = Math.min(next.depth + 1, MAX_DEPTH);
      for (let i = children.length - 1; i >= 0; i--) waiting.push({ span: children[i]!, depth });
    }
  }
}

/** The spans without a recorded parent, and those directly below each of the others. */
function families<S extends PlacedSpan>(
  sorted: readonly S[],
): { readonly roots: readonly S[]; readonly below: ReadonlyMap<S, readonly S[]> } {
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
  return { roots, below };
}
