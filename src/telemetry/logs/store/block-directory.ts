// The directory of a block: what its pages cover in time, and which values occur, so that searches skip blocks.
// It is JSON. Readers ignore members that they do not know, and a missing member means that nothing is known.
// Invariant: what a directory says is true of every record of the block.
import type { EncodedPage } from './encode-page.ts';
import { memberDirectory, type MemberDirectory } from './member-knowledge.ts';
import type { EncodedMembers } from './member-tree.ts';
import { HAS, SHAPE_COLUMNS, type NativeFacts, type Shape } from './shape.ts';

/** Milliseconds since the epoch: begin and end of each part, both inclusive, in order. */
export type TimeParts = readonly number[];

/** Requests that have trace ids: `own`: their request ids and trace ids follow from their times. */
export type TracedRequests = 'none' | 'own' | 'any';

export interface PageEntry {
  readonly rows: number;
  readonly times: TimeParts;
  readonly bytes: number;
}

export interface BlockDirectory {
  /** Times that no record is outside of. */
  readonly span?: readonly [firstMs: number, lastMs: number];
  readonly pages: readonly PageEntry[];
  /** Column of LogRecord → all values that occur. Only columns with few values. */
  readonly columns?: Readonly<Record<string, readonly (string | number)[]>>;
  /** Attribute of native records → all values that occur in them. Only attributes with few values. */
  readonly native?: Readonly<Record<string, readonly (string | number | boolean)[]>>;
  /** False: all records are native. */
  readonly hasOthers?: boolean;
  /** False: every request id and trace id follows from the time of its record. */
  readonly hasForeignIds?: boolean;
  readonly tracedRequests?: TracedRequests;
  /** True: some records have HAS.llm, or attributes that their shape holds. */
  readonly hasLlm?: boolean;
  /** Names of attributes besides the native ones. Missing: there may be any. */
  readonly attributes?: readonly string[];
  readonly durationNs?: readonly [min: number, max: number];
  /** Members of the attributes with columns (member-tree.ts). Missing: the block has no such columns. */
  readonly members?: MemberDirectory;
}

/** Attributes of native records whose values are listed. */
const NATIVE = ['method', 'path', 'protocol', 'cause', 'detail', 'remote', 'attempts', 'retries'] as const;
/** Values of a column or attribute that are listed at most, and characters of them. */
const MAX_VALUES = 64;
const MAX_CHARACTERS = 2048;
/** Names of attributes that are listed at most. */
const MAX_NAMES = 256;

/** Parts of a page's times at most. */
const MAX_PARTS = 8;
/** Times that are closer than this, in milliseconds, belong to one part. */
const MIN_GAP_MS = 2000;

/** What times cover. Records of long requests are far from the others, and get parts of their own. */
export function timeParts(times: Float64Array): number[] {
  let first = Infinity;
  let last = 0;
  for (let i = 0; i < times.length; i++) {
    const time = times[i]!;
    if (time < first) first = time;
    if (time > last) last = time;
  }
  if (last - first <= MIN_GAP_MS) return [first, last];
  const sorted = times.slice().sort();
  const gaps: [gap: number, at: number][] = [];
  for (let i = 1; i < sorted.length; i++) {
    const gap = sorted[i]! - sorted[i - 1]!;
    if (gap > MIN_GAP_MS) gaps.push([gap, i]);
  }
  const cuts = gaps
    .sort(([a], [b]) => b - a)
    .slice(0, MAX_PARTS - 1)
    .map(([, at]) => at)
    .sort((a, b) => a - b);
  const parts = [first];
  for (const at of cuts) parts.push(sorted[at - 1]!, sorted[at]!);
  parts.push(last);
  return parts;
}

export const firstTime = (parts: TimeParts): number => parts[0]!;
export const lastTime = (parts: TimeParts): number => parts.at(-1)!;

/** True if a part overlaps the range, both ends inclusive. */
export function overlaps(parts: TimeParts, fromMs: number, toMs: number): boolean {
  for (let i = 0; i < parts.length; i += 2) if (parts[i]! <= toMs && parts[i + 1]! >= fromMs) return true;
  return false;
}

/** The first members of a directory, which readers find without parsing the others. */
export type BlockSummary = Pick<Required<BlockDirectory>, 'span' | 'hasForeignIds' | 'tracedRequests'>;

const SUMMARY = /^\{"span":\[(\d+),(\d+)\],"hasForeignIds":(true|false),"tracedRequests":"(none|own|any)",/;
const SUMMARY_LENGTH = 128;

/** The first members in the text of a directory; `undefined` if they are others. */
export function summaryIn(directory: Buffer): BlockSummary | undefined {
  const match = SUMMARY.exec(directory.toString('latin1', 0, SUMMARY_LENGTH));
  if (match === null) return undefined;
  const [, firstMs, lastMs, hasForeignIds, traced] = match;
  return {
    span: [Number(firstMs), Number(lastMs)],
    hasForeignIds: hasForeignIds === 'true',
    tracedRequests: traced as TracedRequests,
  };
}

/** Of a directory that was written before it began with a summary. */
export const parsedSummary = ({ pages, hasForeignIds, tracedRequests }: BlockDirectory): BlockSummary => ({
  span: spanOf(pages),
  hasForeignIds: hasForeignIds ?? true,
  tracedRequests: tracedRequests ?? 'any',
});

const spanOf = (pages: readonly PageEntry[]): readonly [firstMs: number, lastMs: number] => [
  Math.min(...pages.map(({ times }) => firstTime(times))),
  Math.max(...pages.map(({ times }) => lastTime(times))),
];

/** Values by name, as long as they are few. */
class Facets<T> {
  readonly #values = new Map<string, Set<T>>();
  readonly #names: readonly string[];

  constructor(names: readonly string[]) {
    this.#names = names;
    for (const name of names) this.#values.set(name, new Set());
  }

  add(name: string, value: T): void {
    this.#values.get(name)?.add(value);
  }

  result(): Record<string, T[]> {
    const result: Record<string, T[]> = {};
    for (const name of this.#names) {
      const values = Array.from(this.#values.get(name)!);
      const characters = values.reduce((sum, value) => sum + String(value).length, 0);
      if (values.length <= MAX_VALUES && characters <= MAX_CHARACTERS) result[name] = values;
    }
    return result;
  }
}

/** Builds the directory of a block from its pages. */
export class DirectoryBuilder {
  readonly #pages: PageEntry[] = [];
  readonly #columns = new Facets<string | number>(SHAPE_COLUMNS);
  readonly #native = new Facets<string | number | boolean>(NATIVE);
  readonly #seen = new Set<Shape>();
  readonly #names = new Set<string>();
  #hasAnyName = false;
  #hasOthers = false;
  #hasLlm = false;
  #hasForeignIds = false;
  readonly #requests: Shape[] = [];
  #duration: [number, number] = [Infinity, 0];

  /** `times`, `durations`: of the rows of the page. `bytes`: size of its parts. */
  add(page: EncodedPage, times: Float64Array, durations: Float64Array, bytes: number): void {
    this.#pages.push({ rows: times.length, times: timeParts(times), bytes });
    for (const duration of durations) {
      if (duration < this.#duration[0]) this.#duration[0] = duration;
      if (duration > this.#duration[1]) this.#duration[1] = duration;
    }
    for (const shape of page.shapes) {
      if (this.#seen.has(shape)) continue;
      this.#seen.add(shape);
      if ((shape.has & (HAS.requestId | HAS.trace)) !== 0) this.#hasForeignIds = true;
      if (shape.kind === 'request') this.#requests.push(shape);
      for (const name of SHAPE_COLUMNS) this.#columns.add(name, shape[name]);
      if ((shape.has & HAS.llm) !== 0 || (shape.native?.shared ?? '') !== '') this.#hasLlm = true;
      if (shape.native === undefined) this.#hasOthers = true;
      else for (const name of NATIVE) this.#native.add(name, shape.native[name as keyof NativeFacts]);
    }
    if (page.attributes === undefined) return;
    for (const name of page.attributes.names) this.#names.add(name);
    if (page.attributes.hasOthers || this.#names.size > MAX_NAMES) this.#hasAnyName = true;
  }

  /** `members`: the columns of members; `undefined`: there are none. */
  result(members?: EncodedMembers): BlockDirectory {
    return {
      span: spanOf(this.#pages),
      hasForeignIds: this.#hasForeignIds,
      tracedRequests: tracedRequests(this.#requests),
      pages: this.#pages,
      columns: this.#columns.result(),
      native: this.#native.result(),
      hasOthers: this.#hasOthers,
      ...(this.#hasLlm && { hasLlm: true }),
      ...(this.#hasAnyName ? {} : { attributes: Array.from(this.#names) }),
      durationNs: this.#duration,
      ...(members && { members: memberDirectory(members) }),
    };
  }
}

/** What is known about the requests with these shapes. */
export function tracedRequests(shapes: readonly Shape[]): TracedRequests {
  const traced = shapes.filter(
    ({ kind, has }) => kind === 'request' && (has & (HAS.ownTrace | HAS.trace)) !== 0,
  );
  const isForeign = traced.some(({ has }) => (has & (HAS.requestId | HAS.trace)) !== 0);
  return traced.length === 0 ? 'none' : isForeign ? 'any' : 'own';
}
