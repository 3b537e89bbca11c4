// Asks one replica, over and over, whether it is ready.
// Must stay true: never two probes of one replica at once, each within its time limit, none after stop.
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { describe } from '../base/errors.ts';
import { request as httpRequest } from '../http/node-http.ts';
import type { PoolOptions, ReplicaUrl } from './options.ts';
import type { Replica } from './replica.ts';

/** One question: resolves to `''` when the answer is yes, else to what is wrong. */
export type Probe = (url: ReplicaUrl, timeoutMs: number) => Promise<string>;

/** Ready is who accepts a TCP connection: fits any server without configuration. */
const tcpProbe: Probe = ({ host, port }, timeoutMs) =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (problem: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => done(`no connection within ${timeoutMs} ms`), timeoutMs);
    socket.once('connect', () => done(''));
    socket.once('error', (error) => done(describe(error)));
  });

/** Ready is who answers a GET of `path` with 2xx. */
const httpProbe =
  (path: string): Probe =>
  ({ protocol, host, port }, timeoutMs) =>
    new Promise((resolve) => {
      const request = (protocol === 'https:' ? httpsRequest : httpRequest)({
        host,
        port,
        path,
        agent: false,
        headers: { 'user-agent': 'weir-probe' },
      });
      const done = (problem: string) => {
        clearTimeout(timer);
        request.destroy();
        resolve(problem);
      };
      const timer = setTimeout(() => done(`no answer to GET ${path} within ${timeoutMs} ms`), timeoutMs);
      request.on('response', ({ statusCode = 0 }) =>
        done(statusCode >= 200 && statusCode < 300 ? '' : `GET ${path} answered ${statusCode}`),
      );
      request.on('error', (error) => done(describe(error)));
      request.end();
    });

export class Health {
  readonly #replica: Replica;
  readonly #probe: Probe;
  readonly #options: PoolOptions;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #isProbing = false;
  #askAgain = false;
  #isStopped = false;
  /** What the last probe said; empty when all was well. */
  problem = 'not asked yet';

  constructor(replica: Replica, readinessPath: string, options: PoolOptions) {
    this.#replica = replica;
    this.#probe = readinessPath === '' ? tcpProbe : httpProbe(readinessPath);
    this.#options = options;
  }

  /** Asks now and then on a timer; resolves when the first answer is in. */
  start(): Promise<void> {
    return this.#ask();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Something suggests that the state has changed: asks as soon as the probe under way, if any, is done. */
  askSoon(): void {
    if (this.#isProbing) this.#askAgain = true;
    else void this.#ask();
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isProbing = true;
    this.problem = await this.#probe(this.#replica.url, this.#options.probe_timeout);
    this.#isProbing = false;
    if (this.#isStopped) return;
    this.#failures = this.problem === '' ? 0 : this.#failures + 1;
    if (this.problem === '') this.#replica.to('ready');
    else if (this.#replica.isReady && this.#failures >= this.#options.probe_failures)
      this.#replica.to('down');
    const interval = this.problem === '' ? this.#options.probe_interval : this.#options.probe_retry_interval;
    this.#timer = setTimeout(() => void this.#ask(), this.#askAgain ? 0 : interval).unref();
    this.#askAgain = false;
  }
}
