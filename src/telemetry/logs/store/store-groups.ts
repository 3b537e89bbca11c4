// Reads the day files one after the other for a group query, the newest first.
// Invariant: a file is read to its end, or until its reader is closed since the file is deleted or damaged.
import type { GroupQuery } from '../query/group-query.ts';
import type { AnnotatedFile } from './annotated-file.ts';
import type { FileGroups, FileReader } from './file-reader.ts';
import type { GroupAccumulator } from './group-accumulator.ts';
import { RecordGroups } from './group-records.ts';
import type { GroupReader } from './open-groups.ts';
import type { StoreQuery } from './store-query.ts';

/** Calls `use` with the reader of a file, unless the file is new, damaged or deleted. */
export type GroupFile = (use: (reader: AnnotatedFile) => void) => void;

export class StoreGroups implements GroupReader {
  readonly #query: GroupQuery;
  readonly #compiled: StoreQuery;
  /** The result may depend on the trace ids of records. */
  readonly #usesTrace: boolean;
  readonly #accumulator: GroupAccumulator;
  readonly #budgetMs: number;
  /** The last one is next. */
  readonly #files: GroupFile[];
  /** The file that is being read, and its reader. */
  #current: { readonly reader: AnnotatedFile; readonly groups: FileGroups } | undefined;

  /** `files`: the oldest first. `budgetMs`: time of a step. */
  constructor(
    query: GroupQuery,
    compiled: StoreQuery,
    accumulator: GroupAccumulator,
    files: readonly GroupFile[],
    budgetMs: number,
  ) {
    this.#query = query;
    this.#compiled = compiled;
    const used = [...query.by, ...query.measures];
    this.#usesTrace = compiled.usesTrace || used.some((one) => 'field' in one && one.field === 'traceId');
    this.#accumulator = accumulator;
    this.#files = Array.from(files);
    this.#budgetMs = budgetMs;
  }

  get isDone(): boolean {
    return this.#files.length === 0;
  }

  step(isLate: boolean): void {
    const deadlineMs = performance.now() + this.#budgetMs;
    do {
      const read = this.#files.at(-1);
      let isDone = true;
      read?.((reader) => {
        isDone = this.#readFile(reader, deadlineMs, isLate);
      });
      if (!isDone) continue;
      this.#files.pop();
      this.#current = undefined;
    } while (this.#files.length > 0 && performance.now() < deadlineMs);
  }

  /** Reads on in a file. Returns true at its end. */
  #readFile(reader: AnnotatedFile, deadlineMs: number, isLate: boolean): boolean {
    if (this.#current === undefined) {
      const times = reader.timeRange();
      const { fromNs, toNs } = this.#query;
      if (times === undefined || times.toNs < fromNs || times.fromNs > toNs) return true;
      this.#current = { reader, groups: this.#begin(reader, deadlineMs) };
    }
    const { reader: first, groups } = this.#current;
    // Another file has its name now.
    if (reader !== first) return true;
    if (!groups.isDone) groups.step(deadlineMs, isLate);
    return groups.isDone;
  }

  #begin(reader: AnnotatedFile, deadlineMs: number): FileGroups {
    const compiled = this.#compiled;
    const ofFile = compiled.ofFiles(deadlineMs);
    if (!this.#usesTrace) return reader.groups(this.#query, ofFile, this.#accumulator);
    // Lines have the trace ids of their requests, which may be in other files.
    const slice: FileReader['slice'] = (_, range, direction, after, untilMs) => {
      const { records, reached } = reader.slice(compiled.ofFiles(untilMs), range, direction, after, untilMs);
      return { records: Array.from(compiled.joined(compiled.matching(records))), reached };
    };
    return new RecordGroups(this.#query, ofFile, this.#accumulator, { slice });
  }
}
