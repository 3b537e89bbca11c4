// Builders for the cases of conformance tests: frames, and what must come back.
import { ERROR_CODE } from '../../../../src/protocol/http2/error-code.ts';
import { FLAG, FRAME } from '../../../../src/protocol/http2/frame-types.ts';
import { block, frame, GET, headers, uint32 } from './raw-peer.ts';

/** `goAway`: the connection ends with this code. `reset`: only the stream ends. `answers`: streams that are answered. */
export type Expected = { goAway: number } | { reset: [id: number, code: number] } | { answers: number[] };

export interface ConformanceCase {
  /** Section of RFC 9113, or `generic` of h2spec, or `HPACK` of RFC 7541. */
  readonly section: string;
  readonly title: string;
  readonly send: Buffer[];
  readonly expected: Expected;
  /** The client sends neither preface nor SETTINGS before it. */
  readonly isBare?: boolean;
}

export const ALL = FLAG.endHeaders | FLAG.endStream;
export const HELLO = Buffer.from('hello');
/** The header block of a whole request, and a part of it. */
export const whole = block(GET);
export const cut = (from: number, to?: number): Buffer => whole.subarray(from, to);

export const continuation = (flags: number, id: number, payload: Buffer | number[]): Buffer =>
  frame(FRAME.continuation, flags, id, payload);
export const priorityFrame = (id: number, dependsOn: number, weight = 15): Buffer =>
  frame(FRAME.priority, 0, id, Buffer.concat([uint32(dependsOn), Buffer.from([weight])]));
export const goAwayFrame = (id: number, code: number): Buffer =>
  frame(FRAME.goAway, 0, id, Buffer.concat([uint32(0), uint32(code)]));
/** Fields of a request without one of them. */
export const without = (name: string): typeof GET => GET.filter(([one]) => one !== name);
/** A request with these fields on stream 1. */
export const request = (fields: typeof GET): Buffer => headers(ALL, 1, block(fields));
/** A request on stream 1 whose block ends with these bytes. */
export const hpack = (...bytes: number[]): Buffer =>
  headers(ALL, 1, Buffer.concat([whole, Buffer.from(bytes)]));

export const answers = (...ids: number[]): Expected => ({ answers: ids });
export const goAway = (code: number): Expected => ({ goAway: code });
export const reset = (id: number, code: number): Expected => ({ reset: [id, code] });
export const {
  protocolError,
  flowControlError,
  streamClosed,
  frameSizeError,
  refusedStream,
  compressionError,
} = ERROR_CODE;
