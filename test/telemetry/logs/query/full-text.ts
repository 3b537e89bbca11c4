// A full-text index as in the store: a contentless FTS5 table with detail=none, in memory.
import { DatabaseSync } from 'node:sqlite';
import { indexText, TOKENIZER } from '../../../../src/telemetry/logs/query/words.ts';

export class FullText implements Disposable {
  readonly #db = new DatabaseSync(':memory:');

  constructor() {
    this.#db.exec(
      `CREATE VIRTUAL TABLE text USING fts5(body, content='', detail=none, tokenize='${TOKENIZER}');
       CREATE VIRTUAL TABLE vocabulary USING fts5vocab(text, 'row')`,
    );
  }

  /** Replaces the contents of the index with one text. */
  only(text: string): this {
    this.#db.exec(`INSERT INTO text(text) VALUES ('delete-all')`);
    this.#db.prepare('INSERT INTO text(rowid, body) VALUES (1, ?)').run(indexText(text));
    return this;
  }

  /** All tokens of the index, ordered by UTF-16 code units. */
  tokens(): string[] {
    const rows = this.#db.prepare('SELECT term FROM vocabulary').all();
    return rows.map((row) => row['term'] as string).sort();
  }

  matches(expression: string): boolean {
    return this.#db.prepare('SELECT rowid FROM text WHERE text MATCH ?').all(expression).length === 1;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
