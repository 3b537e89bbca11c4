// Follows the pods of one deployment in Kubernetes, and counts them by state.
// Invariant: weir starts without waiting for the API server, failed requests are retried with backoff, and counts older
// than `max_age` are not used.
//
//   open ─► list ─► watch ─┬─ quiet ─► watch again, from the last version
//     ▲       ▲            ├─ gone, or ten minutes passed ─► list
//     └ wait ─┴── wait ◄───┴─ failed
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { KubernetesOptions } from './options.ts';
import { openPodApi, type PodApi, type WatchEnd } from './pod-api.ts';
import { Pods, type PodFigures } from './pod-figures.ts';

export type { PodCondition, PodFigures } from './pod-figures.ts';

const RETRY_FIRST_MS = 500;
/** Interval of lists, since a watch can miss events. */
const LIST_INTERVAL_MS = 600_000;
/** After a watch shorter than this, the next one starts after a wait. */
const SHORT_WATCH_MS = 1000;

export class Kubernetes {
  readonly name = 'kubernetes';
  readonly #options: KubernetesOptions;
  readonly #log: Logger;
  readonly #open: (options: KubernetesOptions) => Promise<PodApi>;
  readonly #pods: Pods;
  readonly #stopping = new AbortController();
  #version = '';
  #listedMs = -Infinity;
  /** performance.now() of the last contact with the API server. While a watch is open, contact exists. */
  #contactMs = -Infinity;
  #isWatching = false;
  #attempt = 0;
  #problem: string | undefined;

  constructor(options: KubernetesOptions, log: Logger, open = openPodApi) {
    this.#options = options;
    this.#log = log;
    this.#open = open;
    this.#pods = new Pods(options.container);
  }

  /** Starts to follow the pods in the background, unless `pods` is off. */
  start(): void {
    if (this.#options.pods !== 'off') void this.#follow();
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Counts of the pods; `undefined` if they are older than `max_age`. */
  figures(): PodFigures | undefined {
    const isFresh = this.#isWatching || performance.now() - this.#contactMs <= this.#options.max_age;
    return isFresh ? this.#pods.figures() : undefined;
  }

  async #follow(): Promise<void> {
    let api: PodApi | undefined;
    while (!this.#stopping.signal.aborted) {
      try {
        api ??= await this.#open(this.#options);
        const end = await this.#listAndWatch(api);
        if (typeof end === 'object') await this.#failed(end.problem);
      } catch (error) {
        await this.#failed(describe(error));
      }
    }
  }

  /** One round: a list if it is due, then one watch until it ends. */
  async #listAndWatch(api: PodApi): Promise<WatchEnd> {
    const startedMs = performance.now();
    if (startedMs - this.#listedMs > LIST_INTERVAL_MS) {
      const list = await api.list();
      if ('problem' in list) return list;
      this.#pods.replace(list.items);
      this.#version = list.version;
      this.#listedMs = performance.now();
      this.#contactMs = performance.now();
    }
    const end = await this.#watch(api);
    if (end !== 'quiet') this.#listedMs = -Infinity;
    if (typeof end === 'object') return end;
    if (performance.now() - startedMs < SHORT_WATCH_MS) await this.#pause();
    else this.#attempt = 0;
    return end;
  }

  async #watch(api: PodApi): Promise<WatchEnd> {
    const end = await api.watch(
      this.#version,
      { opened: () => this.#opened(), event: (type, object) => this.#event(type, object) },
      this.#stopping.signal,
    );
    if (this.#isWatching) this.#contactMs = performance.now();
    this.#isWatching = false;
    return end;
  }

  #event(type: string, object: unknown): void {
    const version = (object as { metadata?: { resourceVersion?: unknown } } | null)?.metadata
      ?.resourceVersion;
    if (typeof version === 'string') this.#version = version;
    if (type === 'ADDED' || type === 'MODIFIED') this.#pods.put(object);
    else if (type === 'DELETED') this.#pods.remove(object);
  }

  #opened(): void {
    this.#isWatching = true;
    if (this.#problem === '') return;
    this.#problem = '';
    this.#log.event('pods_watched', { ...this.#pods.figures() });
  }

  async #failed(problem: string): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#listedMs = -Infinity;
    // Reported once per problem, not once per retry.
    if (problem !== this.#problem) this.#log.event('pods_lost', { problem });
    this.#problem = problem;
    await this.#pause();
  }

  async #pause(): Promise<void> {
    const waitMs = backoffMs(this.#attempt++, RETRY_FIRST_MS, this.#options.retry_delay_max);
    await sleep(waitMs, undefined, { ref: false, signal: this.#stopping.signal }).catch((error: Error) => {
      // Stopped. The caller checks the signal.
      if (error.name !== 'AbortError') throw error;
    });
  }
}
