// The content of one parsed log line, and the ids of requests, traces and spans in it.
// Invariant: only an id of valid form assigns a line to a request or a trace.

export interface ParsedLine {
  readonly severity: number;
  readonly message: string;
  /** `undefined`: the line has no time; the time of arrival is used. */
  readonly timeNs: bigint | undefined;
  readonly requestId: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Not yet limited and redacted. */
  readonly attributes: Readonly<Record<string, unknown>> | undefined;
}

/** Up to 256 visible ASCII characters, since ids are opaque (docs/contracts/serving.md 3). */
export const isRequestId = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= 256 && /^[!-~]+$/.test(value);

const hexOf = (value: unknown, length: number): string | undefined =>
  typeof value === 'string' && value.length === length && /^[0-9a-f]+$/i.test(value) && !/^0+$/.test(value)
    ? value.toLowerCase()
    : undefined;

/** 32 hex digits that are not all zero, in lower case (W3C Trace Context). */
export const traceIdIn = (value: unknown): string | undefined => hexOf(value, 32);
/** 16 hex digits that are not all zero, in lower case. */
export const spanIdIn = (value: unknown): string | undefined => hexOf(value, 16);

/** `request_id=…`, `requestId: …`, `"x-baseten-request-id": "…"`, with 37 or 32 hex digits. Other ids are uncertain. */
const REQUEST = /request[-_]?id["']?\s{0,4}[=:]\s{0,4}["']?([0-9a-f]{37}|[0-9a-f]{32})(?![0-9a-z])/i;
const TRACE = /trace[-_]?id["']?\s{0,4}[=:]\s{0,4}["']?([0-9a-f]{32})(?![0-9a-z])/i;
const SPAN = /span[-_]?id["']?\s{0,4}[=:]\s{0,4}["']?([0-9a-f]{16})(?![0-9a-z])/i;

export const NO_IDS = { requestId: '', traceId: '', spanId: '' };

/** An id with memory of its own. A part of a text keeps the whole text in memory, and ids are kept until they are sealed. */
const copyOf = (id = ''): string => (id === '' ? '' : Buffer.from(id, 'latin1').toString('latin1'));

/** The ids in a text. */
export function idsIn(text: string): Pick<ParsedLine, 'requestId' | 'traceId' | 'spanId'> {
  if (!/request|trace/i.test(text)) return NO_IDS;
  const traceId = copyOf(traceIdIn(TRACE.exec(text)?.[1]));
  return {
    requestId: copyOf(REQUEST.exec(text)?.[1]?.toLowerCase()),
    traceId,
    spanId: traceId === '' ? '' : copyOf(spanIdIn(SPAN.exec(text)?.[1])),
  };
}
