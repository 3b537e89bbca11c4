// The door of the room: takes what happened, and answers what happened. The work is done in two threads, one that writes
// and one that looks things up.
// Must stay true: nobody who forwards a request ever waits for it.
//   record.ts   one row of it                writer-client.ts → writer-thread.ts → intake.ts, store-writer.ts → segment-writer.ts
//   request-record.ts  a request as such a row      reader-client.ts → reader-thread.ts → store-reader.ts → segment-reader.ts
//   capture-policy.ts  whose bodies are kept        bodies/  what is made of them
//   query/      questions to it              page-position.ts, aggregate.ts  where a page ends; what is counted
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { ReaderClient } from './threads/reader-client.ts';
import type { IngesterOptions } from './ingest/ingester.ts';
import type { QueryNode } from './query/query-node.ts';
import { subscriptionNode, type Subscription } from './query/subscription.ts';
import type { FollowQuery, RecordPage, PageQuery, Aggregate } from './store/store-reader.ts';
import type { LogRecord, RecordOrigin } from './log-record.ts';
import type { RequestOwner } from './ingest/request-owners.ts';
import type { RecordedDeployment } from './ingest/request-record.ts';
import { WriterClient, type PostResult, type WriterClientFigures } from './threads/writer-client.ts';
import type { AggregateBy } from './store/aggregate.ts';

export { CapturePolicy } from './ingest/capture-policy.ts';
export { recordsOfLogs, recordsOfSpans, type OtlpDefaults } from './ingest/otlp-records.ts';
export { attributesOf, KINDS, type RecordKind, type LogRecord, type RecordOrigin } from './log-record.ts';
export type { TimeRange } from './store/segment-reader.ts';
export { formatPosition, parsePosition, type PagePosition } from './store/page-position.ts';
export type { QueryNode } from './query/query-node.ts';
export { FILTERS, contractQuery } from './query/contract-params.ts';
export type { FollowQuery, RecordPage, PageQuery, Aggregate } from './store/store-reader.ts';
export { apiLevel, SEVERITY, severityOfName, severityText } from './severity.ts';
export { SUMMED_FIELDS, type AggregateBy } from './store/aggregate.ts';
export type { PostResult, WriterClientFigures } from './threads/writer-client.ts';

export interface LogsConfig extends IngesterOptions {
  /** Folder of its own for the files. */
  readonly folder: string;
  readonly maxBytes: number;
}

/** Records as they are stored. */
export interface RecordFeed {
  /** Up to `limit` wanted records behind the place `afterSeq`. */
  read(afterSeq: number, limit: number): Promise<FollowQuery>;
  /** `listener` is called when something was stored; returns how to stop that. */
  onStored(listener: () => void): () => void;
}

/** A stream of logged lines. */
export interface LineStream {
  write(bytes: Uint8Array): void;
  /** Sets the origin of later lines. */
  setOrigin(origin: RecordOrigin): void;
  end(): void;
}

export class Logs implements Component {
  readonly name = 'logs';
  readonly #writer: WriterClient;
  readonly #reader: ReaderClient;
  readonly #followsFiles: boolean;
  readonly #listeners = new Set<() => void>();

  constructor({ folder, maxBytes, ...intake }: LogsConfig, log: Logger) {
    const { retentionMs } = intake;
    this.#writer = new WriterClient({ writer: { folder, maxBytes, retentionMs }, intake }, log, () => {
      for (const listener of this.#listeners) listener();
    });
    this.#followsFiles = intake.files.length > 0;
    this.#reader = new ReaderClient(folder, (path, problem) => this.#writer.damaged(path, problem));
  }

  /** Files are followed from the start; for the rest the threads are started when they are needed. */
  start(): void {
    if (this.#followsFiles) this.#writer.open();
  }

  async stop(deadlineMs: number): Promise<void> {
    await this.#writer.close(deadlineMs);
    await this.#reader.close();
  }

  get figures(): WriterClientFigures {
    return this.#writer.figures;
  }

  // ── What happened ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A request that ended, with the copies of its bodies that its tap has. Hot path. */
  requestEnded(exchange: Exchange, deployment: RecordedDeployment | undefined): void {
    this.#writer.request(exchange, deployment);
  }

  /** A stream of lines that begins. */
  openStream(origin: RecordOrigin): LineStream {
    const stream = this.#writer.stream(origin);
    return {
      write: (bytes) => this.#writer.bytes(stream, bytes),
      setOrigin: (other) => this.#writer.setOrigin(stream, other),
      end: () => this.#writer.bytes(stream, undefined),
    };
  }

  /** A request was given to a deployment: later lines of files and streams that name it belong to its replica. */
  requestRouted(exchange: Exchange, deployment: RecordedDeployment): void {
    this.#writer.routed(exchange, deployment);
  }

  /** Sets the owner of later lines of followed files that name no known request. */
  setFileOwner(owner: RequestOwner): void {
    this.#writer.setFileOwner(owner);
  }

  /** Stores records from outside. Resolves when they are stored, or why they are not. */
  post(records: readonly LogRecord[]): Promise<PostResult> {
    return this.#writer.post(records);
  }

  /** Stores lines from outside: plain text or a JSON object each. `count`: how many there are at most, blank ones aside. */
  postLines(bytes: Uint8Array, origin: RecordOrigin, count: number): Promise<PostResult> {
    return this.#writer.post([], { bytes, origin, count });
  }

  // ── What is asked ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The next records in the order of time. A page may be empty and yet not the last: see `next`. */
  page(query: PageQuery): Promise<RecordPage> {
    return this.#reader.ask('page', query);
  }

  /** The next records in the order in which they were stored, behind the place `seq`. */
  after(node: QueryNode, seq: number, limit: number): Promise<FollowQuery> {
    return this.#reader.ask('after', node, seq, limit);
  }

  /** The record at a place. */
  at(seq: number): Promise<LogRecord | undefined> {
    return this.#reader.ask('at', seq);
  }

  /** Bodies of the request at a place, where they were kept. */
  bodies(
    seq: number,
  ): Promise<{ request: Uint8Array | undefined; response: Uint8Array | undefined } | undefined> {
    return this.#reader.ask('bodies', seq);
  }

  /** Counts what matches; comes back with `next` until everything was looked at. */
  aggregate(query: Omit<PageQuery, 'limit' | 'direction'>, by: AggregateBy): Promise<Aggregate> {
    return this.#reader.ask('tally', { ...query, direction: 'down', limit: 0 }, by);
  }

  /** Counts by whole minutes, for questions about fields that these are summed by. */
  aggregateMinutes(
    node: QueryNode,
    span: { readonly fromNs: bigint; readonly toNs: bigint },
    by: AggregateBy,
  ): Promise<ReadonlyMap<string, number>> {
    return this.#reader.ask('tallyMinutes', node, span, by);
  }

  /** What is wanted, as it is stored, from any place on: what an exporter reads. `problem`: what is wrong with the query. */
  feed(wanted: Subscription): RecordFeed | { readonly problem: string } {
    const question = subscriptionNode(wanted);
    if ('problem' in question) return question;
    return {
      read: (afterSeq, limit) => this.after(question.node, afterSeq, limit),
      onStored: (listener) => this.onStored(listener),
    };
  }

  /** `listener` is called when something was stored; returns how to stop that. */
  onStored(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
