// Webhooks: checks a URL, and makes one attempt to deliver a result. The queue's outbox makes further attempts.
// Invariant: an attempt ends within webhook.timeout and tells whether another one may succeed.
import { isIP } from 'node:net';
import type { SecureContext } from 'node:tls';
import { readAuthorities } from '../../core/certificates.ts';
import { WeirError } from '../../core/errors.ts';
import { WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER } from '../../core/header-names.ts';
import { isLoopback } from '../../core/loopback.ts';
import { nodeTls } from '../../core/node-tls.ts';
import { requestOnce, type OneShotRequest, type OneShotResult } from '../../protocol/http/one-shot.ts';
import { AddressPolicy } from './address-policy.ts';
import type { WebhookOptions } from './options.ts';
import { signPayload } from './signature.ts';
import { readTarget, resolveTarget, systemResolve, type WebhookRules, type ResolveHost } from './target.ts';

export { webhookPayload } from './payload.ts';

/** Results of an attempt. */
export const webhookResults = [
  'ok',
  /** The URL or one of its addresses must not be called. */
  'forbidden',
  /** The host name has no address. */
  'unresolved',
  /** No connection, or it broke before the response. */
  'connection',
  'timeout',
  /** The response is not HTTP, or is too large. */
  'bad_answer',
  /** A status that is neither 2xx nor retryable. */
  'refused',
  /** 500, 502, 503 or 504. */
  'unavailable',
  /** The caller ended the attempt. */
  'stopped',
] as const;
export type WebhookResult = (typeof webhookResults)[number];

/** Results after which another attempt may succeed (contract 2.7). A failure without a status counts as unavailable. */
const RETRYABLE: ReadonlySet<WebhookResult> = new Set([
  'unresolved',
  'connection',
  'timeout',
  'unavailable',
  'stopped',
]);
const UNAVAILABLE: ReadonlySet<number> = new Set([500, 502, 503, 504]);

export interface WebhookMessage {
  readonly url: string;
  readonly requestId: string;
  /** Body from `webhookPayload`. */
  readonly body: Buffer;
}

/** Result of one attempt. */
export interface WebhookDelivery {
  readonly ok: boolean;
  readonly result: WebhookResult;
  /** `undefined` without a response. */
  readonly status: number | undefined;
  readonly isRetryable: boolean;
  /** One line for the log; '' if it was delivered. */
  readonly error: string;
  readonly durationMs: number;
}

/** Most bytes of a response's body that are read, so that the receiver does not see a broken connection. */
const MAX_BODY_BYTES = 64 * 1024;
const MAX_HEAD_BYTES = 16 * 1024;

type AttemptEnd = Pick<WebhookDelivery, 'result' | 'status' | 'error'>;

export interface WebhookDeps {
  /** Host that the data server listens on, which decides about loopback webhooks. */
  readonly listenHost: string;
  /** Ports that weir listens on. A webhook never goes there, since it could reach the admin server. */
  readonly ownPorts: () => readonly number[];
  /** Called after each attempt. */
  readonly observed?: (delivery: WebhookDelivery) => void;
  readonly resolve?: ResolveHost;
  /** A clock in milliseconds. */
  readonly now?: () => number;
}

export class Webhooks {
  readonly #options: WebhookOptions;
  readonly #deps: WebhookDeps;
  readonly #rules: WebhookRules;
  readonly #trust: SecureContext | undefined;
  readonly #counts = new Map<WebhookResult, number>(webhookResults.map((result) => [result, 0]));

  /**
   * Throws a WeirError when `ca_file` cannot be used. Loopback webhooks are allowed if the data server listens on
   * loopback: then only clients on this machine can name one, and they could call it themselves (SSRF).
   */
  constructor(options: WebhookOptions, deps: WebhookDeps) {
    this.#options = options;
    this.#deps = deps;
    const local = isLoopback(deps.listenHost) ? ['localhost'] : [];
    this.#rules = {
      policy: new AddressPolicy([...options.allow_networks, ...local]),
      ownPorts: deps.ownPorts,
    };
    this.#trust = options.ca_file === '' ? undefined : trustIn(options.ca_file);
  }

  /** Number of attempts by result. */
  get counts(): ReadonlyMap<WebhookResult, number> {
    return this.#counts;
  }

  /** The problem of a URL as the end of a sentence (`must begin with https://`); '' if it may be called. */
  check(url: string): string {
    const target = readTarget(url, this.#rules);
    return typeof target === 'string' ? target : '';
  }

  /** Makes one attempt. `signal` ends it early. Resolves for all expected failures. */
  async deliver(message: WebhookMessage, signal?: AbortSignal): Promise<WebhookDelivery> {
    const now = this.#deps.now ?? (() => performance.now());
    const startMs = now();
    const ending = new AbortController();
    const timer = setTimeout(() => ending.abort('timeout'), this.#options.timeout);
    const stop = () => ending.abort('stopped');
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    try {
      const end = await this.#attempt(message, ending.signal);
      const delivery = {
        ...end,
        ok: end.result === 'ok',
        isRetryable: RETRYABLE.has(end.result),
        durationMs: now() - startMs,
      };
      this.#counts.set(end.result, this.#counts.get(end.result)! + 1);
      this.#deps.observed?.(delivery);
      return delivery;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  async #attempt({ url: text, requestId, body }: WebhookMessage, ending: AbortSignal): Promise<AttemptEnd> {
    // Checked again, since the settings may have changed after the submit.
    const target = readTarget(text, this.#rules);
    if (typeof target === 'string') return without('forbidden', `the URL ${target}`);
    const resolve = this.#deps.resolve ?? systemResolve;
    const resolved = await unlessEnded(ending, resolveTarget(target, this.#rules, resolve));
    if (resolved === undefined) return this.#ended(ending);
    if ('problem' in resolved)
      return resolved.isForbidden
        ? without('forbidden', `the URL ${resolved.problem}`)
        : without('unresolved', resolved.problem);
    const signature = signPayload(body, this.#options.secrets);
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': 'weir-webhook',
      [WEBHOOK_ID_HEADER]: requestId,
      ...(signature !== undefined && { [WEBHOOK_SIGNATURE_HEADER]: signature }),
    };
    const { url, host, port } = target;
    const result = await requestOnce({
      method: 'POST',
      host,
      port,
      path: url.pathname + url.search,
      headers: { ...headers, host: url.host },
      body,
      tls: url.protocol === 'https:' ? this.#tlsFor(host) : undefined,
      addresses: resolved.addresses,
      maxHeadBytes: MAX_HEAD_BYTES,
      maxBodyBytes: MAX_BODY_BYTES,
      signal: ending,
    });
    return !('status' in result) && ending.aborted ? this.#ended(ending) : endOf(result);
  }

  #tlsFor(host: string): OneShotRequest['tls'] {
    return {
      // A certificate does not have the dot that may end a name; an address is not a server name (RFC 6066 3).
      ...(isIP(host) === 0 && { servername: host.replace(/\.$/, '') }),
      secureContext: this.#trust,
    };
  }

  #ended({ reason }: AbortSignal): AttemptEnd {
    return reason === 'timeout'
      ? without('timeout', `no response within ${this.#options.timeout} ms`)
      : without('stopped', 'stopped before the response');
  }
}

const without = (result: WebhookResult, error: string): AttemptEnd => ({ result, status: undefined, error });

/** The status decides, also if the body of the response is broken or too large. */
function endOf(received: OneShotResult): AttemptEnd {
  if (!('status' in received))
    return without(received.kind === 'malformed' ? 'bad_answer' : 'connection', received.problem);
  const { status } = received;
  if (status >= 200 && status < 300) return { result: 'ok', status, error: '' };
  const hint = status >= 300 && status < 400 ? '; redirects are not followed' : '';
  const result = UNAVAILABLE.has(status) ? 'unavailable' : 'refused';
  return { result, status, error: `answered ${status}${hint}` };
}

/** The value of a promise; `undefined` if the attempt ends first, since a resolver cannot be cancelled. */
async function unlessEnded<T>(ending: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  if (ending.aborted) return undefined;
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const end = () => resolve(undefined);
  ending.addEventListener('abort', end);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    ending.removeEventListener('abort', end);
  }
}

/** The public authorities and those of a file. Slow, so it is done once. */
function trustIn(file: string): SecureContext {
  const read = readAuthorities(file);
  if ('problem' in read) throw new WeirError('bad_settings', `webhook.ca_file ${read.problem}`);
  const { createSecureContext, getCACertificates } = nodeTls();
  return createSecureContext({ ca: [...getCACertificates('default'), read.pem] });
}
