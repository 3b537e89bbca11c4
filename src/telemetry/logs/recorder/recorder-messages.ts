// Messages between data threads and the recorder thread.
// Invariant: messages to the recorder are plain data. Each has a mark in the ring (frames.ts), which gives its place among
// the requests. Changes of the inputs have a port of their own and no marks.
import type { MessagePort } from 'node:worker_threads';
import type { RawBodies } from '../../../core/exchange/body-capture.ts';
import type { EventName } from '../../../core/events.ts';
import type { IngesterOptions } from '../ingest/ingester.ts';
import type { RequestOwner } from '../ingest/request-owners.ts';
import type { RunningRequest } from '../ingest/running-requests.ts';
import type { LineOrigin, LogRecord } from '../log-record.ts';
import type { PostedRows } from '../rows/read-rows.ts';
import type { StoredRows } from '../rows/row-intake.ts';
import type { Bodies } from '../store/bodies.ts';
import type { WriterOptions } from '../store/day-files.ts';
import type { LostRecords } from '../store/store-writer.ts';

/** How the log store is opened. */
export interface StoreOptions {
  readonly writer: WriterOptions;
  readonly ingest: IngesterOptions;
}

/** Lines, each plain text or a JSON object, as a replica writes them. */
export interface PostedLines {
  readonly bytes: Uint8Array;
  readonly origin: LineOrigin;
  /** Maximum number of records. */
  readonly count: number;
}

/** Records, lines and rows that the main thread waits for until they are stored. */
export interface StorePost {
  /** Number of the post in its acknowledgement. */
  readonly n: number;
  readonly records: readonly LogRecord[];
  /** Bodies of the records, by index. */
  readonly bodies?: readonly (Bodies | undefined)[] | undefined;
  readonly lines?: PostedLines | undefined;
  readonly rows?: PostedRows | undefined;
  /** Path of a file to which nothing is added any more after this post; empty: none. The post has nothing else. */
  readonly endFile?: string;
}

/** A message to the recorder. `weight`: estimated bytes in memory, which it acknowledges. */
export type ToRecorder = { readonly weight: number } & (
  | { readonly kind: 'openStore'; readonly store: StoreOptions }
  | { readonly kind: 'closeStore' }
  /** A new stream of lines, or the origin of later lines of a stream. */
  | { readonly kind: 'stream'; readonly stream: number; readonly origin: LineOrigin }
  /** `undefined`: the stream has ended. */
  | { readonly kind: 'bytes'; readonly stream: number; readonly bytes: Uint8Array | undefined }
  | { readonly kind: 'running'; readonly running: readonly RunningRequest[] }
  | { readonly kind: 'fileOwner'; readonly owner: RequestOwner }
  | { readonly kind: 'post'; readonly post: StorePost }
  /** Bodies of the request whose frame follows. */
  | { readonly kind: 'bodies'; readonly bodies: RawBodies }
  | { readonly kind: 'damagedFile'; readonly path: string; readonly problem: string }
  | { readonly kind: 'damagedPage'; readonly path: string; readonly place: number; readonly problem: string }
);

/** The data thread at position `input` begins to write into a ring, or has ended. */
export type InputChange =
  | {
      readonly kind: 'input';
      readonly input: number;
      readonly ring: SharedArrayBuffer;
      /** Messages of the thread come here. */
      readonly port: MessagePort;
    }
  | { readonly kind: 'inputEnded'; readonly input: number };

/** Reason for dropping records: there was no room, the store cannot be used, or it could not write. */
export type DroppedRecords = LostRecords | 'queue_full' | 'store_unusable';

/** `stored`: number of records. */
export type PostResult = { readonly stored: number } | { readonly problem: DroppedRecords };

/** `invalid`: what is wrong with the body of rows as a whole. */
export type RowsResult = StoredRows | { readonly invalid: string } | { readonly problem: DroppedRecords };

/** The acknowledgement of a post: `rows` of one that had rows. */
export type PostReply =
  | { readonly stored: number; readonly rows?: StoredRows | undefined }
  | { readonly problem: DroppedRecords }
  | { readonly invalid: string };

/** A line for weir's own log. */
export interface LoggedLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: Record<string, unknown>;
  /** Name of the lifecycle event, if it is one. */
  readonly name?: EventName | undefined;
}

/** A message from the recorder. */
export interface FromRecorder {
  readonly posts: readonly ({ readonly n: number } & PostReply)[];
  readonly logged: readonly LoggedLine[];
  /** Records were stored since the last message. */
  readonly hasStored: boolean;
  /** The store is closed, with all records stored or lost. */
  readonly isClosed?: boolean;
}
