// Layout of the frames in the ring between a forwarding thread and the recorder thread. A frame begins with its length
// in bytes (u32) and, in the second word, its kind (the low byte); the rest of that word depends on the kind.
// Texts that repeat are announced once (kind `text`) and are numbers from then on.
// Invariant: both threads run the same version of this file, so the layout can change freely.

/** Frames as they came from the ring. */
export interface FrameBytes {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
}

export const FRAME = {
  /** A request that has ended; see REQUEST. */
  request: 1,
  /** Announces the text with the next number: length in bytes (word 2), then UTF-8. */
  text: 2,
  /** The texts so far are not used any more. Word 2: number of the recorder thread for which the frames after it are. */
  forget: 3,
  /** A line of weir's own log: length in bytes (word 2), then UTF-8. */
  line: 4,
  /** The next message on the port belongs here. */
  message: 5,
  /**
   * Bodies of the request whose frame follows: lengths of JSON, request and response (words 2 to 4), then request,
   * response and JSON, each at a multiple of 8, since V8 copies other bytes into shared memory one by one.
   */
  bodies: 6,
  /** The recorder writes all lines and then stores the number in word 2 as the last flush. */
  flush: 7,
  /** What a language model did for the request whose frame follows; see LLM. */
  llm: 8,
  /** What the client says about the request whose frame follows: length in bytes (word 2), then UTF-8 of RequestNotes. */
  notes: 9,
} as const;

/** Offsets in a frame of kind `llm`, in words of 4 bytes. */
export const LLM = {
  /** Number of the text with the shared members (store/llm-numbers.ts). */
  shared: 2,
  /** Numbers of the texts of an error in the stream: its message, with a character before it, and its type; 0: none. */
  error: 3,
  errorType: 4,
  /** Length in bytes of the id of the response. */
  idLength: 5,
  /** From here on f64: LLM_NUMBERS as they are in columns. The id, in UTF-8, is behind them. */
  numbers: 6,
} as const;

/** Bytes of a `bodies` frame before the request. */
export const BODIES_HEAD_BYTES = 24;

/** Offsets in a request frame, in words of 4 bytes. Words 2 to 9 are what many requests share. */
export const REQUEST = {
  path: 2,
  /** Deployment, environment, replica and name of the client's key, if it has one, with line ends between them. */
  origin: 3,
  /** Address of the client and, on a second line, the subject of its certificate if it has one. */
  remote: 4,
  detail: 5,
  method: 6,
  cause: 7,
  /** Status (low 16 bits) and attempts. */
  statusAttempts: 8,
  /** Retries (low 16 bits), protocol (8 bits) and RequestFlag.shared (8 bits). */
  retriesProtocol: 9,
  /** From here on f64: begin in milliseconds since the epoch, then durations in microseconds and sizes. */
  startMs: 10,
  duration: 12,
  /** Plus 1; 0: never. */
  leased: 14,
  connected: 16,
  head: 18,
  firstByte: 20,
  waited: 22,
  queued: 24,
  requestBytes: 26,
  responseBytes: 28,
  /** Request id, trace id, span id and parent span id. */
  ids: 30,
} as const;

/** In the second word of a request frame, after the kind. The high 16 bits are the length of the request id. */
export const FLAG = {
  /** The request id is packed: two hex digits a byte. Otherwise it is ASCII. */
  hexId: 1 << 8,
  /** It begins with the begin of the request: 37 digits. */
  ownId: 1 << 9,
  /** Trace id and span id follow from the request id. */
  ownTrace: 1 << 10,
  trace: 1 << 11,
  ownSpan: 1 << 12,
  span: 1 << 13,
  parent: 1 << 14,
  bodies: 1 << 15,
} as const;

/** In the high byte of word 9. */
export const SHARED = {
  isAsync: 1,
  isSampled: 2,
  isStored: 4,
  hasLlm: 8,
  hasNotes: 16,
  isHttp2: 32,
} as const;

export const PROTOCOLS = ['http', 'websocket', 'grpc'] as const;

/** Rounds up to a multiple of 8. */
export const aligned = (bytes: number): number => (bytes + 7) & ~7;

const NO_DIGIT = 0xff;
const DIGITS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte));
  return digit === -1 ? NO_DIGIT : digit;
});

/**
 * Packs lowercase hex digits, two in a byte; an odd last one becomes the high half of a byte. Returns false if there is
 * another character; then the bytes have no meaning.
 */
export function packHex(text: string, from: number, to: number, into: Uint8Array, at: number): boolean {
  let seen = 0;
  let i = from;
  let next = at;
  for (; i + 1 < to; i += 2) {
    const high = text.charCodeAt(i);
    const low = text.charCodeAt(i + 1);
    const a = DIGITS[high & 0xff]!;
    const b = DIGITS[low & 0xff]!;
    seen |= a | b | (high & 0xff00) | (low & 0xff00);
    into[next++] = (a << 4) | (b & 15);
  }
  if (i < to) {
    const code = text.charCodeAt(i);
    const digit = DIGITS[code & 0xff]!;
    seen |= digit | (code & 0xff00);
    into[next] = digit << 4;
  }
  return (seen & 0xfff0) === 0;
}
