// The door of the room: says whether a URL may be a webhook, and delivers one, once.
// Must stay true: deliver always ends within its time and tells whether another attempt makes sense. It never makes
// one: that is up to whoever keeps what is still to be delivered.
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { readAuthorities } from '../../core/certificates.ts';
import { WeirError } from '../../core/errors.ts';
import { AddressPolicy, isLoopbackHost } from './address-policy.ts';
import type { WebhookOptions } from './options.ts';
import { post, type WebhookResponse } from './post.ts';
import { signPayload } from './signature.ts';
import { readTarget, resolveTarget, systemResolve, type WebhookRules, type ResolveHost } from './target.ts';

export { webhookPayload, type WebhookOutcome, type WebhookError } from './payload.ts';

/** What came of an attempt, in one word. */
export const webhookResults = [
  'ok',
  /** The URL may not be called, or leads where nothing may be called. */
  'forbidden',
  /** Its name has no address. */
  'unresolved',
  /** No connection, or one that broke before the answer. */
  'connection',
  'timeout',
  /** An answer that is no HTTP, or is too large. */
  'bad_answer',
  /** A status that is neither 2xx nor worth another attempt. */
  'refused',
  /** 500, 502, 503 or 504. */
  'unavailable',
  /** The caller ended the attempt. */
  'stopped',
] as const;
export type WebhookResult = (typeof webhookResults)[number];

/** Where another attempt makes sense (contract 2.7; failures without a status are as good as unavailable). */
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
  /** What `webhookPayload` made. */
  readonly body: Buffer;
}

/** What came of one attempt. */
export interface WebhookDelivery {
  readonly ok: boolean;
  readonly result: WebhookResult;
  /** `undefined` when there was no answer. */
  readonly status: number | undefined;
  readonly isRetryable: boolean;
  /** One line for people; empty when it was delivered. */
  readonly error: string;
  readonly durationMs: number;
}

type End = Pick<WebhookDelivery, 'result' | 'status' | 'error'>;

export interface WebhookDeps {
  /** Host that the data server listens on, which decides about loopback webhooks. */
  readonly listenHost: string;
  /** Ports on which weir listens now. A webhook never goes there: from here, it could speak to the admin door. */
  readonly ownPorts: () => readonly number[];
  /** Called at the end of every attempt. */
  readonly observed?: (delivery: WebhookDelivery) => void;
  readonly resolve?: ResolveHost;
  /** A clock in milliseconds. */
  readonly now?: () => number;
}

export class Webhooks {
  readonly #options: WebhookOptions;
  readonly #deps: WebhookDeps;
  readonly #bounds: WebhookRules;
  readonly #trust: SecureContext | undefined;
  readonly #counts = new Map<WebhookResult, number>(webhookResults.map((result) => [result, 0]));

  /**
   * Throws a WeirError when `ca_file` cannot be used. Loopback webhooks are allowed if the data server listens on
   * loopback: then only clients on this machine can name one, and they could call it themselves (SSRF).
   */
  constructor(options: WebhookOptions, deps: WebhookDeps) {
    this.#options = options;
    this.#deps = deps;
    const local = isLoopbackHost(deps.listenHost) ? ['localhost'] : [];
    this.#bounds = {
      reach: new AddressPolicy([...options.allow_networks, ...local]),
      ownPorts: deps.ownPorts,
    };
    this.#trust = options.ca_file === '' ? undefined : trustIn(options.ca_file);
  }

  /** Attempts so far, by result. */
  get counts(): ReadonlyMap<WebhookResult, number> {
    return this.#counts;
  }

  /** What is wrong with a URL as the end of a sentence (`must begin with https://`); empty when it may be called. */
  check(url: string): string {
    const target = readTarget(url, this.#bounds);
    return typeof target === 'string' ? target : '';
  }

  /** Makes one attempt; `signal` ends it early. Expected failures are in what it resolves to. */
  async deliver(message: WebhookMessage, signal?: AbortSignal): Promise<WebhookDelivery> {
    const now = this.#deps.now ?? (() => performance.now());
    const begunMs = now();
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
        durationMs: now() - begunMs,
      };
      this.#counts.set(end.result, this.#counts.get(end.result)! + 1);
      this.#deps.observed?.(delivery);
      return delivery;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  async #attempt({ url, requestId, body }: WebhookMessage, ending: AbortSignal): Promise<End> {
    // Again, although it was checked when it was taken: the settings may be others since.
    const target = readTarget(url, this.#bounds);
    if (typeof target === 'string') return without('forbidden', `the URL ${target}`);
    const resolve = this.#deps.resolve ?? systemResolve;
    const resolved = await unlessEnded(ending, resolveTarget(target, this.#bounds, resolve));
    if (resolved === undefined) return this.#ended(ending);
    if ('problem' in resolved)
      return resolved.isForbidden
        ? without('forbidden', `the URL ${resolved.problem}`)
        : without('unresolved', resolved.problem);
    const signature = signPayload(body, this.#options.secrets);
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': 'weir-webhook',
      'X-BASETEN-REQUEST-ID': requestId,
      ...(signature !== undefined && { 'X-BASETEN-SIGNATURE': signature }),
    };
    const { addresses } = resolved;
    const answer = await post({ target, addresses, headers, body, trust: this.#trust }, ending);
    return 'problem' in answer && ending.aborted ? this.#ended(ending) : judge(answer);
  }

  #ended({ reason }: AbortSignal): End {
    return reason === 'timeout'
      ? without('timeout', `no answer within ${this.#options.timeout} ms`)
      : without('stopped', 'stopped before there was an answer');
  }
}

const without = (result: WebhookResult, error: string): End => ({ result, status: undefined, error });

function judge(answer: WebhookResponse): End {
  if ('problem' in answer) return without(answer.isBroken ? 'bad_answer' : 'connection', answer.problem);
  const { status } = answer;
  if (status >= 200 && status < 300) return { result: 'ok', status, error: '' };
  const hint = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  const result = UNAVAILABLE.has(status) ? 'unavailable' : 'refused';
  return { result, status, error: `answered ${status}${hint}` };
}

/** What is waited for, or `undefined` when the attempt has to end before: a resolver cannot be called off. */
async function unlessEnded<T>(ending: AbortSignal, waited: Promise<T>): Promise<T | undefined> {
  if (ending.aborted) return undefined;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = () => resolve(undefined);
  ending.addEventListener('abort', end);
  try {
    return await Promise.race([waited, promise]);
  } finally {
    ending.removeEventListener('abort', end);
  }
}

/** The public authorities and those of a file. Made once: reading all of them takes a while. */
function trustIn(file: string): SecureContext {
  const read = readAuthorities(file);
  if ('problem' in read) throw new WeirError('bad_settings', `webhook.ca_file ${read.problem}`);
  return createSecureContext({ ca: [...getCACertificates('default'), read.pem] });
}
