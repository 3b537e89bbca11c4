// POSTs to one receiver, on a connection that is kept.
// Invariant: a request ends within its time limit, and at most `maxBodyBytes` of a response are held.
import type { Agent as PlainAgent, IncomingHttpHeaders } from 'node:http';
import type { Agent as TlsAgent } from 'node:https';
import { nodeHttps } from '../../core/node-tls.ts';
import { Agent } from './node-http.ts';
import { requestOnce, type OneShotFailure } from './one-shot.ts';

const MAX_HEAD_BYTES = 16 * 1024;
const IDLE_MS = 60_000;

export interface ReceiverResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Why the body is not whole: it has more than the maximum. */
  readonly failure?: OneShotFailure | undefined;
}
/** `problem`: why there is no response. `isCutOff`: the receiver closed the connection. */
export type TransportResult = ReceiverResponse | { readonly problem: string; readonly isCutOff: boolean };

export class Transport {
  readonly #url: URL;
  readonly #agent: PlainAgent | TlsAgent;
  readonly #timeoutMs: number;
  readonly #maxBodyBytes: number;

  constructor(url: string, timeoutMs: number, maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes;
    this.#url = new URL(url);
    this.#timeoutMs = timeoutMs;
    const options = { keepAlive: true, maxSockets: 4, maxFreeSockets: 1, timeout: IDLE_MS };
    const { Agent: AgentOfScheme } = this.#url.protocol === 'https:' ? nodeHttps() : { Agent };
    this.#agent = new AgentOfScheme(options);
  }

  /** Sends it once. `signal` ends it. */
  async post(
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<TransportResult> {
    const { protocol, hostname, port, host, pathname, search } = this.#url;
    const isTls = protocol === 'https:';
    const result = await requestOnce({
      method: 'POST',
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (isTls ? 443 : 80) : Number(port),
      path: pathname + search,
      headers: { host, ...headers },
      body,
      tls: isTls ? {} : undefined,
      timeoutMs: this.#timeoutMs,
      maxHeadBytes: MAX_HEAD_BYTES,
      maxBodyBytes: this.#maxBodyBytes,
      agent: this.#agent,
      signal,
    });
    const failure = 'status' in result ? result.failure : result;
    // Of a body that is too large the beginning is used.
    if ('status' in result && (failure === undefined || failure.kind === 'too_large')) return result;
    const { kind, problem, error } = failure!;
    // Without an error the connection ended without a response that can be used.
    return { problem, isCutOff: kind === 'reset' || (kind === 'malformed' && error === undefined) };
  }

  /** Closes what is open. */
  close(): void {
    this.#agent.destroy();
  }
}
