// Responses of an OTLP receiver over HTTP.
// Source: docs/contracts/logs.md 3.
import { CONTENT_TYPES, encode, type Encoding } from './codec.ts';
import { rpcStatus } from './messages.ts';

export interface OtlpResponse {
  readonly contentType: string;
  readonly body: Buffer;
}

/** The body of an error response: google.rpc.Status. `code`: gRPC status number, such as 3 for a bad request. */
export const otlpError = (encoding: Encoding, code: number, message: string): OtlpResponse => ({
  contentType: CONTENT_TYPES[encoding],
  body: encode(encoding, rpcStatus, { code, message }),
});
