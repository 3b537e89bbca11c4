// Frames of HTTP/2: numbers, sizes and the nine bytes before each (RFC 9113 4.1, 6). Hot path.

/** Types of frames (RFC 9113 6). */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

const NAMES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
];

/** Name of a frame type as the RFC writes it. */
export const frameName = (type: number): string => NAMES[type] ?? 'unknown';

/** Flags. `ack` and `endStream` have the same bit in different frames. */
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

/** Size of the head of a frame. */
export const FRAME_HEAD_BYTES = 9;
/**
 * Largest payload of a frame, in both directions: every peer accepts it, and weir does not ask for more (RFC 9113 4.2).
 */
export const MAX_FRAME_BYTES = 16_384;
/** Windows of a connection and its streams, until the peer changes them (RFC 9113 6.9.2). */
export const DEFAULT_WINDOW = 65_535;
/** A window whose bytes are used up at once becomes so many times as large, since each step takes a round trip. */
export const WINDOW_GROWTH = 8;
export const MAX_WINDOW = 0x7fff_ffff;
export const MAX_STREAM_ID = 0x7fff_ffff;

/** The first bytes of a client (RFC 9113 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Writes the head of a frame at `at`. Returns where the payload begins. */
export function writeFrameHead(
  out: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  id: number,
): number {
  out[at] = length >> 16;
  out[at + 1] = length >> 8;
  out[at + 2] = length;
  out[at + 3] = type;
  out[at + 4] = flags;
  return writeUint32(out, at + 5, id);
}

/** Writes 32 bits in network order. Returns where they end. */
export function writeUint32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

/** Reads 31 bits in network order: a stream id or a window. The reserved bit before them is ignored. */
export const readUint31 = (bytes: Buffer, at: number): number =>
  ((bytes[at]! & 127) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;

/** Reads 32 bits in network order. */
export const readUint32 = (bytes: Buffer, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
