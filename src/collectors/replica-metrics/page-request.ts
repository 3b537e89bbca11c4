// Gets one page of a replica, whole or not at all.
// Must stay true: it ends within its time and holds no more than its size, whatever the replica sends, packed or not.
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { gunzip } from 'node:zlib';
import { request as httpRequest } from '../../protocol/http/node-http.ts';
import type { SampleError } from './sample.ts';

/** Where the page is. */
export interface PageUrl {
  readonly host: string;
  readonly port: number;
  /** The `Host` of the request. */
  readonly authority: string;
  /** What a connection over TLS is made with; `undefined` in clear text. */
  readonly tls: object | undefined;
}

export interface PageLimits {
  readonly path: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export interface RawPage {
  readonly text: string;
  readonly isOpenMetrics: boolean;
  /** U+FFFD stands in the text for bytes that were no UTF-8. */
  readonly isLossy: boolean;
}

/** OpenMetrics has exemplars and says where it ends; the plain text is what everybody has. */
const ACCEPT = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

/** Resolves to the page or to why there is none; never rejects. */
export function requestPage(
  url: PageUrl,
  limits: PageLimits,
  signal: AbortSignal,
): Promise<RawPage | SampleError> {
  return new Promise((resolve) => {
    const request = (url.tls === undefined ? httpRequest : httpsRequest)({
      host: url.host,
      port: url.port,
      path: limits.path,
      agent: false,
      headers: { host: url.authority, 'user-agent': 'weir-merge', accept: ACCEPT, 'accept-encoding': 'gzip' },
      ...url.tls,
    });
    const done = (result: RawPage | SampleError) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      request.destroy();
      resolve(result);
    };
    const stop = () => done('unreachable');
    const timer = setTimeout(() => done('timeout'), limits.timeoutMs);
    signal.addEventListener('abort', stop);
    request.on('response', (response) => read(response, limits.maxBytes, done));
    request.on('error', () => done('unreachable'));
    request.end();
  });
}

function read(
  response: IncomingMessage,
  maxBytes: number,
  done: (result: RawPage | SampleError) => void,
): void {
  const type = (response.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (response.statusCode !== 200) return done('bad_status');
  // A page of HTML that answers 200 is an error page, or the start page of something else.
  if (/html|json|xml|protobuf|image/.test(type)) return done('not_metrics');
  const isOpenMetrics = type === 'application/openmetrics-text';
  const encoding = (response.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'identity' && encoding !== 'gzip') return done('bad_encoding');
  const chunks: Buffer[] = [];
  let size = 0;
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxBytes) done('too_large');
  });
  response.on('error', () => done('truncated'));
  response.on('end', () => {
    const body = Buffer.concat(chunks);
    if (encoding === 'identity') return done(decode(body, isOpenMetrics));
    // The limit holds for what comes out: a small answer can unpack to a very large one.
    gunzip(body, { maxOutputLength: maxBytes }, (error: NodeJS.ErrnoException | null, unpacked) => {
      if (error) done(error.code === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'bad_encoding');
      else done(decode(unpacked, isOpenMetrics));
    });
  });
}

const decode = (body: Buffer, isOpenMetrics: boolean): RawPage => ({
  text: body.toString('utf8'),
  isOpenMetrics,
  isLossy: !isUtf8(body),
});
