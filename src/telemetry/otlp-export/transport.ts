// One POST to a receiver at a time, on a connection that is kept.
// Must stay true: it ends within its time whatever the receiver does; a certificate is always checked, a redirect never
// followed, and no more of an answer is held than an answer may have.
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import type { Agent as PlainAgent, ClientRequest, IncomingHttpHeaders } from 'node:http';
import { describe } from '../../core/errors.ts';
import { Agent, request } from '../../protocol/http/node-http.ts';

/** Of an answer (docs/contracts/logs.md 3); what is behind that is not read. */
const MAX_ANSWER_BYTES = 4 * 1024 ** 2;
const MAX_HEAD_BYTES = 16 * 1024;
const IDLE_MS = 60_000;

export interface ReceiverResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}
/** `problem`: there was no answer, in words. `isCutOff`: the receiver closed a connection that there was. */
export type TransportResult = ReceiverResponse | { readonly problem: string; readonly isCutOff: boolean };

export class Transport {
  readonly #url: URL;
  readonly #agent: PlainAgent | TlsAgent;
  readonly #timeoutMs: number;

  constructor(url: string, timeoutMs: number) {
    this.#url = new URL(url);
    this.#timeoutMs = timeoutMs;
    const options = { keepAlive: true, maxSockets: 4, maxFreeSockets: 1, timeout: IDLE_MS };
    this.#agent = this.#url.protocol === 'https:' ? new TlsAgent(options) : new Agent(options);
  }

  /** Sends it once. `signal` ends it. */
  async post(
    headers: Readonly<Record<string, string>>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<TransportResult> {
    const first = await this.#try(headers, body, signal);
    // The receiver closed the connection that was kept, as it may at any moment: that says nothing about it.
    return first === 'stale' ? ((await this.#try(headers, body, signal, true)) as TransportResult) : first;
  }

  /** Closes what is open. */
  close(): void {
    this.#agent.destroy();
  }

  #try(
    headers: Readonly<Record<string, string>>,
    body: Buffer,
    signal: AbortSignal,
    isFresh = false,
  ): Promise<TransportResult | 'stale'> {
    if (signal.aborted) return Promise.resolve({ problem: 'stopped', isCutOff: false });
    return new Promise((resolve) => {
      const send = this.#url.protocol === 'https:' ? tlsRequest : request;
      const call = send(this.#url, {
        method: 'POST',
        headers: { ...headers, 'content-length': body.length },
        agent: isFresh ? false : this.#agent,
        maxHeaderSize: MAX_HEAD_BYTES,
        // Said here so that no variable of Node's can turn it off.
        rejectUnauthorized: true,
      });
      const timer = setTimeout(
        () => end({ problem: `no answer within ${this.#timeoutMs} ms`, isCutOff: false }),
        this.#timeoutMs,
      );
      const stop = () => end({ problem: 'stopped', isCutOff: false });
      signal.addEventListener('abort', stop);
      let isOver = false;
      const end = (answer: TransportResult | 'stale', isKept = false) => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        if (!isKept) call.destroy();
        resolve(answer);
      };
      call.on('error', (error: NodeJS.ErrnoException) =>
        end(
          isStale(call, error) && !isFresh
            ? 'stale'
            : { problem: describe(error), isCutOff: isClosed(error) },
        ),
      );
      call.on('close', () => end({ problem: 'the connection was closed without an answer', isCutOff: true }));
      call.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        const reply = () => ({
          status: response.statusCode!,
          headers: response.headers,
          body: Buffer.concat(chunks),
        });
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) end(reply());
          else chunks.push(chunk);
        });
        response.on('end', () => end(reply(), true));
        // The status is said: it counts, although the body broke off.
        response.on('error', () => end(reply()));
        response.on('close', () => end(reply()));
      });
      call.end(body);
    });
  }
}

const isClosed = ({ code }: { code?: string | undefined }): boolean =>
  code === 'ECONNRESET' || code === 'EPIPE';
const isStale = (call: ClientRequest, { code }: NodeJS.ErrnoException): boolean =>
  call.reusedSocket && isClosed({ code });
