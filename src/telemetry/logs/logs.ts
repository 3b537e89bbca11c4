// The log store and the access log: stores requests, log lines, spans, events and annotations, and runs queries. Other
// modules import only this file. The data goes through the folders in this order:
//   recorder/  from the forwarding thread through the ring to the recorder thread, which writes the access log and calls
//              ingest, then store
//   ingest/    turns output streams, log files, posts, OTLP messages and captured bodies into redacted records
//   store/     day files: writes pages and blocks, reads them, deletes old files (calls query); v1/ reads older files
//   query/     parses queries, evaluates them for records and for groups of records; calls no other folder
//   deletion/  deletes records for good (calls threads, and store in them)
//   backup/    copies the data folder while weir runs, and makes a data folder of a copy (calls threads)
//   masking/   the rules by which ingest masks personal data
//   rows/      rows of spans that clients log: merges them and makes their records (calls ingest and store)
//   threads/   the reader thread (calls store, and a module of its user) and its client
// Invariant: recording never waits for the store; what does not fit into the ring and the limits of messages is dropped
// and counted.
import type { DeploymentIdentity } from '../../core/deployment-identity.ts';
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { ReaderClient } from './threads/reader-client.ts';
import type { IngesterOptions } from './ingest/ingester.ts';
import type { QueryNode } from './query/query-node.ts';
import { subscriptionNode, type Subscription } from './query/subscription.ts';
import type { FeedPage } from './store/store-reader.ts';
import { MAX_SEQ, type PagePosition } from './store/page-position.ts';
import type { LogStore, NextRecords, SearchPage, SearchQuery, StoredBodies, StoreHead } from './log-store.ts';
import { placeOfSeq, readLocalPlace, seqOfPlace, type Place, type TimePlace } from './place.ts';
import { annotationRecord, type Annotation, type AnnotationTarget } from './annotation.ts';
import type { LineOrigin, LogRecord, RecordWriter } from './log-record.ts';
import type { RequestOwner } from './ingest/request-owners.ts';
import type { RecorderClient } from './recorder/recorder-client.ts';
import type { PostResult, RowsResult } from './recorder/recorder-messages.ts';
import type { PostedRows } from './rows/read-rows.ts';
import { StoreClient, type StoreFigures } from './recorder/store-client.ts';
import type { GroupQuery, GroupResult } from './query/group-query.ts';
import { callGroup, type GroupLimits } from './threads/group-call.ts';

export { CapturePolicy } from './ingest/capture-policy.ts';
export { Backups } from './backup/backups.ts';
export { restoreBackup } from './backup/restore.ts';
export { countOf, Deletions, type DeletionRequest } from './deletion/deletions.ts';
export type { DeletionJob } from './deletion/deletion-job.ts';
export { testMasking, unknownRules } from './masking/masking-test.ts';
export type { MaskPlace } from './masking/masking-options.ts';
export {
  MODEL_ATTRIBUTE,
  POD_ATTRIBUTE,
  recordsOfLogs,
  recordsOfSpans,
  RESERVED_PREFIX,
  SPAN_NAMES,
  type OtlpDefaults,
} from './ingest/otlp-records.ts';
export {
  annotationOf,
  annotationRecord,
  standing,
  type Annotation,
  type AnnotationTarget,
} from './annotation.ts';
export { llmAttributes } from './ingest/llm-attributes.ts';
export {
  attributesOf,
  KINDS,
  type LineOrigin,
  type LogRecord,
  type RecordKind,
  type RecordWriter,
} from './log-record.ts';
export type { TimeRange } from './store/segment-query.ts';
export type { LogStore, NextRecords, SearchPage, SearchQuery, StoredBodies, StoreHead } from './log-store.ts';
export { formatTimePlace, parseTimePlace, seqOfPlace, type Place, type TimePlace } from './place.ts';
export type { QueryNode } from './query/query-node.ts';
export { compileRegex } from './regex.ts';
export { FILTERS, contractQuery } from './query/contract-params.ts';
export { countedField, withoutField, type CountedField } from './query/counted-field.ts';
export { attributeName, HAS_PARENT } from './query/field-names.ts';
export { attributeAt } from './query/field-test.ts';
export { wordMatcher } from './query/phrase.ts';
export { parseQuery } from './query/parse.ts';
export type { QueryHint } from './query/field-filter.ts';
export type { Subscription } from './query/subscription.ts';
export type { FeedPage } from './store/store-reader.ts';
export { percentilesOf } from './store/order-statistic.ts';
export type { ScanQuery } from './store/scan-query.ts';
export type { PagePosition } from './store/page-position.ts';
export type { QueriedStore, ReadRecords, ReadStore } from './threads/reader-module.ts';
export { apiLevel, SEVERITY, severityText } from './severity.ts';
export type { GroupQuery, GroupResult, KeyValue } from './query/group-query.ts';
export { RecorderClient } from './recorder/recorder-client.ts';
export type { PostResult, RowsResult } from './recorder/recorder-messages.ts';
export type { PostedRows } from './rows/read-rows.ts';
export {
  CREATED_SLACK_NS,
  isScoredBy,
  projectSource,
  rowOf,
  ROW_CUT,
  spanIdOf,
  storedRowOf,
  traceIdOf,
  transactionOf,
} from './rows/row-record.ts';
export type { StoredRows } from './rows/row-intake.ts';
export { wholeRow } from './rows/whole-row.ts';
export type { StoreFigures } from './recorder/store-client.ts';

export interface LogsConfig extends Omit<IngesterOptions, 'own'> {
  /** Folder of the day files. Other files in it are ignored. */
  readonly folder: string;
  /** Maximum size of all day files together, in bytes. */
  readonly maxBytes: number;
  /** URL of a module with further operations of the reader thread (threads/reader-module.ts). */
  readonly readerModule?: string | undefined;
  /** Pod and model of own records. Called when the store is opened, not before `start`. */
  readonly own: () => RecordWriter;
}

/**
 * The wanted records of this weir by their sequence numbers, in the order in which they were stored. For exporters, which
 * run where the records are stored and count them.
 */
export interface LocalJournal {
  /** Finds the wanted records. */
  readonly node: QueryNode;
  /** Highest and lowest sequence number in the store. */
  bounds(): Promise<Pick<FeedPage, 'headSeq' | 'oldestSeq'>>;
  /** Runs an operation of the module that the reader thread has loaded (LogsConfig). */
  run(operation: string, ...args: readonly unknown[]): Promise<unknown>;
  /** Calls `listener` after records were stored. Returns a function that ends this. */
  onStored(listener: () => void): () => void;
}

/** Runs operations of a module in a reader thread. */
export type LogReader = Pick<ReaderClient, 'run' | 'close'>;

/** A stream of log lines, for example the stdout of a replica. */
export interface LineStream {
  write(bytes: Uint8Array): void;
  /** Sets the origin of later lines. */
  setOrigin(origin: LineOrigin): void;
  end(): void;
}

/** An annotation of a client. */
const API: LineOrigin = { deployment: '', environment: '', replica: '', source: 'api' };
const ALL: QueryNode = { op: 'all' };

export class Logs implements Component, LogStore {
  readonly name = 'logs';
  readonly #writer: StoreClient;
  readonly #reader: ReaderClient;
  readonly #openReader: (module: string | undefined, name?: string) => ReaderClient;
  readonly #hasFiles: boolean;
  readonly #listeners = new Set<() => void>();

  /** `recorder`: its thread stores the records. */
  constructor(
    { folder, maxBytes, own, readerModule, ...ingest }: LogsConfig,
    recorder: RecorderClient,
    log: Logger,
  ) {
    const { retentionMs } = ingest;
    const options = { writer: { folder, maxBytes, retentionMs }, ingest, own };
    this.#writer = new StoreClient(recorder, options, log, () => {
      for (const listener of this.#listeners) listener();
    });
    this.#hasFiles = ingest.files.length > 0;
    this.#openReader = (module, name) =>
      new ReaderClient({ folder, module }, (...damaged) => this.#writer.damaged(...damaged), name);
    this.#reader = this.#openReader(readerModule);
  }

  /** Opens the store if log files are followed. Otherwise its first record does, and the first search starts the reader. */
  start(): void {
    if (this.#hasFiles) this.open();
  }

  /** Opens the store now, since other threads will record requests, or files are followed. */
  open(): void {
    this.#writer.open();
  }

  async stop(deadlineMs: number): Promise<void> {
    await this.#writer.close(deadlineMs);
    await this.#reader.close();
  }

  get figures(): StoreFigures {
    return this.#writer.figures;
  }

  // ── Recording ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Records a request that has ended, with the bodies that its body capture holds. Hot path. */
  requestEnded(exchange: Exchange, deployment: DeploymentIdentity | undefined): void {
    this.#writer.request(exchange, deployment);
  }

  /** Opens a stream of log lines. */
  openStream(origin: LineOrigin): LineStream {
    const stream = this.#writer.stream(origin);
    return {
      write: (bytes) => this.#writer.bytes(stream, bytes),
      setOrigin: (other) => this.#writer.setOrigin(stream, other),
      end: () => this.#writer.bytes(stream, undefined),
    };
  }

  /** Tells that a request was routed to a deployment, so that log lines with its id get its deployment and replica. */
  requestRouted(exchange: Exchange, deployment: DeploymentIdentity): void {
    this.#writer.routed(exchange, deployment);
  }

  /** Sets the owner of later lines of followed files that contain no known request id. */
  setFileOwner(owner: RequestOwner): void {
    this.#writer.setFileOwner(owner);
  }

  post(records: readonly LogRecord[], bodies?: readonly (StoredBodies | undefined)[]): Promise<PostResult> {
    return this.#writer.post(records, { bodies });
  }

  postRows(rows: PostedRows): Promise<RowsResult> {
    return this.#writer.postRows(rows);
  }

  /** Ends a day file; empty: none. Resolves when all records before are stored, or lost. */
  endFile(path: string): Promise<PostResult> {
    return this.#writer.endFile(path);
  }

  postLines(bytes: Uint8Array, origin: LineOrigin, count: number): Promise<PostResult> {
    return this.#writer.post([], { lines: { bytes, origin, count } });
  }

  /**
   * Stores an annotation of records that are stored, or will be. `origin`: where it comes from. `invalid`: what is wrong
   * with the target or the content, which may come from JSON.
   */
  async annotate(
    target: AnnotationTarget,
    content: Annotation,
    origin: LineOrigin = API,
  ): Promise<PostResult | { readonly invalid: string }> {
    const record = annotationRecord(target, content, origin);
    return 'invalid' in record ? record : this.post([record]);
  }

  // ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async page({ after, ...query }: SearchQuery): Promise<SearchPage> {
    const { records, next } = await this.#reader.ask('page', { ...query, after: positionOf(after) });
    return { records, next: timePlaceOf(next) };
  }

  async after(node: QueryNode, cursor: Place | undefined, limit: number): Promise<NextRecords> {
    const fromSeq = cursor === undefined ? 0 : seqOfPlace(cursor);
    const { records, lastSeq, headSeq, oldestSeq } = await this.#reader.ask('after', node, fromSeq, limit);
    // Records that were stored during the call may be on the page, so the end may be behind `headSeq`.
    const endSeq = Math.max(headSeq, records.at(-1)?.seq ?? 0);
    const reachedSeq = Math.min(Math.max(fromSeq, lastSeq), endSeq);
    const deleted = cursor === undefined ? 0 : Math.min(oldestSeq - 1, headSeq) - fromSeq;
    return {
      records,
      cursor: placeOfSeq(reachedSeq),
      isAtHead: reachedSeq >= headSeq,
      missed: Math.max(0, deleted),
    };
  }

  async head(cursor?: Place): Promise<StoreHead> {
    const { headSeq } = await this.#reader.ask('after', ALL, MAX_SEQ, 1);
    const behind = cursor === undefined ? 0 : Math.max(0, headSeq - seqOfPlace(cursor));
    return { place: placeOfSeq(headSeq), behind };
  }

  /** Sequence number of the newest record. */
  async headSeq(): Promise<number> {
    return seqOfPlace((await this.head()).place);
  }

  at(place: Place): Promise<LogRecord | undefined> {
    return this.#reader.ask('at', seqOfPlace(place));
  }

  bodies(place: Place): Promise<StoredBodies | undefined> {
    return this.#reader.ask('bodies', seqOfPlace(place));
  }

  group(query: GroupQuery, limits: GroupLimits = {}): Promise<GroupResult> {
    return callGroup(this.#reader, query, limits);
  }

  readPlace(text: string): Place | undefined {
    return readLocalPlace(text);
  }

  placeOf({ seq }: LogRecord): Place {
    return placeOfSeq(seq);
  }

  hasRead(cursor: Place, { seq }: LogRecord): boolean {
    return seq <= seqOfPlace(cursor);
  }

  /** Opens the journal of the subscribed records for an exporter. `problem`: what is wrong with the query. */
  journal(subscription: Subscription): LocalJournal | { readonly problem: string } {
    const query = subscriptionNode(subscription);
    if ('problem' in query) return query;
    return {
      node: query.node,
      bounds: () => this.#reader.ask('after', ALL, MAX_SEQ, 1),
      run: (operation, ...args) => this.#reader.run(operation, ...args),
      onStored: (listener) => this.onStored(listener),
    };
  }

  /**
   * A reader with a thread of its own, for long work. The thread starts with the first call and runs until `close`.
   * `module`: URL of its operations (threads/reader-module.ts). `name`: of the thread.
   */
  openReader(module: string, name: string): LogReader {
    return this.#openReader(module, name);
  }

  onStored(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#writer.follow(true);
    return () => {
      this.#listeners.delete(listener);
      this.#writer.follow(this.#listeners.size > 0);
    };
  }
}

const positionOf = (after: TimePlace | undefined): PagePosition | undefined =>
  after && { timeNs: after.timeNs, seq: seqOfPlace(after.place) };

const timePlaceOf = (next: PagePosition | undefined): TimePlace | undefined =>
  next && { timeNs: next.timeNs, place: placeOfSeq(next.seq) };
