// Everything that comes to the record, as entries to be stored: packed requests, streams of lines, followed files.
// Must stay true: lines of one stream keep their order, and what is kept was redacted before the store sees it.
import { attributesText } from './attributes.ts';
import { BodyReader } from './bodies/body-reader.ts';
import type { StoreEntry } from '../store/segment-writer.ts';
import { LogFileFollower, type FollowerOptions } from './log-file-follower.ts';
import { StreamRecords } from './stream-records.ts';
import { RequestOwners, type RequestOwner } from './request-owners.ts';
import type { LogRecord, RecordOrigin } from '../log-record.ts';
import { Redactor } from './redact.ts';
import { compileRegex } from '../regex.ts';
import { VALUES_PER_REQUEST, unpack } from './request-record.ts';

export interface IngesterOptions {
  /** Bytes of a line; a longer one is cut. */
  readonly maxLineBytes: number;
  /** Paths of files that are followed; see follow.ts. */
  readonly files: readonly string[];
  /** Owner of lines that name no known request. */
  readonly fileOrigin: RequestOwner;
  /** How long records are kept: no plain line is dated earlier. */
  readonly retentionMs: number;
  /** Bytes that are kept of a body. */
  readonly maxBodyBytes: number;
  /** Take out what usual secrets look like. */
  readonly redactsKnown: boolean;
  /** What else is taken out: expressions of RE2 that were found right. */
  readonly redactPatterns: readonly string[];
}

const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

export class Ingester {
  readonly #options: IngesterOptions;
  readonly #redactor: Redactor;
  readonly #bodies: BodyReader;
  readonly #readers = new Map<number, StreamRecords>();
  readonly #owners = new RequestOwners();
  #fileOwner: RequestOwner;

  constructor(options: IngesterOptions) {
    this.#options = options;
    this.#fileOwner = options.fileOrigin;
    this.#redactor = new Redactor({
      builtIn: options.redactsKnown,
      custom: options.redactPatterns
        .map((pattern) => compileRegex(pattern))
        .filter((one) => typeof one !== 'string'),
    });
    this.#bodies = new BodyReader(options.maxBodyBytes, this.#redactor);
  }

  /** A new stream of lines, or a new origin for later lines of a known one. */
  openStream(stream: number, origin: RecordOrigin): void {
    const reader = this.#readers.get(stream);
    if (reader === undefined) this.#readers.set(stream, this.#reader(origin));
    else reader.setOrigin(origin);
  }

  /** Sets the owner of later lines of followed files that name no known request. */
  setFileOwner(owner: RequestOwner): void {
    this.#fileOwner = owner;
  }

  /** A running request, with its replica. */
  addRunning(requestId: string, owner: RequestOwner): void {
    this.#owners.put(requestId, owner);
  }

  /** A line of a followed file with the owner of the request that it names. */
  withOwner(record: LogRecord): LogRecord {
    const owner = record.requestId === '' ? undefined : this.#owners.get(record.requestId);
    return { ...record, ...(owner ?? this.#fileOwner) };
  }

  /** Bytes of a stream, or its end. */
  addBytes(stream: number, bytes: Uint8Array | undefined, into: StoreEntry[]): void {
    const reader = this.#readers.get(stream);
    if (reader === undefined) return;
    this.#add(into, bytes === undefined ? reader.end() : reader.push(bytes, nowNs()));
    if (bytes === undefined) this.#readers.delete(stream);
  }

  /** Requests, packed one after the other. */
  addRequests(values: readonly unknown[], into: StoreEntry[]): void {
    const hasFiles = this.#options.files.length > 0;
    for (let at = 0; at < values.length; at += VALUES_PER_REQUEST) {
      const entry = unpack(
        values,
        at,
        (raw, isEnded) => this.#bodies.read(raw, isEnded),
        (text) => this.#redactor.redactText(text),
      );
      into.push(entry);
      const { requestId, deployment, environment, replica } = entry.record;
      const isWanted = hasFiles || this.#owners.get(requestId) !== undefined;
      if (!isWanted || deployment === '') continue;
      this.#owners.put(requestId, { deployment, environment, replica });
    }
  }

  /** Lines that came all at once. */
  addLines(bytes: Uint8Array, origin: RecordOrigin, into: StoreEntry[]): void {
    const reader = this.#reader(origin);
    add(into, reader.push(bytes, nowNs()));
    add(into, reader.end());
  }

  /** A record from outside, within the bounds of a line and without its secrets. */
  sanitized(record: LogRecord): LogRecord {
    const { maxLineBytes } = this.#options;
    const said = record.attributes === '' ? {} : (JSON.parse(record.attributes) as Record<string, unknown>);
    let { message } = record;
    const bytes = message.length * 3 > maxLineBytes ? Buffer.byteLength(message) : 0;
    const isCut = bytes > maxLineBytes;
    // What a byte too many left of a character goes with it.
    if (isCut)
      message = Buffer.from(message.slice(0, maxLineBytes))
        .toString('utf8', 0, maxLineBytes)
        .replace(/\ufffd$/, '');
    return {
      ...record,
      message: message === '' ? '' : this.#redactor.redactText(message),
      attributes: attributesText(isCut ? { is_cut: true, bytes, ...said } : said, this.#redactor),
    };
  }

  /** Gives out what has waited long enough for more to come. */
  tick(into: StoreEntry[]): void {
    const now = nowNs();
    for (const reader of this.#readers.values()) this.#add(into, reader.tick(now));
  }

  /** Gives out everything; nothing comes any more. */
  end(into: StoreEntry[]): void {
    for (const reader of this.#readers.values()) this.#add(into, reader.end());
    this.#readers.clear();
  }

  /** Lines of the files that are followed go through `deps`, from now on. */
  follow(
    deps: Pick<FollowerOptions, 'deliver' | 'isFull' | 'save' | 'load' | 'report'>,
  ): LogFileFollower | undefined {
    const { files } = this.#options;
    if (files.length === 0) return undefined;
    const follower = new LogFileFollower({
      ...deps,
      paths: files,
      readerOf: (source) => this.#reader({ ...this.#fileOwner, source }),
      nowNs,
    });
    follower.start();
    return follower;
  }

  /** Lines of a stream. One that names a request with a known replica belongs to that replica. */
  #add(into: StoreEntry[], records: readonly LogRecord[]): void {
    for (const record of records) {
      const owner = record.requestId === '' ? undefined : this.#owners.get(record.requestId);
      into.push({ record: owner !== undefined && owner.replica !== '' ? { ...record, ...owner } : record });
    }
  }

  #reader(origin: RecordOrigin): StreamRecords {
    const { maxLineBytes, retentionMs } = this.#options;
    return new StreamRecords(origin, { maxLineBytes, retentionMs, redactor: this.#redactor });
  }
}

function add(into: StoreEntry[], records: readonly LogRecord[]): void {
  for (const record of records) into.push({ record });
}
