// Writes a file of the log store anew without its deleted and replaced records, so that no byte of them is left. Only
// `hideRecords` may write the file meanwhile, between two steps.
// Invariant: records keep their sequence numbers. Readers see the old file or the new one, which has all records of it
// that they see.
import { renameSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Block } from './block.ts';
import { BlockGroups } from './block-groups.ts';
import { BLOCK_ROWS, BlockRows } from './block-rows.ts';
import { DamagedBlobError, fromBlob } from './blob.ts';
import { BodyGroups, OpenBodies } from './bodies.ts';
import { DayFile, PLACES_PER_RECORD } from './day-file.ts';
import { HIDDEN } from './hide-records.ts';
import { Page } from './page.ts';
import { sealBlock, SealMemory } from './seal-block.ts';
import { removeSegment, rewrittenPath, type Segment } from './segments.ts';
import { SeqSet } from './seq-set.ts';
import { HAS, type Shape } from './shape.ts';
import { fromTailBlob } from './tail-page.ts';

/** Bytes after which the write-ahead log of the new file is moved into it. */
const CHECKPOINT_BYTES = 16 * 1024 ** 2;
/** Annotations in one statement. */
const SEQS_AT_ONCE = 1000;

/** Name of the note with the number of records that other files still name as replaced. */
const NOTE = 'rewritten';

/** Name of the note of a file without bodies of requests. */
const BODIES_NOTE = 'bodies';

interface RewriteOptions {
  /** No bodies of requests are copied. Large rows of spans, which are stored as bodies, are. */
  readonly isWithoutBodies?: boolean;
  /** Number of records of the file that readers leave out (left-out-records.ts). */
  readonly leftOut?: number;
}

/** What a file says about how it was written. */
export interface FileNotes {
  /** How many of its records are named as replaced although they are gone; 0 unless it was written anew. */
  readonly removed: number;
  /** It may have bodies of requests. */
  readonly mayHaveBodies: boolean;
}

/** Reads the notes of a file. */
export function fileNotes(path: string): FileNotes {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  try {
    const noteOf = (name: string): string | undefined =>
      (db.prepare('SELECT value FROM notes WHERE name = ?').get(name) as { value: string } | undefined)
        ?.value;
    return {
      removed: Number(noteOf(NOTE) ?? 0),
      mayHaveBodies:
        noteOf(BODIES_NOTE) === undefined && db.prepare('SELECT 1 FROM bodies LIMIT 1').get() !== undefined,
    };
  } finally {
    db.close();
  }
}

export class FileRewrite {
  readonly #from: string;
  readonly #to: string;
  readonly #isDead: (seq: number) => boolean;
  readonly #hidden = new SeqSet();
  readonly #db: DatabaseSync;
  readonly #file: DayFile;
  readonly #memory = new SealMemory();
  readonly #groups = new BlockGroups();
  readonly #shapes = new Map<string, Shape>();
  /** All records that are not copied. */
  readonly #dead = new SeqSet();
  readonly #spans = new SeqSet();
  readonly #work: Generator<void>;
  #rows: BlockRows | undefined;
  #written = 0;
  /** Number of the last row of `hidden` whose records are left out. */
  readonly #lastHidden: number;
  /** Records that were copied. */
  kept = 0;

  /** `isDead`: whether a record was replaced, as all files say. Those that the file itself hides are known. */
  constructor(
    folder: string,
    segment: Segment,
    isDead: (seq: number) => boolean,
    { isWithoutBodies = false, leftOut = 0 }: RewriteOptions = {},
  ) {
    this.#from = segment.path;
    this.#to = rewrittenPath(folder, segment);
    this.#isDead = (seq) => this.#hidden.has(seq) || isDead(seq);
    // Of an earlier attempt that was killed.
    removeSegment(this.#temporary);
    this.#db = new DatabaseSync(this.#from, { readOnly: true, timeout: 1000 });
    this.#lastHidden = this.#readHidden();
    this.#file = new DayFile(this.#temporary);
    this.#work = this.#steps(isWithoutBodies, leftOut);
  }

  /** Copies a part, about a block. Returns true at the end. Throws errors of SQLite; then call `abort`. */
  step(): boolean {
    return this.#work.next().done === true;
  }

  /** Puts the new file in the place of the old one. Nothing may be hidden in the old one meanwhile. */
  finish(): void {
    const hidden = this.#lastHidden;
    if (this.#hasTable('hidden') && this.#number('SELECT coalesce(max(n), 0) FROM hidden') > hidden)
      this.#file.copyRows(this.#from, [
        HIDDEN,
        `INSERT INTO hidden SELECT n, seq, bits FROM old.hidden WHERE n > ${hidden}`,
      ]);
    this.#db.close();
    this.#file.finish();
    // Retention may have deleted it.
    const isGone = statSync(this.#from, { throwIfNoEntry: false }) === undefined;
    if (!isGone) renameSync(this.#temporary, this.#to);
    removeSegment(this.#temporary);
    removeSegment(this.#from);
  }

  /** Gives up. The old file stays. */
  abort(): void {
    this.#db.close();
    this.#file.close();
    removeSegment(this.#temporary);
  }

  get #temporary(): string {
    return `${this.#to}.tmp`;
  }

  *#steps(isWithoutBodies: boolean, leftOut: number): Generator<void> {
    for (const [seq, rows, directory] of this.#all('SELECT seq, rows, directory FROM blocks ORDER BY seq')) {
      this.#copyBlock(seq as number, rows as number, directory as Uint8Array);
      yield;
    }
    for (const [seq] of this.#all('SELECT seq FROM tail ORDER BY seq')) this.#copyTail(seq as number);
    this.#seal();
    yield;
    for (const [seq] of this.#all('SELECT seq FROM bodies ORDER BY seq')) {
      this.#copyBodies(seq as number, isWithoutBodies);
      this.#checkpoint();
      yield;
    }
    this.#copyTables(leftOut, isWithoutBodies);
  }

  #copyBlock(seq: number, rows: number, directory: Uint8Array): void {
    const block = intact(() => new Block(seq, rows, fromBlob(directory), 0, 0, () => true));
    for (const { seq: first } of block?.pages ?? [])
      intact(() => {
        const page = new Page(first, (part) => {
          const [row] = this.#all('SELECT part FROM pages WHERE place = ?', PLACES_PER_RECORD * first + part);
          if (row === undefined) throw new DamagedBlobError(`part ${part} of page ${first} is missing`);
          return fromBlob(row[0] as Uint8Array);
        });
        this.#copyPage(page);
      });
    this.#checkpoint();
  }

  #copyTail(seq: number): void {
    const [row] = this.#all('SELECT page FROM tail WHERE seq = ?', seq);
    const parts = row && intact(() => fromTailBlob(row[0] as Uint8Array));
    if (parts) this.#copyPage(new Page(seq, (part) => parts[part]!));
  }

  #copyPage(page: Page): void {
    const shapes: Shape[] = [];
    for (let row = 0; row < page.rows; row++) {
      const seq = page.firstSeq + row;
      const rows = this.#rowsFor(seq);
      const index = page.shape[row]!;
      if ((page.encodedShapes.has(index) & HAS.replaced) !== 0 || this.#isDead(seq)) {
        this.#dead.add(seq);
        rows.addReplaced(page.timeMs[row]!);
        continue;
      }
      const shape = (shapes[index] ??= this.#shared(page.shapeOf(row)));
      if (shape.kind === 'span') this.#spans.add(seq);
      rows.copy(page, row, shape);
      this.kept++;
    }
  }

  /** Rows whose next one has this sequence number. */
  #rowsFor(seq: number): BlockRows {
    if (this.#rows !== undefined && (this.#rows.isFull || this.#rows.nextSeq !== seq)) this.#seal();
    if (this.#rows?.count === 0) this.#rows.reset(seq);
    return (this.#rows ??= new BlockRows(seq));
  }

  #seal(): void {
    const rows = this.#rows;
    if (rows === undefined || rows.count === 0) return;
    const sealed = sealBlock(rows, this.#memory);
    const group = this.#groups.add(sealed);
    this.#file.transaction(() => {
      this.#file.addBlock(sealed.block);
      if (group) this.#file.addGroup(group);
    });
    rows.reset(rows.nextSeq);
    this.#shapes.clear();
  }

  #copyBodies(first: number, isOfSpans: boolean): void {
    const [row] = this.#all('SELECT bodies FROM bodies WHERE seq = ?', first);
    const blob = row![0] as Uint8Array;
    const group = intact(() => new OpenBodies(blob));
    if (group === undefined) return;
    const all = [...group.all()];
    const kept = all.filter(
      ({ seq }) => !this.#dead.has(seq) && !this.#isDead(seq) && (!isOfSpans || this.#spans.has(seq)),
    );
    if (kept.length === 0) return;
    if (kept.length === all.length) return this.#file.transaction(() => this.#file.addBodies(first, blob));
    const groups = new BodyGroups();
    for (const { seq, bodies } of kept) groups.add({ seq, ...bodies() });
    this.#file.transaction(() => {
      for (const { seq, bodies } of groups.encoded(Infinity)) this.#file.addBodies(seq, bodies);
    });
  }

  /** Copies what is not in pages. Of damaged values only their places are kept. */
  #copyTables(leftOut: number, isWithoutBodies: boolean): void {
    const [first, last] = [
      this.#number(
        'SELECT coalesce(min(seq), 0) FROM (SELECT seq FROM blocks UNION ALL SELECT seq FROM tail)',
      ),
      this.#number(
        'SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM blocks UNION ALL SELECT seq FROM tail)',
      ),
    ];
    const statements = [
      'INSERT OR REPLACE INTO notes SELECT name, value FROM old.notes',
      "INSERT INTO damaged SELECT place, x'' FROM old.damaged",
    ];
    for (const table of ['annotations', 'replaced'])
      if (this.#hasTable(table)) statements.push(...this.#schemaOf(table));
    if (this.#hasTable('annotations')) statements.push(...this.#annotationCopies());
    let named = this.#hidden.countIn(0, Number.MAX_SAFE_INTEGER);
    if (this.#hasTable('replaced')) {
      const isOwn = `BETWEEN ${first} AND ${last + BLOCK_ROWS}`;
      named += this.#number(`SELECT count(DISTINCT seq) FROM replaced WHERE seq ${isOwn}`);
      statements.push(`INSERT INTO replaced SELECT n, seq FROM old.replaced WHERE seq NOT ${isOwn}`);
    }
    this.#file.copyRows(this.#from, statements);
    // So many records of the new file are still named by others, although they are gone.
    this.#file.transaction(() => {
      this.#file.setNote(NOTE, String(Math.max(0, leftOut - named)));
      if (isWithoutBodies) this.#file.setNote(BODIES_NOTE, 'deleted');
    });
  }

  /** Inserted, and never deleted afterwards, since deleted rows leave their bytes. */
  #annotationCopies(): string[] {
    const seqs = this.#all('SELECT seq FROM annotations').map(([seq]) => seq as number);
    const kept = seqs.filter((seq) => !this.#dead.has(seq) && !this.#isDead(seq));
    const copies: string[] = [];
    for (let i = 0; i < kept.length; i += SEQS_AT_ONCE)
      copies.push(
        `INSERT INTO annotations SELECT seq, target, names, content FROM old.annotations
         WHERE seq IN (${kept.slice(i, i + SEQS_AT_ONCE).join(', ')})`,
      );
    return copies;
  }

  /** The records that the file itself names as hidden, and the number of the last row that names some. */
  #readHidden(): number {
    if (!this.#hasTable('hidden')) return 0;
    let last = 0;
    for (const [n, first, bits] of this.#all('SELECT n, seq, bits FROM hidden ORDER BY n')) {
      this.#hidden.addGroup(first as number, bits as Uint8Array);
      last = n as number;
    }
    return last;
  }

  #schemaOf(table: string): string[] {
    return this.#all('SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL', table).map(
      ([sql]) => sql as string,
    );
  }

  /** The same object for equal shapes. */
  #shared(shape: Shape): Shape {
    const key = JSON.stringify(shape);
    const known = this.#shapes.get(key);
    if (known === undefined) this.#shapes.set(key, shape);
    return known ?? shape;
  }

  #checkpoint(): void {
    this.#written += this.#file.takeWrittenBytes();
    if (this.#written < CHECKPOINT_BYTES) return;
    this.#written = 0;
    this.#file.checkpoint();
  }

  #hasTable(name: string): boolean {
    return this.#number('SELECT count(*) FROM sqlite_master WHERE name = ?', name) > 0;
  }

  #number(sql: string, ...values: (string | number)[]): number {
    return this.#all(sql, ...values)[0]![0] as number;
  }

  #all(sql: string, ...values: (string | number)[]): unknown[][] {
    const statement = this.#db.prepare(sql);
    statement.setReturnArrays(true);
    return statement.all(...values) as unknown as unknown[][];
  }
}

/** The result; `undefined` if the value is damaged, so that its records are lost, as for readers. */
function intact<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DamagedBlobError)) throw error;
    return undefined;
  }
}
