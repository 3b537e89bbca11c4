// What a search looks up: ids and words in Bloom filters, and the times of the request ids that weir made.
// Invariant: a group of records that can contain a match is never excluded.
import type { SegmentQuery } from './segment-query.ts';
import { mayContain } from '../query/required-words.ts';
import { hashOfWord } from '../query/word-hash.ts';
import type { Block } from './block.ts';
import type { Snapshot } from './day-file-index.ts';
import type { TimeParts, TracedRequests } from './block-directory.ts';
import type { ReplacedRecords } from './replaced-records.ts';
import type { Shape } from './shape.ts';
import { hashOfId } from './bloom-filter.ts';

/** Tells whether a filter may have a hash. */
type HasHash = (hash: number) => boolean;

const OWN_ID = /^[0-9a-f]{37}$/;
const TRACE_ID = /^[0-9a-f]{32}$/;
/** A trace id that follows from an own request id begins with the last seven digits of its milliseconds. */
const TRACE_PERIOD_MS = 2 ** 28;
/** Blocks whose marks are kept. */
const MAX_BLOCK_MARKS = 16;

export interface WantedId {
  readonly hash: number;
  /** Milliseconds of an own id, or of a trace id modulo TRACE_PERIOD_MS; `undefined`: the id has another form. */
  readonly ms: number | undefined;
}

const wantedRequest = (id: string): WantedId => ({
  hash: hashOfId(id),
  ms: OWN_ID.test(id) ? parseInt(id.slice(0, 12), 16) : undefined,
});
const wantedTrace = (id: string): WantedId => ({
  hash: hashOfId(id),
  ms: TRACE_ID.test(id) ? parseInt(id.slice(0, 7), 16) : undefined,
});

function somePart(times: TimeParts, test: (from: number, to: number) => boolean): boolean {
  for (let i = 0; i < times.length; i += 2) if (test(times[i]!, times[i + 1]!)) return true;
  return false;
}

const hasOwnId = (ms: number, times: TimeParts): boolean =>
  somePart(times, (from, to) => from <= ms && ms <= to);
const hasOwnTrace = (ms: number, times: TimeParts): boolean =>
  somePart(
    times,
    (from, to) => Math.ceil((from - ms) / TRACE_PERIOD_MS) <= Math.floor((to - ms) / TRACE_PERIOD_MS),
  );

/** True if a record in the span may have one of the ids as its own. */
function isOneIn(
  wanted: readonly WantedId[] | undefined,
  isOwn: (ms: number, times: TimeParts) => boolean,
  span: TimeParts,
): boolean {
  if (wanted === undefined) return true;
  for (const { ms } of wanted) if (ms !== undefined && isOwn(ms, span)) return true;
  return false;
}

/** The times from `first` to `last` of records that may have the id as their own trace id. */
export function traceTimes(ms: number, first: number, last: number): number[] {
  const times: number[] = [];
  for (let n = Math.ceil((first - ms) / TRACE_PERIOD_MS); n * TRACE_PERIOD_MS + ms <= last; n++)
    times.push(n * TRACE_PERIOD_MS + ms);
  return times;
}

/** A page, or a block with its pages. */
export interface SearchGroup {
  /** Times that no record is outside of. */
  readonly span: TimeParts;
  readonly pages: readonly { readonly times: TimeParts }[] | undefined;
  /** False if every request id and trace id follows from the time of its record. */
  readonly hasForeignIds: boolean;
  readonly tracedRequests: TracedRequests;
}

export class SearchPlan {
  readonly query: SegmentQuery;
  readonly replaced: ReplacedRecords;
  /** No record can match. */
  readonly matchesNone: boolean;
  readonly requests: readonly WantedId[] | undefined;
  readonly traces: readonly WantedId[] | undefined;
  /** Requests whose lines may have one of the trace ids. */
  readonly traced: readonly WantedId[] | undefined;
  /** Blocks without a match. */
  readonly excluded = new WeakSet<Block>();
  /** Marks (row-mask.ts) of shapes that do not depend on the page. */
  readonly marks = new WeakMap<Shape, number>();

  readonly #findsRequests: boolean;
  /** Marks of the rows of the blocks that were looked at last. */
  readonly #blockMarks = new Map<Block, Uint8Array | undefined>();

  /**
   * `replaced`: records that are left out. `findsRequests`: the query matches only requests that have a trace id.
   */
  constructor(query: SegmentQuery, replaced: ReplacedRecords, findsRequests = false) {
    this.query = query;
    this.replaced = replaced;
    this.#findsRequests = findsRequests;
    const { kinds, deployments, environments, replicas, requestIds, traceIds, tracedIds } = query.prefilter;
    const lists = [kinds, deployments, environments, replicas, requestIds, traceIds];
    this.matchesNone = lists.some((list) => list?.length === 0);
    this.requests = requestIds?.map(wantedRequest);
    this.traces = traceIds?.map(wantedTrace);
    this.traced = traceIds && tracedIds?.map(wantedRequest);
  }

  /** True if `mayBeIn` can exclude anything. */
  get looksUp(): boolean {
    return (
      this.requests !== undefined || this.traces !== undefined || this.query.prefilter.words !== undefined
    );
  }

  /** The marks of the rows of a block (row-mask.ts), which `make` makes; `undefined`: there are none. */
  blockMarks(block: Block, make: () => Uint8Array | undefined): Uint8Array | undefined {
    if (this.#blockMarks.has(block)) return this.#blockMarks.get(block);
    const marks = make();
    const [oldest] = this.#blockMarks.keys();
    if (this.#blockMarks.size >= MAX_BLOCK_MARKS) this.#blockMarks.delete(oldest!);
    this.#blockMarks.set(block, marks);
    return marks;
  }

  /** Without the blocks that cannot have the ids because of their times. */
  inTime(snapshot: Snapshot): Snapshot {
    const { requests, traces, traced } = this;
    if (requests === undefined && traces === undefined) return snapshot;
    const isIn = (span: TimeParts): boolean =>
      isOneIn(requests, hasOwnId, span) &&
      (isOneIn(traces, hasOwnTrace, span) || (traced !== undefined && isOneIn(traced, hasOwnId, span)));
    const blocks = snapshot.blocks.filter((block) => this.#hasForeign(block) || isIn(block.span));
    return { blocks, tail: snapshot.tail };
  }

  /** False if no record matches in the group, whose filter is `has`. */
  mayBeIn(group: SearchGroup, has: HasHash): boolean {
    if (this.#findsRequests && group.tracedRequests === 'none') return false;
    const isForeign = this.#hasForeign(group);
    const { span } = group;
    const { requests, traces, traced } = this;
    const { words } = this.query.prefilter;
    const isIn = (
      wanted: readonly WantedId[] | undefined,
      isOwn: (ms: number, times: TimeParts) => boolean,
    ): boolean =>
      wanted === undefined ||
      wanted.some(
        ({ ms, hash }) =>
          (ms !== undefined &&
            isOwn(ms, span) &&
            (group.pages === undefined || group.pages.some(({ times }) => isOwn(ms, times)))) ||
          (isForeign && has(hash)),
      );
    return (
      isIn(requests, hasOwnId) &&
      (isIn(traces, hasOwnTrace) || (traced !== undefined && isIn(traced, hasOwnId))) &&
      (words === undefined || mayContain(words, (word) => has(hashOfWord(word))))
    );
  }

  /** True if ids that do not follow from times may match. */
  #hasForeign({ hasForeignIds, tracedRequests }: SearchGroup): boolean {
    return this.#findsRequests ? tracedRequests === 'any' : hasForeignIds;
  }
}
