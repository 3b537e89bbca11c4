// One POST to addresses that were judged before, and what came of it.
// Must stay true: it ends by its signal at the latest and leaves no connection, whatever the receiver does. The status
// is the verdict: what comes behind the head of an answer changes nothing, and is read so that the receiver need not
// see a broken connection.
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { SecureContext } from 'node:tls';
import { describe } from '../../core/errors.ts';
import { request as httpRequest } from '../../protocol/http/node-http.ts';
import type { HostAddress, WebhookTarget } from './target.ts';

const MAX_HEAD_BYTES = 16 * 1024;
const MAX_ANSWER_BYTES = 64 * 1024;

/** A status, or why there is none. `isBroken`: the receiver answers, but not in HTTP, or not within bounds. */
export type WebhookResponse =
  { readonly status: number } | { readonly problem: string; readonly isBroken: boolean };

export interface PostRequest {
  readonly target: WebhookTarget;
  readonly addresses: readonly HostAddress[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Whom to trust; `undefined`: the public authorities. */
  readonly trust: SecureContext | undefined;
}

/** Sends it once; `signal` ends it. Redirects are an answer like any other: they are never followed. */
export function post(
  { target, addresses, headers, body, trust }: PostRequest,
  signal: AbortSignal,
): Promise<WebhookResponse> {
  const { url, host, port } = target;
  return new Promise((resolve) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send({
      method: 'POST',
      host,
      port,
      path: url.pathname + url.search,
      headers: { ...headers, host: url.host, 'content-length': body.length },
      agent: false,
      maxHeaderSize: MAX_HEAD_BYTES,
      lookup: only(addresses),
      // Certificates are made out without the dot that may end a name; an address is no server name.
      ...(isIP(host) === 0 && { servername: host.replace(/\.$/, '') }),
      // Said here so that no variable of Node's can turn it off.
      rejectUnauthorized: true,
      ...(trust !== undefined && { secureContext: trust }),
    });
    let status = 0;
    const done = (problem: string, isBroken = false) => {
      signal.removeEventListener('abort', stop);
      request.destroy();
      resolve(status === 0 ? { problem, isBroken } : { status });
    };
    const stop = () => done('stopped');
    signal.addEventListener('abort', stop);
    request.on('response', (response) => {
      status = response.statusCode!;
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) done('');
      });
      response.on('error', () => done(''));
      response.on('close', () => done(''));
    });
    request.on('error', (error: NodeJS.ErrnoException) =>
      done(describe(error), error.code?.startsWith('HPE_') === true),
    );
    request.on('close', () => done('the connection was closed without an answer', true));
    request.end(body);
    // Over before it began: then the signal tells nobody any more.
    if (signal.aborted) stop();
  });
}

/** In place of a second resolution, whose answer could be another one. */
const only =
  (addresses: readonly HostAddress[]): LookupFunction =>
  (_name, options, found) => {
    if (options.all) found(null, [...addresses]);
    else found(null, addresses[0]!.address, addresses[0]!.family);
  };
