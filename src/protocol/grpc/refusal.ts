// Makes the end of a gRPC call from a row of the error catalogue.
// Invariant: the client gets a gRPC status with the request id, never an HTTP error.
import { catalogue, type Failure } from '../../core/errors.ts';
import { CAUSE_HEADER_LOWER, ID_HEADER_LOWER } from '../../core/header-names.ts';
import { MESSAGE_HEADER, STATUS_HEADER, metadataValue } from './metadata.ts';
import { decodeMessage, encodeMessage, statusNumber } from './status.ts';

/** The gRPC status number of a failure. */
export const grpcStatusOf = (failure: Failure): number => statusNumber(catalogue[failure].grpc);

/** Maximum characters of a replica's grpc-message in an error text. */
const MAX_MESSAGE_CHARS = 1000;

/**
 * Error text for a response without grpc-status. `what`: what the replica did; `raw`: the headers or trailers that
 * should have had the status. Includes their grpc-message, since it may say what went wrong.
 */
export function missingStatusText(what: string, raw: readonly string[]): string {
  const message = metadataValue(raw, MESSAGE_HEADER);
  const suffix =
    message === undefined ? '' : `; its grpc-message: ${decodeMessage(message).slice(0, MAX_MESSAGE_CHARS)}`;
  return `${what} without grpc-status${suffix}`;
}

/**
 * Trailers that end a call with a failure, as a raw list. `detail`: what is wrong with this call; `status` and `text`
 * replace those of the catalogue.
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
    CAUSE_HEADER_LOWER,
    failure,
  ];
}

/** The whole response as one raw list (PROTOCOL-HTTP2.md, Trailers-Only). Parameters as in `refusalTrailers`. */
export const refusalHeaders = (...failure: Parameters<typeof refusalTrailers>): string[] => [
  ':status',
  '200',
  'content-type',
  'application/grpc',
  ...refusalTrailers(...failure),
];
