// Turns lines and posted records into records for the store: streams of lines, log files, posts.
// Invariant: lines of one stream keep their order, and every text is redacted before it is stored.
import { nowNs } from '../../../core/time.ts';
import { attributesText } from './attributes.ts';
import { LogFileFollower, type FollowerOptions } from './log-file-follower.ts';
import { StreamRecords } from './stream-records.ts';
import { RequestOwners, type RequestOwner } from './request-owners.ts';
import type { LineOrigin, LogRecord, RecordWriter } from '../log-record.ts';
import type { OnMasked } from '../masking/masker.ts';
import { Redactors, type RedactorsOptions } from './redactors.ts';

export interface IngesterOptions extends RedactorsOptions {
  /** Maximum length of a line in bytes; a longer line is cut. */
  readonly maxLineBytes: number;
  /** Paths of log files to follow (log-file-follower.ts). */
  readonly files: readonly string[];
  /** Owner of lines of followed files that contain no known request id. */
  readonly fileOrigin: RequestOwner;
  /** How long records are kept. An older time in a plain line is ignored. */
  readonly retentionMs: number;
  /** Written into own records, and into posted records that name no pod or model. */
  readonly own: RecordWriter;
  /** Maximum size of a stored body, in bytes. */
  readonly maxBodyBytes: number;
}

export class Ingester {
  readonly #options: IngesterOptions;
  readonly redactors: Redactors;
  readonly #readers = new Map<number, StreamRecords>();
  readonly #owners = new RequestOwners();
  #fileOwner: RequestOwner;

  /** `onMasked`: is told what was masked. */
  constructor(options: IngesterOptions, onMasked?: OnMasked) {
    this.#options = options;
    this.#fileOwner = options.fileOrigin;
    this.redactors = new Redactors(options, onMasked);
  }

  /** Opens a stream of lines. For an open stream, sets the origin of later lines. */
  openStream(stream: number, origin: LineOrigin): void {
    const reader = this.#readers.get(stream);
    if (reader === undefined) this.#readers.set(stream, this.#reader(origin));
    else reader.setOrigin({ ...origin, ...this.#options.own });
  }

  /** Sets the owner of later lines of followed files that contain no known request id. */
  setFileOwner(owner: RequestOwner): void {
    this.#fileOwner = owner;
  }

  /** Stores the owner of a running request. */
  addRunning(requestId: string, owner: RequestOwner): void {
    this.#owners.put(requestId, owner);
  }

  /** Returns a line of a followed file with the owner of the request whose id it contains. */
  withOwner(record: LogRecord): LogRecord {
    const owner = record.requestId === '' ? undefined : this.#owners.get(record.requestId);
    return { ...record, ...(owner ?? this.#fileOwner) };
  }

  /** True if a stream of lines is open. */
  get hasStreams(): boolean {
    return this.#readers.size > 0;
  }

  /** True if lines may need the owners of requests that have ended. */
  get wantsOwners(): boolean {
    return this.#options.files.length > 0 || this.#owners.isUsed;
  }

  /** Returns the records of bytes of a stream; `undefined` ends the stream. */
  addBytes(stream: number, bytes: Uint8Array | undefined): LogRecord[] {
    const reader = this.#readers.get(stream);
    if (reader === undefined) return [];
    if (bytes === undefined) this.#readers.delete(stream);
    return this.#owned(bytes === undefined ? reader.end() : reader.push(bytes, nowNs()));
  }

  /** Returns the records of lines that were posted together. */
  linesOf(bytes: Uint8Array, origin: LineOrigin): LogRecord[] {
    const reader = this.#reader(origin, this.redactors.posts);
    return [...reader.push(bytes, nowNs()), ...reader.end()];
  }

  /**
   * Returns a posted record cut to the length of a line, with its attributes limited, and redacted. A record without a
   * pod or model gets that of this weir.
   */
  sanitized(record: LogRecord): LogRecord {
    const { maxLineBytes, own } = this.#options;
    const posted = record.attributes === '' ? {} : (JSON.parse(record.attributes) as Record<string, unknown>);
    let { message } = record;
    const bytes = message.length * 3 > maxLineBytes ? Buffer.byteLength(message) : 0;
    const isCut = bytes > maxLineBytes;
    // Without the partial character at the end.
    if (isCut)
      message = Buffer.from(message.slice(0, maxLineBytes))
        .toString('utf8', 0, maxLineBytes)
        .replace(/\ufffd$/, '');
    return {
      ...record,
      pod: record.pod || own.pod,
      modelId: record.modelId || own.modelId,
      message: message === '' ? '' : this.redactors.posts.redactText(message),
      attributes: attributesText(isCut ? { is_cut: true, bytes, ...posted } : posted, this.redactors.posts),
    };
  }

  /** Returns the records that waited long enough for further lines. */
  tick(): LogRecord[] {
    const now = nowNs();
    return Array.from(this.#readers.values()).flatMap((reader) => this.#owned(reader.tick(now)));
  }

  /** Ends all streams and returns their remaining records. */
  end(): LogRecord[] {
    const rest = Array.from(this.#readers.values()).flatMap((reader) => this.#owned(reader.end()));
    this.#readers.clear();
    return rest;
  }

  /** Starts following the log files. `undefined`: there are none. */
  follow(
    options: Pick<FollowerOptions, 'deliver' | 'isFull' | 'save' | 'load' | 'report'>,
  ): LogFileFollower | undefined {
    const { files } = this.#options;
    if (files.length === 0) return undefined;
    const follower = new LogFileFollower({
      ...options,
      paths: files,
      readerOf: (source) => this.#reader({ ...this.#fileOwner, source }),
      nowNs,
    });
    follower.start();
    return follower;
  }

  /** A line with the id of a request with a known replica gets the owner of that request. */
  #owned(records: LogRecord[]): LogRecord[] {
    for (const [i, record] of records.entries()) {
      const owner = record.requestId === '' ? undefined : this.#owners.get(record.requestId);
      if (owner !== undefined && owner.replica !== '') records[i] = { ...record, ...owner };
    }
    return records;
  }

  #reader(origin: LineOrigin, redactor = this.redactors.lines): StreamRecords {
    const { maxLineBytes, retentionMs, own } = this.#options;
    return new StreamRecords({ ...origin, ...own }, { maxLineBytes, retentionMs, redactor });
  }
}
