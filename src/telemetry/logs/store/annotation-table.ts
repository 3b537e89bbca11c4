// Reads the annotations in one file of the log store.
// Invariant: a file without the table has no annotations.
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { readAnnotation, type Annotation } from '../annotation.ts';
import { hashOfId } from './bloom-filter.ts';

/** An annotation as it is stored. */
export interface StoredAnnotation {
  readonly seq: number;
  readonly content: Annotation;
}

/** An annotation with its target. */
export interface TargetedAnnotation extends StoredAnnotation {
  /** Name of its target (annotation.ts). */
  readonly target: string;
}

export class AnnotationTable {
  readonly #path: string;
  readonly #isHidden: (seq: number) => boolean;
  #db: DatabaseSync | undefined;
  readonly #statements = new Map<string, StatementSync>();
  /** Hashes of the names of all targets. */
  readonly #targets = new Set<number>();
  /** Names of changed attributes, as JSON, of all annotations. */
  readonly #names = new Set<string>();
  #hasTable = false;
  /** `data_version` of SQLite, which changes with each transaction of the writer. */
  #version = -1;
  #lastSeq = 0;
  #isComplete = false;

  /** `isHidden`: whether a record was deleted. */
  constructor(path: string, isHidden: (seq: number) => boolean) {
    this.#path = path;
    this.#isHidden = isHidden;
  }

  get isEmpty(): boolean {
    return this.#lastSeq === 0;
  }

  /** Sequence number of the last annotation; 0 without annotations. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Lists of names of changed attributes, each as JSON (`namesOf`). */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Reads what is new. `isComplete`: nothing is added to the file any more. Throws errors of SQLite. */
  refresh(isComplete: boolean): void {
    if (this.#isComplete) return;
    const version = Number(this.#all('PRAGMA data_version')[0]![0]);
    if (version !== this.#version) this.#readNew();
    this.#version = version;
    this.#isComplete = isComplete;
    if (isComplete && this.isEmpty) this.close();
  }

  /** False if no annotation has this target. */
  mayHave(target: string): boolean {
    return this.#targets.has(hashOfId(target));
  }

  /** The annotations of a target. */
  of(target: string): StoredAnnotation[] {
    return this.#all('SELECT seq, content FROM annotations WHERE target = ?', target)
      .filter(([seq]) => !this.#isHidden(seq as number))
      .map(([seq, content]) => ({ seq: seq as number, content: readAnnotation(parsed(content)) }));
  }

  /** Targets of the annotations that change these attributes. `names`: lists as in `names`. */
  targets(names: readonly string[]): string[] {
    if (names.length === 0) return [];
    const list = JSON.stringify(names);
    return this.#all(
      'SELECT DISTINCT target FROM annotations WHERE names IN (SELECT value FROM json_each(?))',
      list,
    ).map(([target]) => target as string);
  }

  /** The annotations above a sequence number that change these attributes. `names`: lists as in `names`. */
  after(seq: number, names: readonly string[]): TargetedAnnotation[] {
    return this.#all(
      `SELECT seq, target, content FROM annotations
       WHERE seq > ? AND names IN (SELECT value FROM json_each(?)) ORDER BY seq`,
      seq,
      JSON.stringify(names),
    ).map(([found, target, content]) => ({
      seq: found as number,
      target: target as string,
      content: readAnnotation(parsed(content)),
    }));
  }

  close(): void {
    this.#statements.clear();
    this.#db?.close();
    this.#db = undefined;
  }

  #readNew(): void {
    this.#hasTable ||= this.#all("SELECT 1 FROM sqlite_master WHERE name = 'annotations'").length > 0;
    if (!this.#hasTable) return;
    const rows = this.#all(
      'SELECT seq, target, names FROM annotations WHERE seq > ? ORDER BY seq',
      this.#lastSeq,
    );
    for (const [seq, target, names] of rows) {
      this.#targets.add(hashOfId(target as string));
      this.#names.add(names as string);
      this.#lastSeq = seq as number;
    }
  }

  #all(sql: string, ...values: (string | number)[]): unknown[][] {
    this.#db ??= new DatabaseSync(this.#path, { readOnly: true, timeout: 1000 });
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      this.#statements.set(sql, (statement = this.#db.prepare(sql)));
      statement.setReturnArrays(true);
    }
    return statement.all(...values) as unknown as unknown[][];
  }
}

/** The value of a JSON text. `undefined` for damaged text; the record of the annotation is in a page all the same. */
function parsed(text: unknown): unknown {
  try {
    return JSON.parse(text as string);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The names in a list of names of changed attributes. */
export function namesOf(list: string): string[] {
  const names = parsed(list);
  return Array.isArray(names) ? (names as string[]) : [];
}
