// Shutdown of a sidecar: takes no new work, lets running requests end, then stops every component.
// Invariant: /readyz answers 503 for `drain_delay` before the data server stops accepting connections.
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { waitAtMost } from '../core/wait.ts';
import type { Autoscaler } from '../control/scaling/autoscaler.ts';
import type { Proxy } from '../data-plane/proxy/proxy.ts';
import type { Pool } from '../data-plane/replicas/pool.ts';
import type { DataServer } from '../data-plane/server/data-server.ts';
import type { MetricCounters } from '../telemetry/metrics/metrics.ts';
import type { DataThreads } from './threads/data-threads.ts';
import type { Queue } from '../async/queue/queue.ts';

/** The modules that a drain acts on. */
export interface DrainedModules {
  readonly log: Logger;
  readonly pool: Pool;
  readonly queue: Queue;
  readonly autoscaler: Autoscaler;
  readonly proxy: Proxy;
  readonly dataServer: DataServer;
  readonly threads: DataThreads;
  readonly counters: MetricCounters;
}

/** Times in milliseconds. */
export interface DrainTimes {
  /** Wait before the data server stops accepting, so that load balancers see /readyz first. */
  readonly drain_delay: number;
  /** Longest time for running requests to end. */
  readonly drain_timeout: number;
}

export class Drain {
  readonly #modules: DrainedModules;
  readonly #times: DrainTimes;
  readonly #ended = Promise.withResolvers<void>();
  readonly #limited = Promise.withResolvers<void>();
  #isRunning = false;

  constructor(modules: DrainedModules, times: DrainTimes) {
    this.#modules = modules;
    this.#times = times;
  }

  /** True from the first moment of the shutdown. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Drains and stops everything; resolves when the log is flushed. */
  async run(lifecycle: Lifecycle): Promise<void> {
    const { log, pool, queue, autoscaler, counters } = this.#modules;
    const { drain_delay, drain_timeout } = this.#times;
    this.#isRunning = true;
    pool.startDraining();
    queue.pause();
    autoscaler.drain();
    log.event('weir_draining', {
      running: counters.open,
      timeout_ms: drain_timeout,
      hint: 'a second SIGINT or SIGTERM ends the drain now',
    });
    await waitAtMost(drain_delay, this.#ended.promise);
    await this.#stop(lifecycle, drain_timeout);
  }

  /**
   * Lets all connections end after another weir has taken over, however long that takes, and stops everything. Requests
   * go on waiting for replicas. After `limit` they have `drain_timeout`.
   */
  async leave(lifecycle: Lifecycle): Promise<void> {
    const { queue, dataServer } = this.#modules;
    this.#isRunning = true;
    queue.pause();
    await Promise.race([dataServer.leave(), this.#limited.promise]);
    await this.#stop(lifecycle, this.#times.drain_timeout);
  }

  /** Limits the time of `leave` to `drain_timeout` from now. */
  limit(): void {
    this.#limited.resolve();
  }

  async #stop(lifecycle: Lifecycle, timeoutMs: number): Promise<void> {
    const { log, proxy, dataServer, threads } = this.#modules;
    void this.#ended.promise.then(() => {
      proxy.abortAll('draining');
      dataServer.endDrain();
      threads.endDrain();
    });
    await lifecycle.stop(performance.now() + timeoutMs);
    log.flushEvents();
    log.sink.flush();
  }

  /** Ends the wait: running requests are cut now. */
  end(): void {
    this.#ended.resolve();
  }
}
