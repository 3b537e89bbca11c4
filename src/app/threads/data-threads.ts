// The data threads besides the main thread: starts them, tells them what has changed, and replaces one that has ended.
// Invariant: what a thread held that has ended is given back before another one takes its number.
import { backoffMs } from '../../core/backoff.ts';
import { describe, WeirError } from '../../core/errors.ts';
import type { SharedKeyUses } from '../../core/keys/key-use-table.ts';
import { waitAtMost } from '../../core/wait.ts';
import { answer } from '../../core/worker-rpc.ts';
import type { Modules } from '../modules.ts';
import { takeReport } from '../thread-reports.ts';
import type { FromDataThread } from './from-thread.ts';
import { PoolChannel } from './pool-channel.ts';
import { RunningThread } from './running-thread.ts';
import type { ThreadOperations } from './to-thread.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
/** A thread that has run for this long was started successfully. */
const STABLE_MS = 60_000;
/** What a thread may need to stop after its deadline, in milliseconds. */
const LAST_MS = 2000;

const QUEUE_OPERATIONS = ['submit', 'status', 'cancel', 'result', 'depth'] as const;
type QueueOperation = (typeof QUEUE_OPERATIONS)[number];

export class DataThreads {
  readonly name = 'data threads';
  readonly #modules: Modules;
  readonly #count: number;
  /** By number, from 1. */
  readonly #running = new Map<number, RunningThread>();
  readonly #failures: number[] = [];
  #isListening = false;
  #isStopping = false;
  /** Why a thread could not be started; '' if all could. */
  #problem = '';

  /** `count`: number of data threads, the main thread included. */
  constructor(modules: Modules, count: number) {
    this.#modules = modules;
    this.#count = count;
  }

  /** Starts the threads. They accept connections after `listen`. */
  start(): void {
    for (let thread = 1; thread < this.#count; thread++) this.#start(thread);
  }

  /** Has all threads accept connections, on the port of the main thread. Rejects with a WeirError if one cannot. */
  async listen(): Promise<void> {
    await Promise.allSettled(
      Array.from(this.#running, async ([thread, running]) => {
        try {
          await this.#listen(running);
        } catch (error) {
          this.#failed(thread, describe(error));
        }
      }),
    );
    if (this.#problem !== '') throw new WeirError('thread_failed', this.#problem);
    this.#isListening = true;
  }

  /** Resolves when all threads have done it. A thread that ends does not count. */
  async all<O extends keyof ThreadOperations>(
    operation: O,
    ...args: Parameters<ThreadOperations[O]>
  ): Promise<void> {
    await Promise.allSettled(Array.from(this.#running.values(), (thread) => thread.call(operation, ...args)));
  }

  /** Accepts no new connections in these threads, and lets their exchanges end until `deadlineMs` (performance.now()). */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    const remainingMs = Math.max(0, deadlineMs - performance.now());
    await waitAtMost(remainingMs + LAST_MS, this.all('stop', remainingMs));
    await Promise.all(Array.from(this.#running.values(), (thread) => thread.terminate()));
  }

  /** Ends the wait in `stop`: running exchanges are cut. */
  endDrain(): void {
    for (const thread of this.#running.values()) thread.send({ kind: 'endDrain' });
  }

  /** Tells all threads the keys as they are now. Resolves when they use them. */
  keysChanged(): Promise<void> {
    return this.all('keys', this.#modules.keys.snapshot, this.#keyUses);
  }

  /** Where the uses of all keys are counted. */
  get #keyUses(): SharedKeyUses {
    const { keys, keyUses } = this.#modules;
    const { keys: made, ofFile } = keys.snapshot;
    return keyUses.share([...made, ...ofFile].map(({ name }) => name));
  }

  #start(thread: number): void {
    const { config, isTextLog, logPipeline, recorder, pool, counters, limits, keys, prices, certificates } =
      this.#modules;
    const poolChannel = new PoolChannel((message) => running.send({ kind: 'pool', message }));
    const connection = logPipeline.isRecording
      ? recorder.connect(thread, (again) =>
          this.#running.get(thread)?.send({ kind: 'recorder', connection: again }, [again.port]),
        )
      : undefined;
    const startedMs = performance.now();
    const running: RunningThread = new RunningThread(
      {
        thread,
        threads: this.#count,
        config,
        isTextLog,
        recorder: connection,
        namedRequests: logPipeline.namedRequests,
        pool: pool.attachThread(thread, poolChannel),
        counters: counters.memoryOf(thread),
        limits: limits.memory,
        keys: keys.snapshot,
        keyUses: this.#keyUses,
        certificate: certificates.ingress?.files,
        prices: prices.stored,
      },
      connection ? [connection.port] : [],
      {
        received: (message) => {
          if (message.kind === 'pool') poolChannel.received(message.message);
          else if (message.kind === 'requests') takeReport(this.#modules, thread, message.report);
          else this.#received(running, message);
        },
        ended: (problem) => this.#ended(thread, problem, performance.now() - startedMs),
      },
    );
    this.#running.set(thread, running);
  }

  #listen(thread: RunningThread): Promise<unknown> {
    const { dataServer, admin } = this.#modules;
    return thread.call('listen', dataServer.address.port, admin.address.port);
  }

  #received(thread: RunningThread, message: Exclude<FromDataThread, { kind: 'pool' | 'requests' }>): void {
    const { log, autoscaler, keys, prices, pathMissed, queue } = this.#modules;
    switch (message.kind) {
      case 'calls':
        for (const call of message.calls)
          answer(
            call,
            (operation, args) =>
              (queue[operation as QueueOperation] as (...values: readonly unknown[]) => unknown)(...args),
            (result) => thread.send({ kind: 'result', result }),
          );
        return;
      case 'line':
        return log.sink.write(message.line);
      case 'event':
        return log.recorder?.(message.event);
      case 'wake':
        return autoscaler.wake(message.deployment);
      case 'missedPath':
        return pathMissed(message.missed);
      case 'keysUsed':
        for (const [id, ms] of message.uses) keys.used(id, ms);
        return;
      case 'unpriced':
        return prices.unpriced.addAll(message.counts, message.requests);
      case 'result':
        return;
    }
  }

  /** A thread runs no more. Gives back what it held, and starts another one. */
  #ended(thread: number, problem: string, ranMs: number): void {
    const { log, pool, counters, limits, keyUses, autoscaler, recorder } = this.#modules;
    this.#running.delete(thread);
    pool.threadLost(thread);
    counters.lost(thread);
    limits.lost(thread);
    keyUses.lost(thread);
    autoscaler.lost(thread);
    recorder.disconnect(thread);
    if (this.#isStopping) return;
    if (!this.#isListening) return this.#failed(thread, problem);
    const failures = ranMs > STABLE_MS ? 0 : (this.#failures[thread] ?? 0);
    this.#failures[thread] = failures + 1;
    const pauseMs = backoffMs(failures, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    log.event('data_thread_lost', { thread, problem, again_in_ms: Math.round(pauseMs) });
    setTimeout(() => void this.#restart(thread), pauseMs).unref();
  }

  #failed(thread: number, problem: string): void {
    this.#problem ||= `data thread ${thread} cannot serve requests: ${problem}`;
  }

  async #restart(thread: number): Promise<void> {
    if (this.#isStopping) return;
    this.#start(thread);
    const { log } = this.#modules;
    try {
      await this.#listen(this.#running.get(thread)!);
      log.event('data_thread_back', { thread });
    } catch (error) {
      // It has ended again, or cannot listen; then it serves nothing.
      log.warn('data thread does not listen', { thread, problem: describe(error) });
      await this.#running.get(thread)?.terminate();
    }
  }
}
