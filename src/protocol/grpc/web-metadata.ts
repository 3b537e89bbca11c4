// Headers of gRPC-Web as metadata of gRPC, and back.
// Invariant: all metadata passes in both directions with its values, duplicates and order; headers of the connection, of
// content coding and of gRPC-Web itself do not.
// Raw lists are name, value, name, value, …; those of gRPC have names in lower case and pseudo-headers first.
// Source: PROTOCOL-WEB.md of grpc/grpc (HTTP wire protocols).
import { MESSAGE_HEADER, STATUS_HEADER, metadataValue } from './metadata.ts';
import { grpcSuffixOf, grpcTypeOf, webTypeOf, type WebFormat } from './web-content-type.ts';

/** Headers for one connection only (RFC 9110 7.6.1), and those of the length and the coding of a body. */
const OF_CONNECTION = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'content-length',
];
/** Headers of a request that are no metadata. */
const NOT_TO_REPLICA = new Set([
  ...OF_CONNECTION,
  'host',
  'expect',
  'content-type',
  'content-encoding',
  'accept',
  'accept-encoding',
  'x-grpc-web',
]);
/** Headers of a response that are no metadata. The status is in the trailers. */
const NOT_TO_CLIENT = new Set([...OF_CONNECTION, 'content-type', STATUS_HEADER, MESSAGE_HEADER]);

/** Where a call goes. */
interface CalledMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Host and port as the client wrote them; empty if it sent none, as HTTP/1.0 allows. */
  readonly authority: string;
}

/**
 * Headers of a request as metadata of a call. `raw`: as they came, in any case; `removed`: names in lower case that
 * `Connection` lists.
 */
export function metadataOfWebRequest(
  raw: readonly string[],
  { path, authority }: CalledMethod,
  format: WebFormat,
  removed: ReadonlySet<string> | undefined,
): string[] {
  const out = [':method', 'POST', ':scheme', 'http', ':path', path];
  // Servers of HTTP/2 refuse a request without it.
  out.push(':authority', authority === '' ? 'localhost' : authority);
  out.push('content-type', grpcTypeOf(format), 'te', 'trailers');
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (!NOT_TO_REPLICA.has(name) && removed?.has(name) !== true) out.push(name, raw[i + 1]!);
  }
  return out;
}

/** Initial metadata as headers of the response. `isText`: its body is in base64. */
export function headersOfWebResponse(raw: readonly string[], isText: boolean): string[] {
  const suffix = grpcSuffixOf(metadataValue(raw, 'content-type'));
  const out = ['content-type', webTypeOf({ isText, suffix })];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (!NOT_TO_CLIENT.has(name) && !name.startsWith(':')) out.push(name, raw[i + 1]!);
  }
  return out;
}

/**
 * Trailers of a response that has only trailers, and no initial metadata. They are sent in the body, since a page can
 * read them there whatever headers CORS exposes to it.
 */
export function trailersOfWebResponse(raw: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const isTrailer = name === STATUS_HEADER || name === MESSAGE_HEADER || !NOT_TO_CLIENT.has(name);
    if (isTrailer && !name.startsWith(':')) out.push(name, raw[i + 1]!);
  }
  return out;
}
