// One file of the record, as its writer sees it: the schema, and records appended in one transaction.
// Must stay true: what is found by a word, an id or a minute's sum was written in the same transaction as the record.
// Ids of requests and origins are kept once in a file, not once in a line (contracts/logplane.md E4).
import { zstdCompressSync } from 'node:zlib';
import { SqliteFile } from '../../../core/sqlite-file.ts';
import { searchableText } from '../query/searchable-text.ts';
import { indexText, TOKENIZER } from '../query/words.ts';
import { KINDS, type LogRecord, type RecordOrigin } from '../log-record.ts';

export const LOG_SCHEMA_VERSION = 1;

/** Bodies of a request, where they are kept. */
export interface Bodies {
  readonly request: Uint8Array | undefined;
  readonly response: Uint8Array | undefined;
}

export interface StoreEntry {
  readonly record: LogRecord;
  readonly bodies?: Bodies | undefined;
}

const SCHEMA = `
CREATE TABLE origins (
  origin INTEGER PRIMARY KEY,
  deployment TEXT NOT NULL, environment TEXT NOT NULL, replica TEXT NOT NULL, source TEXT NOT NULL,
  UNIQUE (deployment, environment, replica, source)
);
CREATE TABLE requests (rid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, trace TEXT NOT NULL);
CREATE INDEX requests_trace ON requests (trace) WHERE trace <> '';
CREATE TABLE records (
  seq INTEGER PRIMARY KEY,
  ts INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  origin INTEGER NOT NULL,
  rid INTEGER,
  trace TEXT,
  span TEXT NOT NULL,
  parent TEXT NOT NULL,
  status INTEGER NOT NULL,
  duration INTEGER NOT NULL,
  message TEXT NOT NULL,
  attributes TEXT NOT NULL
);
CREATE INDEX records_ts ON records (ts);
CREATE INDEX records_rid ON records (rid) WHERE rid IS NOT NULL;
CREATE INDEX records_trace ON records (trace) WHERE trace IS NOT NULL;
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, request BLOB, response BLOB);
CREATE TABLE minutes (
  minute INTEGER NOT NULL, origin INTEGER NOT NULL, kind INTEGER NOT NULL, severity INTEGER NOT NULL,
  status INTEGER NOT NULL, n INTEGER NOT NULL, duration INTEGER NOT NULL,
  PRIMARY KEY (minute, origin, kind, severity, status)
) WITHOUT ROWID;
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(text, content='', detail=none, tokenize="${TOKENIZER}");
PRAGMA user_version = ${LOG_SCHEMA_VERSION};
`;

/** Ids whose number is remembered; beyond that they are looked up anew. */
const MAX_REMEMBERED = 20_000;
/** The file has no bound of its own: it is the folder that has one. */
const UNBOUNDED = 2 ** 42;
const MINUTE_NS = 60_000_000_000n;

interface Sum {
  readonly minute: number;
  readonly origin: number;
  readonly record: LogRecord;
  n: number;
  duration: number;
}

export class SegmentWriter {
  readonly path: string;
  readonly #file: SqliteFile;
  readonly #origins = new Map<string, number>();
  readonly #requests = new Map<string, { rid: number; trace: string }>();

  /** Opens or makes the file; throws what SQLite says, or that another weir has written it. */
  constructor(path: string) {
    this.path = path;
    this.#file = new SqliteFile(path, { sync: 'normal', maxBytes: UNBOUNDED, isShared: true });
    const { version } = this.#file;
    if (version === 0) this.#file.transaction(() => this.#file.exec(SCHEMA));
    else if (version !== LOG_SCHEMA_VERSION) {
      this.#file.close();
      throw new Error(`${path} has schema version ${version}, this weir knows ${LOG_SCHEMA_VERSION}`);
    }
  }

  /** The place of its last record; 0 for none. */
  get lastSeq(): number {
    const [row] = this.#file.all<{ seq: number | null }>('SELECT max(seq) AS seq FROM records');
    return row?.seq ?? 0;
  }

  /** What SQLite finds wrong with it; empty when nothing is, or when it has more than `limitBytes`. */
  damage(limitBytes: number): string {
    return this.#file.damage(limitBytes);
  }

  /** A text that is kept beside the records; empty where there is none. */
  note(name: string): string {
    const row = this.#file.get('SELECT value FROM notes WHERE name = ?', name) as
      { value: string } | undefined;
    return row?.value ?? '';
  }

  /** Stores all or none, at the places from `firstSeq` on, and notes that belong to them. */
  append(
    entries: readonly StoreEntry[],
    firstSeq: number,
    notes: Readonly<Record<string, string>> = {},
  ): void {
    try {
      this.#file.transaction(() => {
        for (const [name, value] of Object.entries(notes))
          this.#file.run('INSERT OR REPLACE INTO notes VALUES (?, ?)', name, value);
        const sums = new Map<string, Sum>();
        let seq = firstSeq;
        for (const { record, bodies } of entries) this.#insert(record, bodies, seq++, sums);
        for (const sum of sums.values()) this.#addSum(sum);
      });
    } catch (error) {
      // What was remembered may have been taken back with the rest.
      this.#origins.clear();
      this.#requests.clear();
      throw error;
    }
  }

  close(): void {
    this.#file.close();
  }

  #insert(record: LogRecord, bodies: Bodies | undefined, seq: number, sums: Map<string, Sum>): void {
    const { timeNs, severity, requestId, traceId, status, durationNs } = record;
    const origin = this.#origin(record);
    const kind = KINDS.indexOf(record.kind);
    const request = requestId === '' ? undefined : this.#request(requestId, traceId);
    this.#file.run(
      'INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      seq,
      timeNs,
      kind,
      severity,
      origin,
      request?.rid ?? null,
      // What the request says already is not said again.
      traceId === '' || traceId === request?.trace ? null : traceId,
      record.spanId,
      record.parentSpanId,
      status,
      Math.round(durationNs),
      record.message,
      record.attributes,
    );
    const text = indexText(searchableText(record));
    if (text !== '') this.#file.run('INSERT INTO words (rowid, text) VALUES (?, ?)', seq, text);
    if (bodies) this.#insertBodies(seq, bodies);
    const minute = Number(timeNs / MINUTE_NS);
    const key = `${minute} ${origin} ${kind} ${severity} ${status}`;
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { minute, origin, record, n: 1, duration: durationNs });
    else {
      sum.n++;
      sum.duration += durationNs;
    }
  }

  #insertBodies(seq: number, { request, response }: Bodies): void {
    const pack = (body: Uint8Array | undefined) => (body === undefined ? null : zstdCompressSync(body));
    this.#file.run('INSERT INTO bodies VALUES (?, ?, ?)', seq, pack(request), pack(response));
  }

  #addSum({ minute, origin, record: { kind, severity, status }, n, duration }: Sum): void {
    this.#file.run(
      `INSERT INTO minutes VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET n = n + excluded.n, duration = duration + excluded.duration`,
      minute,
      origin,
      KINDS.indexOf(kind),
      severity,
      status,
      n,
      Math.round(duration),
    );
  }

  #origin({ deployment, environment, replica, source }: RecordOrigin): number {
    const key = `${deployment}\n${environment}\n${replica}\n${source}`;
    const known = this.#origins.get(key);
    if (known !== undefined) return known;
    // The change that is none has the row come back also where it is there already.
    const { origin } = this.#file.get(
      `INSERT INTO origins (deployment, environment, replica, source) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET source = source RETURNING origin`,
      deployment,
      environment,
      replica,
      source,
    ) as { origin: number };
    if (this.#origins.size >= MAX_REMEMBERED) this.#origins.clear();
    this.#origins.set(key, origin);
    return origin;
  }

  #request(id: string, trace: string): { rid: number; trace: string } {
    const known = this.#requests.get(id);
    if (known !== undefined && (trace === '' || known.trace !== '')) return known;
    const row = this.#file.get(
      `INSERT INTO requests (id, trace) VALUES (?, ?)
       ON CONFLICT DO UPDATE SET trace = CASE trace WHEN '' THEN excluded.trace ELSE trace END
       RETURNING rid, trace`,
      id,
      trace,
    ) as { rid: number; trace: string };
    if (this.#requests.size >= MAX_REMEMBERED) this.#requests.clear();
    this.#requests.set(id, row);
    return row;
  }
}
