// The collectors: they read CPU, memory, GPUs and processes of the replicas on timers, and keep the values for a
// scrape.
// Invariant: a scrape reads memory only; a collector that fails or hangs affects no other one.
import type { Logger } from '../core/logger.ts';
import { waitAtMost } from '../core/wait.ts';
import { ContainerUsage, type ContainerReading } from './containers/container-usage.ts';
import { DockerContainers } from './containers/docker.ts';
import { Gpus, type GpuFigures, type GpuReading } from './gpu/gpus.ts';
import { NvidiaSmiStream } from './gpu/nvidia-smi.ts';
import type { InventoryCard } from './gpu/nvidia-cards.ts';
import type { CollectorsOptions } from './options.ts';
import { ExitWatch, type EndedProcess } from './processes/exit-watch.ts';
import { ReplicaProcesses, type Machine, type CollectedReplica } from './processes/replica-processes.ts';
import { CollectorRunner, type CollectorStats } from './runner.ts';

export type { ContainerReading } from './containers/container-usage.ts';
export type { GpuFigures, GpuReading } from './gpu/gpus.ts';
export type { EndedProcess } from './processes/exit-watch.ts';
export type { CollectedReplica } from './processes/replica-processes.ts';
export type { CollectorStats } from './runner.ts';

/** Wait before the first run, so that weir starts first. */
const FIRST_RUN_MS = 500;
/** Interval while a replica on this machine has not started yet. */
const RETRY_MS = 1000;
/** Longest wait for child processes after SIGKILL. One that is stuck in the kernel does not end. */
const STOP_MS = 2000;

const THIS_MACHINE: Machine = { proc: '/proc', root: '' };

/** What collectors need from other modules. */
export interface CollectorDeps {
  /** The current replicas. */
  readonly replicas: () => readonly CollectedReplica[];
  /** Process id of the supervised replica, if there is one. */
  readonly childPid: () => number | undefined;
  /** Called when the process of a replica on this machine ended. */
  readonly processEnded: (process: EndedProcess) => void;
}

export class Collectors {
  readonly name = 'collectors';
  readonly #containers: CollectorRunner<ContainerReading[]> | undefined;
  readonly #docker: CollectorRunner<ContainerReading[]> | undefined;
  readonly #smiStream: NvidiaSmiStream | undefined;
  readonly #inventory: CollectorRunner<readonly InventoryCard[]> | undefined;
  readonly #gpus: Gpus | undefined;
  readonly #exitWatch: ExitWatch | undefined;
  readonly #exitRunner: CollectorRunner<number> | undefined;

  constructor(
    options: CollectorsOptions,
    { replicas, childPid, processEnded }: CollectorDeps,
    log: Logger,
    machine = THIS_MACHINE,
  ) {
    const processes = new ReplicaProcesses(machine, childPid);
    const every = (intervalMs: number) => ({
      intervalMs,
      timeoutMs: options.timeout,
      maxAgeMs: options.max_age,
      retryMs: RETRY_MS,
    });
    if (options.container) {
      const runnerOptions = every(options.container_interval);
      this.#containers = new CollectorRunner(
        new ContainerUsage(machine, processes, replicas),
        runnerOptions,
        log,
      );
      this.#docker = new CollectorRunner(new DockerContainers(replicas), runnerOptions, log);
    }
    if (options.gpu) {
      const stream = new NvidiaSmiStream(
        { intervalMs: options.gpu_interval, timeoutMs: options.timeout, maxAgeMs: options.max_age },
        log,
        () => this.#inventory?.runSoon(),
      );
      this.#smiStream = stream;
      this.#gpus = new Gpus(machine.proc, () => stream.cards(), replicas, processes);
      this.#inventory = new CollectorRunner(this.#gpus, every(options.gpu_inventory_interval), log);
    }
    if (options.process_interval > 0) {
      const ended = (process: EndedProcess) => {
        processEnded(process);
        this.#inventory?.runSoon();
      };
      this.#exitWatch = new ExitWatch(processes, replicas, ended);
      this.#exitRunner = new CollectorRunner(this.#exitWatch, every(options.process_interval), log);
    }
  }

  /** Called when a replica became ready: searches for its process at once. */
  replicaReady(): void {
    this.#exitWatch?.searchAgain();
    this.#exitRunner?.runSoon();
  }

  /** Starts all collectors, without waiting for their first reading. */
  start(): void {
    for (const runner of this.#runners()) runner.start(FIRST_RUN_MS);
    this.#smiStream?.start();
    if (this.#gpus) process.on('exit', this.#gpus.kill);
  }

  /** Stops all collectors and ends their child processes. Returns by `deadlineMs` (performance.now()). */
  async stop(deadlineMs: number): Promise<void> {
    const latestMs = Math.min(deadlineMs, performance.now() + STOP_MS);
    const ended = this.#runners().map((runner) => runner.stop());
    if (this.#smiStream) ended.push(this.#smiStream.stop(latestMs));
    if (this.#gpus) {
      process.off('exit', this.#gpus.kill);
      this.#gpus.kill();
    }
    await waitAtMost(latestMs - performance.now(), Promise.all(ended));
  }

  /** CPU and memory of each replica that could be read. */
  containers(): readonly ContainerReading[] {
    return [...(this.#containers?.last() ?? []), ...(this.#docker?.last() ?? [])];
  }

  /** The GPUs of each replica. */
  gpus(): readonly GpuReading[] {
    return this.#gpus?.readings(this.#inventory?.last() ?? []) ?? [];
  }

  /** Each GPU; under MIG, each slice. */
  gpuFigures(): readonly GpuFigures[] {
    return this.#gpus?.figures(this.#inventory?.last() ?? []) ?? [];
  }

  /** State of each collector. */
  stats(): readonly CollectorStats[] {
    const stats = this.#runners().map((runner) => runner.stats());
    return this.#smiStream ? [...stats, this.#smiStream.stats()] : stats;
  }

  #runners(): CollectorRunner<unknown>[] {
    return [this.#containers, this.#docker, this.#inventory, this.#exitRunner].filter(
      (runner) => runner !== undefined,
    );
  }
}
