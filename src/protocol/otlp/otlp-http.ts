// OTLP over HTTP, as its server: the body of a request to a message, and answers in the encoding that was asked in.
// Must stay true: no body makes more bytes than `maxBytes`, packed or not; whoever sends something wrong is told in his
// own encoding. Source: contracts/logplane.md C3.
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { CONTENT_TYPES, decode, encode, encodingOf, type Encoding } from './codec.ts';
import { rpcStatus, type MessageFields, type OtlpMessage } from './messages.ts';

const unpack = promisify(gunzip);

/** What came of reading a request. `problem` is a sentence for its sender. */
export type OtlpRequest<F extends MessageFields> =
  | { readonly encoding: Encoding; readonly message: OtlpMessage<F> }
  | { readonly encoding: Encoding; readonly status: 400 | 413 | 415; readonly problem: string };

/** The message in a request's body. An empty body is one that says nothing, in protobuf. */
export async function receive<F extends MessageFields>(
  fields: F,
  headers: { readonly 'content-type'?: string | undefined; readonly 'content-encoding'?: string | undefined },
  body: Uint8Array,
  maxBytes: number,
): Promise<OtlpRequest<F>> {
  const encoding = encodingOf(headers['content-type']);
  if (encoding === undefined)
    return {
      encoding: 'json',
      status: 415,
      problem: `Content-Type must be ${CONTENT_TYPES.protobuf} or ${CONTENT_TYPES.json}`,
    };
  const packing = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (packing !== 'gzip' && packing !== 'identity')
    return { encoding, status: 415, problem: 'Content-Encoding must be gzip or none' };
  const tooLarge = {
    encoding,
    status: 413,
    problem: `the request must not have more than ${maxBytes} bytes`,
  } as const;
  if (body.length > maxBytes) return tooLarge;
  let bytes = body;
  if (packing === 'gzip')
    try {
      bytes = await unpack(body, { maxOutputLength: maxBytes });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ERR_BUFFER_TOO_LARGE') return tooLarge;
      if (code?.startsWith('Z_') !== true) throw error;
      return { encoding, status: 400, problem: `the body is no gzip: ${message}` };
    }
  const read = decode(encoding, fields, bytes);
  return 'message' in read
    ? { encoding, message: read.message }
    : { encoding, status: 400, problem: `the body ${read.problem}` };
}

export interface OtlpResponse {
  readonly contentType: string;
  readonly body: Buffer;
}

/** A message such as `logsResponse` for an answer. */
export const answerOf = <F extends MessageFields>(
  encoding: Encoding,
  fields: F,
  message: OtlpMessage<F>,
): OtlpResponse => ({
  contentType: CONTENT_TYPES[encoding],
  body: encode(encoding, fields, message),
});

/** google.rpc.Status for an answer that is no success. `code`: of gRPC, such as 3 for a bad request. */
export const errorOf = (encoding: Encoding, code: number, message: string): OtlpResponse =>
  answerOf(encoding, rpcStatus, { code, message });
