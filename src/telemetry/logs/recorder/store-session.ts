// The log store on the recorder thread: takes records in order, stores them after each drain, and acknowledges posts.
// A folder that cannot be used is tried again later; its records are lost and counted.
// Invariant: every message and post is acknowledged once, when its records are stored or lost.
import { backoffMs } from '../../../core/backoff.ts';
import type { EventName } from '../../../core/events.ts';
import type { RawBodies } from '../../../core/exchange/body-capture.ts';
import { BodyReader, UNMASKABLE, type BodyFacts, MAX_ERROR } from '../ingest/bodies/body-reader.ts';
import { attributesText } from '../ingest/attributes.ts';
import { Ingester } from '../ingest/ingester.ts';
import type { LogFileFollower, FilePosition } from '../ingest/log-file-follower.ts';
import { attributesOf, KINDS, type LogRecord, type RecordKind } from '../log-record.ts';
import type { PostedRows } from '../rows/read-rows.ts';
import { RowIntake, type StoredRows } from '../rows/row-intake.ts';
import type { Bodies } from '../store/bodies.ts';
import { BLOCK_ROWS } from '../store/block-rows.ts';
import { StoreWriter } from '../store/store-writer.ts';
import { DelayedLines } from './delayed-lines.ts';
import { maskedName, steadyMs, type RecorderFigures } from './recorder-figures.ts';
import type {
  DroppedRecords,
  FromRecorder,
  LoggedLine,
  StoreOptions,
  StorePost,
  ToRecorder,
} from './recorder-messages.ts';
import type { FrameBytes } from './frames.ts';
import type { RecorderSource } from './recorder-source.ts';
import type { BodiesOfRequest, RequestFrames } from './request-frames.ts';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** Minimum time between two checks of the limits of the store. */
const LIMITS_MS = 1000;

const STORED = {
  request: 'storedRequests',
  line: 'storedLines',
  span: 'storedSpans',
  event: 'storedEvents',
  annotation: 'storedAnnotations',
} as const satisfies Record<RecordKind, string>;
const LOST = {
  store_full: 'lostStoreFull',
  store_error: 'lostStoreError',
  store_unusable: 'lostStoreUnusable',
  queue_full: 'lostQueueFull',
} as const satisfies Record<DroppedRecords, string>;

/** A posted request with bodies. */
function withBodies(record: LogRecord, facts: BodyFacts): LogRecord {
  const attributes = { ...facts, ...attributesOf(record), has_bodies: true };
  return { ...record, attributes: JSON.stringify(attributes) };
}

export class StoreSession {
  readonly #figures: RecorderFigures;
  readonly #ingester: Ingester;
  readonly #bodies: BodyReader;
  readonly #writer: StoreWriter;
  readonly #delayed: DelayedLines;
  #follower: LogFileFollower | undefined;
  #isOpen = false;
  #failures = 0;
  #againAtMs = 0;
  #lostBefore = 0;
  #limitsAtMs = 0;
  /** Records that are added and not stored, by kind. */
  readonly #added: Record<RecordKind, number> = { request: 0, line: 0, span: 0, event: 0, annotation: 0 };
  #addedCount = 0;
  #addedWeight = 0;
  /** Sources of what is added. */
  readonly #unsettled = new Set<RecorderSource>();
  #addedPosts: { readonly n: number; readonly count: number; readonly rows?: StoredRows | undefined }[] = [];
  /** How often added records were lost. */
  #losses = 0;
  /** Opened by the first row. */
  #rows: RowIntake | undefined;
  readonly #options: StoreOptions;
  #endings: { readonly n: number; readonly path: string }[] = [];
  #results: FromRecorder['posts'][number][] = [];
  #logged: LoggedLine[] = [];
  #headSeq = 0;

  constructor(options: StoreOptions, figures: RecorderFigures) {
    const { writer, ingest } = options;
    this.#options = options;
    this.#figures = figures;
    this.#ingester = new Ingester(ingest, (rule, count) => figures.add(maskedName(rule), count));
    this.#bodies = new BodyReader(ingest.maxBodyBytes, this.#ingester.redactors.postedBodies);
    const log = (
      level: LoggedLine['level'],
      event: string,
      fields: LoggedLine['fields'],
      name?: EventName,
    ) => {
      this.#logged.push({ level, event, fields, name });
      if (name === 'log_store_damaged') figures.add('damaged', 1);
    };
    this.#writer = new StoreWriter(writer, log, { now: Date.now, steady: () => performance.now() });
    this.#delayed = new DelayedLines(
      (record) => this.#add(this.#ingester.withOwner(record)),
      () => this.#writer.room > BLOCK_ROWS,
    );
    figures.set('waitingSinceMs', 0);
    this.#tryOpen();
  }

  readonly redact = (text: string): string => this.#ingester.redactors.lines.redactText(text);
  /** Redacts an error in a body of a request with this path. */
  readonly redactOfBody = (text: string, path: string): string =>
    this.#ingester.redactors.bodiesOf(path).redactStart(text, MAX_ERROR);
  /** Attributes as JSON text, redacted and limited; empty if there are none. */
  readonly attributesText = (attributes: Readonly<Record<string, unknown>>): string =>
    attributesText(attributes, this.#ingester.redactors.lines);

  /** True if lines wait for further lines or for the owner of their request, so that `tick` must be called. */
  get needsTicks(): boolean {
    return this.#ingester.hasStreams || this.#follower !== undefined || this.#delayed.isWaiting;
  }

  /** True if records wait to be stored. */
  get isPending(): boolean {
    return this.#addedWeight + this.#addedCount + this.#addedPosts.length + this.#endings.length > 0;
  }

  /** Path of the file that is written, and by how much its write-ahead log has grown. */
  takeGrowth(): { readonly path: string; readonly bytes: number } | undefined {
    return this.#writer.takeGrowth();
  }

  /** Adds the request of the frame at which the source is. */
  addRequest(source: RecorderSource): void {
    const { frames, at, llm, requests, bodiesOfRequest: raw } = source;
    const rows = this.#usableRows();
    if (rows === undefined) return source.figures.add('settledRequests', 1);
    const bodies = raw && this.#readBodies(raw, frames, at, requests);
    if (bodies?.stored) this.#writer.addBodies({ seq: rows.nextSeq, ...bodies.stored });
    requests.addRow(frames, at, llm, rows, bodies);
    this.#count('request');
    source.unsettled++;
    this.#unsettled.add(source);
    if (this.#ingester.wantsOwners) {
      const { requestId, owner } = requests.ownerOf(frames, at);
      if (owner.deployment !== '') this.#ingester.addRunning(requestId, owner);
    }
  }

  /** Handles a message of a source. */
  accept(message: ToRecorder, source: RecorderSource): void {
    this.#addedWeight += message.weight;
    source.unsettledWeight += message.weight;
    this.#unsettled.add(source);
    switch (message.kind) {
      case 'stream':
        return this.#ingester.openStream(message.stream, message.origin);
      case 'bytes':
        return this.#addAll(this.#ingester.addBytes(message.stream, message.bytes));
      case 'running':
        for (const { requestId, owner } of message.running) this.#ingester.addRunning(requestId, owner);
        return;
      case 'fileOwner':
        return this.#ingester.setFileOwner(message.owner);
      case 'post':
        return this.#addPost(message.post);
      case 'damagedFile':
        return this.#writer.damaged(message.path, message.problem);
      case 'damagedPage':
        return this.#writer.setAside(message.path, message.place, message.problem);
      case 'openStore':
      case 'closeStore':
      case 'bodies':
        return;
    }
  }

  /** Adds lines that have waited long enough, and applies the limits of the store once a second. */
  tick(): void {
    this.#addAll(this.#ingester.tick());
    this.#delayed.release(performance.now());
    this.#applyLimits();
  }

  /** Stores what was added. Returns false if another process has locked the store, so that it must be tried again. */
  store(): boolean {
    if (!this.#isOpen) {
      this.#settle('store_unusable');
      return true;
    }
    if (this.isPending && this.#figures.get('waitingSinceMs') === 0)
      this.#figures.set('waitingSinceMs', steadyMs());
    const result = this.#writer.store();
    if (result.kind === 'busy') return false;
    if (result.kind === 'lost') {
      this.#losses++;
      this.#rows?.lost();
      this.#settle(result.why);
    } else {
      this.#settle(undefined);
      this.#rows?.stored(this.#writer.headSeq);
    }
    this.#figures.set('headSeq', this.#writer.headSeq);
    this.#applyLimits();
    return this.#endFiles();
  }

  /** Ends the files that are to end. Returns false if another process has locked one of them. */
  #endFiles(): boolean {
    // The rows in memory may have been deleted from the store.
    if (this.#endings.length > 0) this.#rows?.forget();
    for (let [ending] = this.#endings; ending !== undefined; [ending] = this.#endings) {
      if (ending.path !== '' && !this.#writer.rollOver(ending.path)) return false;
      this.#results.push({ n: ending.n, stored: 0 });
      this.#endings.shift();
    }
    return true;
  }

  /** What the main thread has to be told; `undefined`: nothing. */
  takeReport(): FromRecorder | undefined {
    const hasStored = this.#writer.headSeq !== this.#headSeq && this.#figures.get('isFollowed') === 1;
    if (!hasStored && this.#results.length === 0 && this.#logged.length === 0) return undefined;
    const report = { posts: this.#results, logged: this.#logged, hasStored };
    this.#results = [];
    this.#logged = [];
    this.#headSeq = this.#writer.headSeq;
    return report;
  }

  /** Adds the lines that still wait. The last `store` and `close` follow. */
  async end(): Promise<void> {
    await this.#follower?.close();
    this.#follower = undefined;
    this.#delayed.release(Infinity);
    this.#addAll(this.#ingester.end());
  }

  close(): void {
    this.#isOpen = false;
    this.#rows?.close();
    this.#writer.close();
  }

  #tryOpen(): void {
    if (performance.now() < this.#againAtMs) return;
    const problem = this.#writer.open();
    if (problem === '') return this.#opened();
    if (this.#failures === 0) this.#lostBefore = this.#figures.get('lostStoreUnusable');
    const pauseMs = backoffMs(this.#failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    this.#againAtMs = performance.now() + pauseMs;
    this.#event('log_store_lost', { problem, again_in_ms: Math.round(pauseMs) });
  }

  #opened(): void {
    this.#isOpen = true;
    const lost = this.#figures.get('lostStoreUnusable') - this.#lostBefore;
    if (this.#failures > 0) this.#event('log_store_back', { lost });
    this.#failures = 0;
    this.#figures.set('headSeq', this.#writer.headSeq);
    this.#figures.set('storeBytes', this.#writer.bytes);
    this.#follower = this.#ingester.follow({
      ...this.#delayed.follower,
      save: (positions) => this.#delayed.afterwards(() => this.#writer.setNote(JSON.stringify(positions))),
      load: () => (this.#writer.note === '' ? [] : (JSON.parse(this.#writer.note) as FilePosition[])),
      report: (file, problem) =>
        void this.#logged.push({
          level: 'warn',
          event: 'log file not followed',
          fields: { file, problem },
        }),
    });
  }

  #event(name: EventName, fields: LoggedLine['fields']): void {
    this.#logged.push({ level: 'error', event: name, fields, name });
  }

  /** Rows for a record; `undefined` if it is lost, which is counted. */
  #usableRows(count = 1): ReturnType<StoreWriter['rows']> {
    if (!this.#isOpen) this.#tryOpen();
    let rows = this.#isOpen ? this.#writer.rows() : undefined;
    if (rows === undefined && this.#isOpen && this.store()) rows = this.#writer.rows();
    if (rows === undefined) this.#figures.add(LOST[this.#isOpen ? 'queue_full' : 'store_unusable'], count);
    return rows;
  }

  #addAll(records: readonly LogRecord[]): void {
    for (const record of records) this.#add(record);
  }

  #add(record: LogRecord): void {
    const rows = this.#usableRows();
    if (rows === undefined) return;
    this.#writer.add(record);
    this.#count(record.kind);
  }

  #addPost({ n, records, bodies = [], lines, rows, endFile }: StorePost): void {
    if (rows !== undefined) return this.#addRows(n, rows);
    if (endFile !== undefined) return void this.#endings.push({ n, path: endFile });
    const all = records.map((record) => this.#ingester.sanitized(record));
    const stored = bodies.map((one, i) => {
      const read = one && this.#bodies.readPosted(one);
      if (read) this.#countUnmaskable(read.facts);
      if (read?.bodies !== undefined) all[i] = withBodies(all[i]!, read.facts);
      return read?.bodies;
    });
    if (lines) all.push(...this.#ingester.linesOf(lines.bytes, lines.origin));
    const problem = this.#problemFor(all.length);
    if (problem !== undefined) return this.#refuse(n, problem, all.length);
    if (all.length <= BLOCK_ROWS && this.#writer.addTogether(all, stored))
      for (const { kind } of all) this.#count(kind);
    else this.#addAll(all);
    this.#addedPosts.push({ n, count: all.length });
  }

  #addRows(n: number, posted: PostedRows): void {
    const problem = this.#problemFor(1);
    if (problem !== undefined) return this.#refuse(n, problem, 1);
    const { writer, ingest } = this.#options;
    this.#rows ??= new RowIntake(writer.folder, ingest.own, this.#ingester.redactors.posts, this.#writer);
    const losses = this.#losses;
    const hasRoom = (count: number): boolean =>
      this.#problemFor(count) === undefined && this.#losses === losses;
    const added = this.#rows.add(posted, hasRoom, () => this.store() && this.#losses === losses);
    if (added === 'no room') return this.#refuse(n, 'queue_full', 1);
    if ('invalid' in added) return void this.#results.push({ n, invalid: added.invalid });
    const { rows, count } = added;
    for (let i = 0; i < count; i++) this.#count('span');
    this.#addedPosts.push({ n, count, rows });
  }

  /** Why so many records cannot be added. */
  #problemFor(count: number): 'store_unusable' | 'queue_full' | undefined {
    if (!this.#isOpen) this.#tryOpen();
    if (this.#isOpen && this.#writer.room < count) this.store();
    if (!this.#isOpen) return 'store_unusable';
    return this.#writer.room < count ? 'queue_full' : undefined;
  }

  #refuse(n: number, problem: 'store_unusable' | 'queue_full', count: number): void {
    this.#figures.add(LOST[problem], count);
    this.#results.push({ n, problem });
  }

  #readBodies(
    raw: RawBodies,
    frames: FrameBytes,
    at: number,
    requests: RequestFrames,
  ): BodiesOfRequest & { readonly stored: Bodies | undefined } {
    const { redactors } = this.#ingester;
    const path = redactors.usesPath ? requests.pathOf(frames, at) : '';
    const redactor = redactors.bodiesOf(path);
    const { facts, bodies, isFailedStream } = this.#bodies.read(
      raw,
      requests.isComplete(frames, at),
      redactor,
    );
    if (redactor.masks) this.#countUnmaskable(facts);
    return { facts, hasBodies: bodies !== undefined, isFailedStream, stored: bodies };
  }

  #countUnmaskable({ request_body: request, response_body: response }: BodyFacts): void {
    for (const mark of [request, response]) if (mark === UNMASKABLE) this.#figures.add('bodiesUnmaskable', 1);
  }

  #count(kind: RecordKind): void {
    this.#added[kind]++;
    this.#addedCount++;
  }

  /** Acknowledges what was added. `why`: the reason why it was lost; `undefined`: it is stored. */
  #settle(why: DroppedRecords | undefined): void {
    for (const source of this.#unsettled) source.settle();
    this.#unsettled.clear();
    for (const kind of KINDS) {
      if (this.#added[kind] === 0) continue;
      this.#figures.add(why === undefined ? STORED[kind] : LOST[why], this.#added[kind]);
      this.#added[kind] = 0;
    }
    this.#addedCount = 0;
    for (const { n, count, rows } of this.#addedPosts)
      this.#results.push(why === undefined ? { n, stored: count, rows } : { n, problem: why });
    this.#addedPosts = [];
    if (why !== undefined)
      for (const { n } of this.#endings.splice(0)) this.#results.push({ n, problem: why });
    this.#figures.set('waitingSinceMs', 0);
    this.#addedWeight = 0;
  }

  #applyLimits(): void {
    const now = performance.now();
    if (!this.#isOpen || now - this.#limitsAtMs < LIMITS_MS) return;
    this.#limitsAtMs = now;
    this.#writer.applyLimits();
    this.#figures.set('storeBytes', this.#writer.bytes);
  }
}
