// One HTTP request that weir makes for itself (probes, metrics pages, webhooks, exporters), and its result as a value.
// Forwarded and queued requests do not come this way: they belong to an exchange, which measures them while they run.
// Invariant: it settles once, never rejects, holds at most `maxBodyBytes`, and leaves no timer and no connection, kept
// ones aside.
import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import type { SecureContext } from 'node:tls';
import { describe } from '../../core/errors.ts';
import { nodeHttps } from '../../core/node-tls.ts';
import { request as httpRequest } from './node-http.ts';
import { tlsProblem } from './tls-errors.ts';

/** As long as the heads of forwarded responses may be. */
const MAX_HEAD_BYTES = 64 * 1024;

/** An address of a host, as `dns.lookup` gives it. */
export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

export interface OneShotTls {
  readonly servername?: string;
  readonly secureContext?: SecureContext | undefined;
  /** True only for a server on this machine, to which nothing secret is sent. */
  readonly isUnverified?: boolean;
}

export interface OneShotRequest {
  readonly method: 'GET' | 'POST';
  /** Name, or address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Connects to this Unix socket, in place of host and port. */
  readonly socketPath?: string | undefined;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Options of TLS; `undefined`: clear text. */
  readonly tls?: OneShotTls | undefined;
  /** Connects to one of these and does not resolve `host`. */
  readonly addresses?: readonly HostAddress[];
  /** Limit of the whole, in milliseconds; without one only `signal` ends it. */
  readonly timeoutMs?: number;
  /** Limit of the response's head, in bytes. Default: 64 KiB. */
  readonly maxHeadBytes?: number;
  /** Most bytes of the response's body that are read. */
  readonly maxBodyBytes: number;
  /** Called with the head; if it returns false, the body is not read. */
  readonly wantsBody?: (status: number, headers: IncomingHttpHeaders) => boolean;
  /** Keeps connections. Without one the request has a connection of its own. */
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

export interface OneShotFailure {
  /**
   * `connect`: no connection; `tls`: the handshake failed; `reset`: the connection was closed; `malformed`: not HTTP, or a
   * head of more than `maxHeadBytes`; `stopped`: by the signal.
   */
  readonly kind: 'connect' | 'tls' | 'timeout' | 'reset' | 'too_large' | 'malformed' | 'stopped';
  readonly problem: string;
  readonly error?: NodeJS.ErrnoException;
}

export interface OneShotResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** At most `maxBodyBytes`; only its beginning if there is a `failure`. */
  readonly body: Buffer;
  /** Why the body is not whole. */
  readonly failure: OneShotFailure | undefined;
}

export type OneShotResult = OneShotResponse | OneShotFailure;

/**
 * Sends the request once, and once more on a new connection if a kept one was closed meanwhile. Redirects are not
 * followed.
 */
export async function requestOnce(wanted: OneShotRequest): Promise<OneShotResult> {
  const startedMs = performance.now();
  const attempt = new Attempt(wanted, wanted.agent, wanted.timeoutMs);
  const result = await attempt.result;
  if (!attempt.isStale) return result;
  const { timeoutMs } = wanted;
  const leftMs = timeoutMs === undefined ? undefined : timeoutMs - (performance.now() - startedMs);
  return new Attempt(wanted, undefined, leftMs).result;
}

class Attempt {
  readonly result: Promise<OneShotResult>;
  /** The server closed a kept connection before it responded, as it may at any time (RFC 9112 9.3.1). */
  isStale = false;
  readonly #wanted: OneShotRequest;
  readonly #request: ClientRequest;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #response: IncomingMessage | undefined;
  #settle: ((result: OneShotResult) => void) | undefined;

  constructor(wanted: OneShotRequest, agent: Agent | undefined, leftMs: number | undefined) {
    this.#wanted = wanted;
    const { promise, resolve } = Promise.withResolvers<OneShotResult>();
    this.result = promise;
    this.#settle = resolve;
    this.#request = open(wanted, agent);
    this.#request.on('response', (response) => this.#onHead(response));
    this.#request.on('error', (error: NodeJS.ErrnoException) => this.#onError(error));
    this.#request.on('close', () => this.#onClose());
    this.#request.end(wanted.body);
    const { signal, timeoutMs } = wanted;
    if (leftMs !== undefined)
      this.#timer = setTimeout(
        () => this.#fail('timeout', `no response within ${timeoutMs} ms`),
        Math.max(0, leftMs),
      );
    signal?.addEventListener('abort', this.#stop);
    if (signal?.aborted) this.#stop();
  }

  readonly #stop = (): void => this.#fail('stopped', 'stopped');

  #onHead(response: IncomingMessage): void {
    this.#response = response;
    const { wantsBody, maxBodyBytes } = this.#wanted;
    if (wantsBody?.(response.statusCode!, response.headers) === false) return this.#end(undefined, false);
    response.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes > maxBodyBytes)
        this.#fail('too_large', `the response's body has more than ${maxBodyBytes} bytes`);
      else this.#chunks.push(chunk);
    });
    response.on('end', () => this.#end(undefined, true));
    response.on('error', (error) => this.#fail('reset', describe(error), error));
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#settle === undefined) return;
    const kind = kindOf(error);
    this.isStale = kind === 'reset' && this.#request.reusedSocket && this.#response === undefined;
    this.#fail(kind, describe(error), error);
  }

  /** Without an error before it: the body is cut off, or Node left the connection, as it does after a 101. */
  #onClose(): void {
    if (this.#response === undefined) this.#fail('malformed', 'the connection was closed without a response');
    else this.#fail('reset', 'the connection was closed within the response');
  }

  #fail(kind: OneShotFailure['kind'], problem: string, error?: NodeJS.ErrnoException): void {
    this.#end({ kind, problem, ...(error && { error }) }, false);
  }

  #end(failure: OneShotFailure | undefined, isWhole: boolean): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    clearTimeout(this.#timer);
    this.#wanted.signal?.removeEventListener('abort', this.#stop);
    const isKept = isWhole && this.#wanted.agent !== undefined;
    if (!isKept) this.#request.destroy();
    const response = this.#response;
    settle(
      response === undefined
        ? failure!
        : {
            status: response.statusCode!,
            headers: response.headers,
            body: Buffer.concat(this.#chunks),
            failure,
          },
    );
  }
}

function open(wanted: OneShotRequest, agent: Agent | undefined): ClientRequest {
  const { method, host, port, socketPath, path, headers, body, tls, addresses } = wanted;
  return (tls === undefined ? httpRequest : nodeHttps().request)({
    method,
    host,
    port,
    ...(socketPath !== undefined && { socketPath }),
    path,
    headers: body === undefined ? headers : { ...headers, 'content-length': body.length },
    agent: agent ?? false,
    maxHeaderSize: wanted.maxHeadBytes ?? MAX_HEAD_BYTES,
    ...(addresses && { lookup: lookupIn(addresses) }),
    ...tls,
    // Stated here, since otherwise NODE_TLS_REJECT_UNAUTHORIZED=0 would turn verification off.
    rejectUnauthorized: tls?.isUnverified !== true,
  });
}

function kindOf(error: NodeJS.ErrnoException): OneShotFailure['kind'] {
  const code = error.code ?? '';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'reset';
  if (code.startsWith('HPE_')) return 'malformed';
  // EPROTO: OpenSSL rejected the first bytes, which were not TLS.
  return code === 'EPROTO' || tlsProblem(error) !== undefined ? 'tls' : 'connect';
}

/** In place of a second resolution, which could give other addresses than the ones that were checked. */
const lookupIn =
  (addresses: readonly HostAddress[]): LookupFunction =>
  (_name, options, found) => {
    if (options.all) found(null, [...addresses]);
    else found(null, addresses[0]!.address, addresses[0]!.family);
  };
