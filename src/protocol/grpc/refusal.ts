// A row of the error catalogue becomes the end of a gRPC call.
// Must stay true: it is a status of gRPC with the request's id, never a page of HTTP.
import { catalogue, type Failure } from '../../core/errors.ts';
import { ID_HEADER_LOWER } from '../../core/exchange/identity.ts';
import { MESSAGE_HEADER, STATUS_HEADER, metadataValue } from './metadata.ts';
import { decodeMessage, encodeMessage, statusNumber } from './status.ts';

/** The number that a failure is counted with. */
export const grpcStatusOf = (failure: Failure): number => statusNumber(catalogue[failure].grpc);

/** Longest text of a replica that weir repeats in a message, in characters. */
const MAX_REPEATED = 1000;

/**
 * Error text for a replica's answer without grpc-status. `what`: what the replica did; `raw`: the headers or trailers that
 * should have had the status. A grpc-message in them is repeated, since it may say what went wrong.
 */
export function missingStatusText(what: string, raw: readonly string[]): string {
  const message = metadataValue(raw, MESSAGE_HEADER);
  const said =
    message === undefined ? '' : `; its grpc-message: ${decodeMessage(message).slice(0, MAX_REPEATED)}`;
  return `${what} without grpc-status${said}`;
}

/**
 * Trailers that end a call with a failure. `detail` says what is wrong this time; `status` and `text` stand for the
 * catalogue's.
 */
export function refusalTrailers(
  failure: Failure,
  id: string,
  detail: string,
  status = grpcStatusOf(failure),
  text = '',
): string[] {
  const message = text === '' ? catalogue[failure].message : text;
  return [
    STATUS_HEADER,
    String(status),
    MESSAGE_HEADER,
    encodeMessage(detail === '' ? message : `${message}: ${detail}`),
    ID_HEADER_LOWER,
    id,
    'x-weir-cause',
    failure,
  ];
}

/** The same as an answer that consists of nothing else (gRPC over HTTP/2, "Trailers-Only"). */
export const refusalHeaders = (...failure: Parameters<typeof refusalTrailers>): string[] => [
  ':status',
  '200',
  'content-type',
  'application/grpc',
  ...refusalTrailers(...failure),
];
