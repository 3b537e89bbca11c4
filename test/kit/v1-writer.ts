// Writes one segment: creates its tables, and appends records. Request ids and origins are stored once per segment,
// since most records share them (docs/contracts/logs.md 1).
// Invariant: a record, its words, its ids and its share of the minute totals are written in one transaction, one table
// after the other, since FTS5 writes a segment of its index each time that another table is written.
import { zstdCompressSync } from 'node:zlib';
import { SqliteFile } from '../../src/core/sqlite-file.ts';
import { searchableText } from '../../src/telemetry/logs/query/searchable-text.ts';
import { indexText, TOKENIZER } from '../../src/telemetry/logs/query/words.ts';
import { KINDS, type LogRecord, type RecordOrigin } from '../../src/telemetry/logs/log-record.ts';
import type { Bodies } from '../../src/telemetry/logs/store/bodies.ts';

/** A record and the bodies of a request. */
export interface StoreEntry {
  readonly record: LogRecord;
  readonly bodies?: Bodies | undefined;
}

const SCHEMA_VERSION = 1;

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
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Maximum number of entries in each cache of ids. */
const MAX_CACHED = 20_000;
/** Practically no limit, since the limit applies to the whole folder. */
const MAX_SEGMENT_BYTES = 2 ** 42;
const MINUTE_NS = 60_000_000_000n;

/** Share of one `append` in a minute total. */
interface TotalDelta {
  readonly minute: number;
  readonly origin: number;
  readonly record: LogRecord;
  n: number;
  duration: number;
}

/** Row of `requests`. */
interface RequestRow {
  readonly rid: number;
  readonly trace: string;
}

export class V1Writer {
  readonly path: string;
  readonly #file: SqliteFile;
  readonly #origins = new Map<string, number>();
  readonly #requests = new Map<string, RequestRow>();
  /** A free `rid`, larger than all that are used; 0: not known. */
  #nextRid = 0;

  /** Opens or creates the segment. Throws errors of SQLite, and an error for another schema version. */
  constructor(path: string) {
    this.path = path;
    this.#file = new SqliteFile(path, { sync: 'normal', maxBytes: MAX_SEGMENT_BYTES, isShared: true });
    const { version } = this.#file;
    if (version === 0) this.#file.transaction(() => this.#file.exec(SCHEMA));
    else if (version !== SCHEMA_VERSION) {
      this.#file.close();
      throw new Error(
        `${path} has schema version ${version}, this version of weir supports ${SCHEMA_VERSION}`,
      );
    }
  }

  /** Sequence number of the last record; 0 without records. */
  get lastSeq(): number {
    const [row] = this.#file.all<{ seq: number | null }>('SELECT max(seq) AS seq FROM records');
    return row?.seq ?? 0;
  }

  /** Checks the integrity of the file. Returns an error text; empty if it is intact or has more than `limitBytes`. */
  damage(limitBytes: number): string {
    return this.#file.damage(limitBytes);
  }

  /** Returns the text of a note, empty if there is none. */
  note(name: string): string {
    const row = this.#file.get('SELECT value FROM notes WHERE name = ?', name) as
      { value: string } | undefined;
    return row?.value ?? '';
  }

  /** Stores all entries or none, numbered from `firstSeq`, and replaces the given notes in the same transaction. */
  append(
    entries: readonly StoreEntry[],
    firstSeq: number,
    notes: Readonly<Record<string, string>> = {},
  ): void {
    try {
      this.#file.transaction(() => {
        for (const [name, value] of Object.entries(notes))
          this.#file.run('INSERT OR REPLACE INTO notes VALUES (?, ?)', name, value);
        const rows = entries.map(({ record: { requestId, traceId } }) =>
          requestId === '' ? undefined : this.#request(requestId, traceId),
        );
        const origins = entries.map(({ record }) => this.#origin(record));
        for (const [i, { record }] of entries.entries())
          this.#insertRecord(record, firstSeq + i, origins[i]!, rows[i]);
        for (const [i, { record }] of entries.entries()) this.#insertWords(record, firstSeq + i);
        for (const [i, { bodies }] of entries.entries()) if (bodies) this.#insertBodies(firstSeq + i, bodies);
        for (const total of totalsOf(entries, origins)) this.#addToTotal(total);
      });
    } catch (error) {
      // The rollback may have removed rows that the caches know.
      this.#origins.clear();
      this.#requests.clear();
      throw error;
    }
  }

  close(): void {
    this.#file.close();
  }

  #insertRecord(record: LogRecord, seq: number, origin: number, request: RequestRow | undefined): void {
    const { timeNs, severity, traceId, status, durationNs } = record;
    this.#file.run(
      'INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      seq,
      timeNs,
      KINDS.indexOf(record.kind),
      severity,
      origin,
      request?.rid ?? null,
      // NULL if the row of the request has the same trace id.
      traceId === '' || traceId === request?.trace ? null : traceId,
      record.spanId,
      record.parentSpanId,
      status,
      Math.round(durationNs),
      record.message,
      record.attributes,
    );
  }

  /** Requests have no row, since there are many of them, with few different words (sql-conditions.ts). */
  #insertWords(record: LogRecord, seq: number): void {
    if (record.kind === 'request') return;
    const text = indexText(searchableText(record));
    if (text !== '') this.#file.run('INSERT INTO words (rowid, text) VALUES (?, ?)', seq, text);
  }

  #insertBodies(seq: number, { request, response }: Bodies): void {
    const compress = (body: Uint8Array | undefined) => (body === undefined ? null : zstdCompressSync(body));
    this.#file.run('INSERT INTO bodies VALUES (?, ?, ?)', seq, compress(request), compress(response));
  }

  #addToTotal({ minute, origin, record: { kind, severity, status }, n, duration }: TotalDelta): void {
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
    const cached = this.#origins.get(key);
    if (cached !== undefined) return cached;
    // The update changes nothing. It makes RETURNING return an existing row too.
    const { origin } = this.#file.get(
      `INSERT INTO origins (deployment, environment, replica, source) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET source = source RETURNING origin`,
      deployment,
      environment,
      replica,
      source,
    ) as { origin: number };
    if (this.#origins.size >= MAX_CACHED) this.#origins.clear();
    this.#origins.set(key, origin);
    return origin;
  }

  /** Returns the row of a request. Inserts it, or sets its trace id, if needed. */
  #request(id: string, trace: string): RequestRow {
    const cached = this.#requests.get(id);
    if (cached !== undefined && (trace === '' || cached.trace !== '')) return cached;
    const row = this.#insertRequest(id, trace) ?? this.#updateRequest(id, trace);
    if (this.#requests.size >= MAX_CACHED) this.#requests.clear();
    this.#requests.set(id, row);
    return row;
  }

  /** Returns `undefined` if the request has a row already. */
  #insertRequest(id: string, trace: string): RequestRow | undefined {
    if (this.#nextRid === 0) {
      const { rid } = this.#file.get('SELECT max(rid) AS rid FROM requests') as { rid: number | null };
      this.#nextRid = (rid ?? 0) + 1;
    }
    const rid = this.#nextRid;
    if (this.#file.run('INSERT OR IGNORE INTO requests VALUES (?, ?, ?)', rid, id, trace) === 0)
      return undefined;
    this.#nextRid++;
    return { rid, trace };
  }

  #updateRequest(id: string, trace: string): RequestRow {
    const row = this.#file.get('SELECT rid, trace FROM requests WHERE id = ?', id) as RequestRow;
    if (row.trace !== '' || trace === '') return row;
    this.#file.run('UPDATE requests SET trace = ? WHERE rid = ?', trace, row.rid);
    return { rid: row.rid, trace };
  }
}

/** Sums up the records of each minute that have the same origin, kind, severity and status. */
function totalsOf(entries: readonly StoreEntry[], origins: readonly number[]): Iterable<TotalDelta> {
  const totals = new Map<string, TotalDelta>();
  for (const [i, { record }] of entries.entries()) {
    const { kind, timeNs, severity, status, durationNs } = record;
    const minute = Number(timeNs / MINUTE_NS);
    const origin = origins[i]!;
    const key = `${minute} ${origin} ${kind} ${severity} ${status}`;
    const total = totals.get(key);
    if (total === undefined) totals.set(key, { minute, origin, record, n: 1, duration: durationNs });
    else {
      total.n++;
      total.duration += durationNs;
    }
  }
  return totals.values();
}
