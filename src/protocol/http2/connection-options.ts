// What an HTTP/2 connection is told when it is made.
import type { Http2HeldBytes } from './http2-held-bytes.ts';
import type { Http2Counters } from './http2-counters.ts';

export interface Http2Options {
  readonly role: 'client' | 'server';
  /** Streams that the peer may have open at once. */
  readonly maxStreams: number;
  /** Bytes of one header list (RFC 9113 6.5.2: name, value and 32 for each field). Above it a block `isTooLarge`. */
  readonly maxHeaderListBytes: number;
  /** Window in bytes with which a stream begins, and to which it grows while its bytes are consumed at once. */
  readonly streamWindow: number;
  readonly maxStreamWindow: number;
  /** Bytes that all streams of the connection may have on the way together. */
  readonly connectionWindow: number;
  /** Bytes that all connections hold for slow receivers. */
  readonly heldBytes: Http2HeldBytes;
  /** Counters of all connections of this side. */
  readonly counters: Http2Counters;
  /** Bytes of output that wait for a peer that does not read. Above it the connection ends. */
  readonly maxUnreadBytes: number;
  /** Streams that the peer may reset in a burst, and each second. A stream that ends without a reset gives one back. */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /** Frames that move nothing (SETTINGS, PING, PRIORITY, unknown, empty DATA) in a burst, and each second. */
  readonly controlBurst: number;
  readonly controlPerSecond: number;
  /** Extended CONNECT is allowed (RFC 8441). Server only. */
  readonly allowsExtendedConnect: boolean;
  /** Times in milliseconds; 0: no limit. */
  readonly settingsTimeoutMs: number;
  /** Time without an open stream. */
  readonly idleMs: number;
  /** Silence of the peer after which it is asked by a PING, and time it has to answer. */
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** Age at which the connection ends gracefully, with a jitter of 10 %. */
  readonly maxAgeMs: number;
}
