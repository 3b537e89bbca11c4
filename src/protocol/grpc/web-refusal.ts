// A gRPC-Web response that has only a status, which weir makes itself.
// Invariant: the status is in the body, where a page can read it whatever headers CORS exposes to it.
import { refusalTrailers } from './refusal.ts';
import { webTypeOf, type WebFormat } from './web-content-type.ts';
import { WebResponseBody } from './web-response.ts';

/** A whole response. `headers`: raw list (name, value, …). */
export interface StatusResponse {
  readonly status: number;
  readonly headers: string[];
  readonly body: Buffer;
}

/** A response of trailers only (a raw list), in this format. */
export function statusResponse(format: WebFormat, trailers: readonly string[]): StatusResponse {
  const body = Buffer.from(new WebResponseBody(format.isText).trailers(trailers));
  const headers = ['content-type', webTypeOf(format), 'content-length', String(body.length)];
  return { status: 200, headers, body };
}

/** A response for a failure. Parameters as in `refusalTrailers`. */
export function webRefusal(
  format: WebFormat,
  ...failure: Parameters<typeof refusalTrailers>
): StatusResponse {
  return statusResponse(format, refusalTrailers(...failure));
}
