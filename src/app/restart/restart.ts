// A restart without a gap: starts the next weir with the listening sockets of this one, gives it the data folder, and
// leaves once it accepts connections.
//
//   this weir                                 the next one
//   starts it with its sockets  ────────────► reads its configuration
//                               ◄── ready ─── wants the data folder
//   runs its tasks to their end
//   closes store, queue, admin server
//   (serves on; keeps ended requests) ──────► opens them
//                               ◄─ serving ── accepts connections from the same sockets
//   accepts none, lets its own end ─────────► records the requests that end here
//
// Invariant: at any moment one of the two accepts connections. If the next weir ends before it serves, this one serves on:
// before it has given up the data folder as if nothing had happened, afterwards with another attempt.
import { backoffMs } from '../../core/backoff.ts';
import { factsOfExchange } from '../../core/exchange/late-exchange.ts';
import type { InheritedSockets } from '../../core/inherited-sockets.ts';
import type { Lifecycle } from '../../core/lifecycle.ts';
import { belongsToFolder } from '../components.ts';
import type { Modules } from '../modules.ts';
import { NextWeir } from './next-weir.ts';
import { shareSockets, socketsOf } from './sockets.ts';
import { Successor, type StartCommand } from './successor.ts';

/** Longest time for the parts that give up the data folder to stop, in milliseconds. */
const STOP_MS = 10_000;
/** Pause before another attempt, once the data folder was given up. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** Longest wait at the end for the next weir to receive the last requests. */
const LAST_MS = 10_000;

export class Restart {
  readonly #modules: Modules;
  readonly #lifecycle: Lifecycle;
  readonly #command: StartCommand;
  readonly #inherited: InheritedSockets;
  readonly #handedOver = Promise.withResolvers<void>();
  #successor: Successor | undefined;
  #isReleased = false;
  #isStopping = false;
  #failures = 0;
  #next: NextWeir | undefined;

  /** `inherited`: the sockets that this weir was started with. */
  constructor(modules: Modules, lifecycle: Lifecycle, command: StartCommand, inherited: InheritedSockets) {
    this.#modules = modules;
    this.#lifecycle = lifecycle;
    this.#command = command;
    this.#inherited = inherited;
  }

  /** Resolves when the next weir accepts connections. */
  get handedOver(): Promise<void> {
    return this.#handedOver.promise;
  }

  /** Starts the next weir, unless that is under way. */
  request(): void {
    const { log } = this.#modules;
    if (this.#successor !== undefined || this.#isReleased) {
      log.warn('a restart is under way already');
      return;
    }
    if (this.#modules.threadCount > 1) {
      log.event('weir_restart_failed', {
        problem: 'threads is above 1, and the sockets of further threads cannot be passed on',
      });
      return;
    }
    // The end of process 1 ends its container, and with it the next weir.
    if (process.pid === 1) {
      log.event('weir_restart_failed', {
        problem: 'weir is process 1 of its container; start a new container instead',
      });
      return;
    }
    this.#start();
  }

  /** This weir stops. A next one that has not got the data folder is ended; another one goes on by itself. */
  stop(): void {
    this.#isStopping = true;
    if (!this.#isReleased) this.#successor?.cancel();
  }

  /** Waits until the next weir has received the last requests. */
  async end(): Promise<void> {
    if (this.#next === undefined) return;
    await this.#next.close(LAST_MS);
    if (this.#next.dropped > 0)
      this.#modules.log.error('log records lost', {
        why: 'the next weir did not take them',
        count: this.#next.dropped,
      });
  }

  #start(): void {
    const { log, counters } = this.#modules;
    this.#successor = new Successor(this.#command, socketsOf(this.#modules, this.#inherited), {
      ready: () => void this.#release(),
      serving: () => {
        log.event('weir_replaced', { pid: this.#successor!.pid, running: counters.open });
        this.#handedOver.resolve();
      },
      ended: (problem) => this.#failed(problem),
    });
    log.event('weir_restarting', { pid: this.#successor.pid });
  }

  /** Gives up the data folder. Clients are served on. */
  async #release(): Promise<void> {
    const successor = this.#successor!;
    if (!this.#isReleased) {
      const { queue, config } = this.#modules;
      // Tasks run to their end here, since the next weir would run them again.
      if (queue.isInFolder) await queue.settle(config.ingress.drain_timeout);
      if (this.#isStopping) return;
      this.#isReleased = true;
      await this.#releaseFolder();
    }
    successor.released();
  }

  async #releaseFolder(): Promise<void> {
    const { queue, queueOfRoutes, config, logPipeline, dataFolder, log } = this.#modules;
    log.flushEvents();
    if (dataFolder !== undefined) {
      const next = new NextWeir(config.data.dir);
      this.#next = next;
      logPipeline.handOver((exchange, deployment) =>
        next.record({
          facts: factsOfExchange(exchange),
          deployment: deployment && { id: deployment.id, environment: deployment.environment },
          bodies: exchange.bodyCapture?.take(),
        }),
      );
      if (queue.isInFolder) queueOfRoutes.handOver((operation, ...args) => next.call(operation, ...args));
    }
    shareSockets(this.#modules);
    await this.#lifecycle.stop(performance.now() + STOP_MS, (component) =>
      belongsToFolder(this.#modules, component),
    );
  }

  #failed(problem: string): void {
    const { log } = this.#modules;
    this.#successor = undefined;
    if (this.#isStopping) return;
    log.event('weir_restart_failed', { problem });
    if (!this.#isReleased) return;
    // Without the folder this weir can only serve on until the next one comes.
    const pauseMs = backoffMs(this.#failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    setTimeout(() => this.#start(), pauseMs).unref();
  }
}
