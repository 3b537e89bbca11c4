// What an exporter reports about its deliveries: last error, last success, pauses and retries.
// Invariant: no reported text holds a header value of the destination.
import type { Logger } from '../../core/logger.ts';
import { scrub, type Destination } from './destination.ts';
import type { StopControl } from '../../core/stop-control.ts';

export class ExporterHealth {
  /** True while the receiver rejects requests for reasons that only an operator can change. */
  isLockedOut = false;
  /** When the next retry comes, in milliseconds since the epoch. 0: no retry is planned. */
  retryAtMs = 0;
  /** Milliseconds since the epoch, 0: never. */
  errorMs = 0;
  successMs = 0;
  error = '';
  /** When the current request first failed, in milliseconds since the epoch. 0: it has not failed. */
  pausedSinceMs = 0;
  /** The same by performance.now(). */
  #pausedMs: number | undefined;
  readonly #destination: Destination;
  readonly #log: Logger;

  constructor(destination: Destination, log: Logger) {
    this.#destination = destination;
    this.#log = log;
  }

  /** Reports a problem. The same problem is logged once until another one comes. */
  failed(problem: string): void {
    const clean = scrub(problem, this.#destination);
    if (clean !== this.error)
      this.#log.warn('otlp export problem', { destination: this.#name, problem: clean });
    this.#setError(clean);
  }

  succeeded(): void {
    this.successMs = Date.now();
  }

  /** A request failed and will be retried: reports an event the first time, then each new problem. */
  paused(problem: string): void {
    if (this.#pausedMs !== undefined) return this.failed(problem);
    this.#pausedMs = performance.now();
    this.pausedSinceMs = Date.now();
    this.#setError(scrub(problem, this.#destination));
    this.#log.event('export_paused', { destination: this.#name, problem: this.error });
  }

  /** The receiver accepted or finally rejected a request: reports an event if the exporter was paused. */
  resumed(): void {
    this.retryAtMs = 0;
    if (this.#pausedMs === undefined) return;
    const paused_ms = Math.round(performance.now() - this.#pausedMs);
    this.#pausedMs = undefined;
    this.pausedSinceMs = 0;
    this.#log.event('export_resumed', { destination: this.#name, paused_ms });
  }

  /** Waits before a retry, and shows when it comes. */
  async retryAfter(ms: number, control: StopControl): Promise<void> {
    this.retryAtMs = Date.now() + ms;
    await control.wait(ms);
    this.retryAtMs = 0;
  }

  get #name(): string {
    return this.#destination.name || this.#destination.id;
  }

  #setError(problem: string): void {
    this.error = problem;
    this.errorMs = Date.now();
  }
}
