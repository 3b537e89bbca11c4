// gRPC statuses: names, numbers, the mapping from HTTP and HTTP/2 errors, and the encoding of grpc-message.
// Invariant: decoding an encoded message returns the same text.
// Sources: statuscodes.md; PROTOCOL-HTTP2.md (Status-Message, Errors); http-grpc-status-mapping.md, all of grpc/doc.
import { ERROR_CODE } from '../http2/error-code.ts';

/** Names in the order of their numbers, from 0. */
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
type StatusName = (typeof statusNames)[number];

const UNKNOWN = 2;

/** The number of a name; UNKNOWN for any other text. */
export function statusNumber(name: string): number {
  const at = (statusNames as readonly string[]).indexOf(name);
  return at === -1 ? UNKNOWN : at;
}

/** Parses the value of grpc-status. Returns UNKNOWN if it is not the number of a status. */
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

/** The gRPC status of a response without grpc-status, by its HTTP status. */
export const statusOfHttp = (http: number): number => statusNumber(FROM_HTTP[http] ?? 'UNKNOWN');

/** HTTP/2 error codes that do not map to INTERNAL (PROTOCOL-HTTP2.md, Errors). */
const FROM_RESET: Readonly<Record<number, StatusName>> = {
  [ERROR_CODE.refusedStream]: 'UNAVAILABLE',
  [ERROR_CODE.cancel]: 'CANCELLED',
  [ERROR_CODE.enhanceYourCalm]: 'RESOURCE_EXHAUSTED',
  [ERROR_CODE.inadequateSecurity]: 'PERMISSION_DENIED',
};

/** The gRPC status of a stream that was reset with an HTTP/2 error code. */
export const statusOfReset = (code: number): number => statusNumber(FROM_RESET[code] ?? 'INTERNAL');

/** Encodes a text as grpc-message: UTF-8, with `%` and all bytes outside printable ASCII percent-encoded. */
export function encodeMessage(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** Decodes a grpc-message. An invalid percent-encoding is kept as it is. */
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
