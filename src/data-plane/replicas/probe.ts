// Questions to a replica: is it there, is it well. Must stay true: each ends within its time limit, and an answer that
// says no is told apart from none at all: who does not answer may only be busy.
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe } from '../../core/errors.ts';
import { tlsProblem } from '../../protocol/http/tls-errors.ts';
import { request as httpRequest } from '../../protocol/http/node-http.ts';
import type { ReplicaUrl } from './options.ts';
import type { ReplicaTls } from './replica-tls.ts';

/** What came of a question. `problem` is empty when all is well; `isSilent`: there was no answer in time. */
export interface ProbeResult {
  readonly problem: string;
  readonly isSilent: boolean;
  /** True if it answered, also if the answer was a failure. */
  readonly isAnswer?: boolean;
}

/** Who is asked. */
export interface ProbeTarget {
  readonly url: ReplicaUrl;
  readonly tls: ReplicaTls | undefined;
}

export type Probe = (replica: ProbeTarget, timeoutMs: number) => Promise<ProbeResult>;

/** What an error of a connection says, in words. */
export const probeProblem = (error: NodeJS.ErrnoException): string => tlsProblem(error) ?? describe(error);

/** Well is who accepts a connection, over TLS with a certificate that is trusted: fits any server without configuration. */
export const connectionProbe: Probe = ({ url: { host, port }, tls }, timeoutMs) =>
  new Promise((resolve) => {
    const socket = tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...tls });
    const done = (problem: string, isSilent = false) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ problem, isSilent });
    };
    const timer = setTimeout(() => done(`no connection within ${timeoutMs} ms`, true), timeoutMs);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => done(''));
    socket.once('error', (error) => done(probeProblem(error)));
  });

/** Well is who answers a GET of `path` with 2xx. */
export const httpProbe =
  (path: string): Probe =>
  ({ url: { host, port, authority }, tls }, timeoutMs) =>
    new Promise((resolve) => {
      const request = (tls === undefined ? httpRequest : httpsRequest)({
        host,
        port,
        path,
        agent: false,
        headers: { host: authority, 'user-agent': 'weir-probe' },
        ...tls,
      });
      const done = (problem: string, isSilent = false, isAnswer = false) => {
        clearTimeout(timer);
        request.destroy();
        resolve({ problem, isSilent, isAnswer });
      };
      const timer = setTimeout(
        () => done(`no answer to GET ${path} within ${timeoutMs} ms`, true),
        timeoutMs,
      );
      request.on('response', ({ statusCode = 0 }) =>
        done(statusCode >= 200 && statusCode < 300 ? '' : `GET ${path} answered ${statusCode}`, false, true),
      );
      request.on('error', (error) => done(probeProblem(error)));
      request.end();
    });

/** One question asked over and over: never two at once, none after `stop`. */
export class ProbeOptions {
  /** Asks once; resolves to the milliseconds until the next time. */
  readonly #ask: () => Promise<number>;
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #isWantedSoon = false;
  #isStopped = true;

  constructor(ask: () => Promise<number>) {
    this.#ask = ask;
  }

  /** Asks now, and then on a timer; resolves when the first answer is in. */
  start(): Promise<void> {
    this.#isStopped = false;
    return this.#isAsking ? Promise.resolve() : this.#once();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Asks as soon as the question under way, if any, is answered. */
  soon(): void {
    if (this.#isStopped) return;
    if (this.#isAsking) this.#isWantedSoon = true;
    else void this.#once();
  }

  async #once(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isAsking = true;
    const nextMs = await this.#ask();
    this.#isAsking = false;
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#once(), this.#isWantedSoon ? 0 : nextMs).unref();
    this.#isWantedSoon = false;
  }
}
