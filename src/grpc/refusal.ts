// A row of the error catalogue becomes the end of a gRPC call.
// Must stay true: it is a status of gRPC with the request's id, never a page of HTTP.
import { catalogue, type Failure } from '../base/errors.ts';
import { ID_HEADER_LOWER } from '../exchange/identity.ts';
import { MESSAGE_HEADER, STATUS_HEADER } from './metadata.ts';
import { encodeMessage, statusNumber } from './status.ts';

/** The number that a failure is counted with. */
export const statusOf = (failure: Failure): number => statusNumber(catalogue[failure].grpc);

/** Trailers that end a call with a failure. `detail` says what is wrong this time; `status` stands for the catalogue's. */
export function refusalTrailers(
  failure: Failure,
  id: string,
  detail: string,
  status = statusOf(failure),
): string[] {
  const { message } = catalogue[failure];
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
