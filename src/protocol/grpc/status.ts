// The statuses of gRPC: their names and numbers, what stands for them elsewhere, and the text that goes with them.
// Must stay true: a message read back is the message that was written, whatever characters it holds.
// Sources: grpc/doc/statuscodes.md; "PROTOCOL-HTTP2.md" (Status-Message, and errors of HTTP/2);
// "http-grpc-status-mapping.md".

/** Names in the order of their numbers. */
export const statusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;
export type StatusName = (typeof statusNames)[number];

const UNKNOWN = 2;

/** The number of a name; UNKNOWN for one that is none. */
export function statusNumber(name: string): number {
  const at = (statusNames as readonly string[]).indexOf(name);
  return at === -1 ? UNKNOWN : at;
}

/** The number that `grpc-status` says; UNKNOWN for what is no number of a status. */
export function readStatus(value: string): number {
  if (!/^\d{1,3}$/.test(value)) return UNKNOWN;
  const number = Number(value);
  return number < statusNames.length ? number : UNKNOWN;
}

const FROM_HTTP: Record<number, StatusName> = {
  400: 'INTERNAL',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'UNIMPLEMENTED',
  429: 'UNAVAILABLE',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
};

/** What an answer without grpc-status means, by its HTTP status. */
export const statusOfHttp = (http: number): number => statusNumber(FROM_HTTP[http] ?? 'UNKNOWN');

/** Names of the error codes of HTTP/2 in the order of their numbers (RFC 9113 7). */
const RESETS = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const;

/** Error codes that do not map to INTERNAL ("PROTOCOL-HTTP2.md", Errors). */
const FROM_RESET: Partial<Record<(typeof RESETS)[number], StatusName>> = {
  REFUSED_STREAM: 'UNAVAILABLE',
  CANCEL: 'CANCELLED',
  ENHANCE_YOUR_CALM: 'RESOURCE_EXHAUSTED',
  INADEQUATE_SECURITY: 'PERMISSION_DENIED',
};

/** The name of an error code of HTTP/2; `code 99` for an unknown one. */
export const resetName = (code: number): string => RESETS[code] ?? `code ${code}`;

/** What a stream that was reset means, by the error code of HTTP/2. */
export function statusOfReset(code: number): number {
  const name = RESETS[code];
  return statusNumber((name !== undefined && FROM_RESET[name]) || 'INTERNAL');
}

/** Text as grpc-message: UTF-8, with everything percent-encoded that is not printable ASCII, and the percent itself. */
export function encodeMessage(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** Reads a grpc-message; what is no escape stands for itself. */
export function decodeMessage(value: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < value.length; i++) {
    const hex = value[i] === '%' ? value.slice(i + 1, i + 3) : '';
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      i += 2;
    } else bytes.push(value.charCodeAt(i) & 0xff);
  }
  return Buffer.from(bytes).toString('utf8');
}
