// Gets one metrics page of a replica, whole or not at all.
// Invariant: it ends within its time limit and holds no more bytes than its size limit, compressed or not.
import { isUtf8 } from 'node:buffer';
import type { Agent, IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { mediaTypeOf } from '../../core/media-type.ts';
import { requestOnce, type OneShotFailure } from '../../protocol/http/one-shot.ts';
import type { SampleError } from './sample.ts';

/** Address of the page. */
export interface PageUrl {
  readonly host: string;
  readonly port: number;
  /** Path of a Unix socket, in place of host and port. */
  readonly path: string | undefined;
  /** The `Host` of the request. */
  readonly authority: string;
  /** TLS options of the connection; `undefined`: clear text. */
  readonly tls: object | undefined;
  /** Makes the connection, in place of all of the above; `undefined`: HTTP/1.1. */
  readonly agent?: Agent | undefined;
}

const decompress = promisify(gunzip);

export interface PageLimits {
  readonly path: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export interface RawPage {
  readonly text: string;
  readonly isOpenMetrics: boolean;
  /** Invalid UTF-8 was replaced with U+FFFD. */
  readonly isLossy: boolean;
}

/** OpenMetrics is preferred, since it has exemplars and marks its end. Every server has the text format. */
const ACCEPT = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

/** Resolves to the page, or to the reason why there is none. Never rejects. */
export async function requestPage(
  { host, port, path: socketPath, authority, tls, agent }: PageUrl,
  { path, timeoutMs, maxBytes }: PageLimits,
  signal: AbortSignal,
): Promise<RawPage | SampleError> {
  const result = await requestOnce({
    method: 'GET',
    host,
    port,
    socketPath,
    path,
    headers: { host: authority, 'user-agent': 'weir-merge', accept: ACCEPT, 'accept-encoding': 'gzip' },
    ...(agent === undefined ? { tls } : { agent }),
    timeoutMs,
    maxBodyBytes: maxBytes,
    wantsBody: (status, headers) => headProblem(status, headers) === undefined,
    signal,
  });
  if (!('status' in result)) return result.kind === 'timeout' ? 'timeout' : 'unreachable';
  const { status, headers, body, failure } = result;
  const problem = headProblem(status, headers) ?? (failure && BODY_ERRORS[failure.kind]);
  if (problem !== undefined) return problem;
  const isOpenMetrics = mediaTypeOf(headers['content-type']) === 'application/openmetrics-text';
  if (coding(headers) === 'identity') return decode(body, isOpenMetrics);
  try {
    // The limit is that of the decompressed page, since a small response can become a very large one.
    return decode(await decompress(body, { maxOutputLength: maxBytes }), isOpenMetrics);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'bad_encoding';
  }
}

/** The error that a failure within the body is counted as. */
const BODY_ERRORS: Readonly<Record<OneShotFailure['kind'], SampleError>> = {
  connect: 'unreachable',
  tls: 'unreachable',
  timeout: 'timeout',
  reset: 'truncated',
  too_large: 'too_large',
  malformed: 'unreachable',
  stopped: 'unreachable',
};

const coding = (headers: IncomingHttpHeaders): string =>
  (headers['content-encoding'] ?? 'identity').trim().toLowerCase();

function headProblem(status: number, headers: IncomingHttpHeaders): SampleError | undefined {
  if (status !== 200) return 'bad_status';
  // A page of HTML with status 200 is an error page, or the start page of another server.
  if (/html|json|xml|protobuf|image/.test(mediaTypeOf(headers['content-type']))) return 'not_metrics';
  return ['identity', 'gzip'].includes(coding(headers)) ? undefined : 'bad_encoding';
}

const decode = (body: Buffer, isOpenMetrics: boolean): RawPage => ({
  text: body.toString('utf8'),
  isOpenMetrics,
  isLossy: !isUtf8(body),
});
