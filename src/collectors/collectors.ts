// The door of the room: figures that nobody sends us, read beside the traffic and kept for the scrape.
// Must stay true: a scrape reads memory only; one sampler that fails or hangs harms neither another nor the page.
import type { Logger } from '../core/logger.ts';
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
export type { ContainerOptions, CollectedReplica } from './processes/replica-processes.ts';
export type { CollectorStats } from './runner.ts';

/** weir's own start comes first. */
const FIRST_RUN_MS = 500;
/** A replica that is not there yet is looked for this often. */
const RETRY_MS = 1000;
/** What SIGKILL does not end in this time is stuck in the kernel: nobody can wait for that. */
const STOP_MS = 2000;

const THIS_MACHINE: Machine = { proc: '/proc', root: '' };

/** What others tell the samplers. */
export interface CollectorDeps {
  /** All replicas as they are now. */
  readonly replicas: () => readonly CollectedReplica[];
  /** The supervised process, if there is one. */
  readonly childPid: () => number | undefined;
  /** Called when the process of a replica on this machine has ended. */
  readonly processEnded: (process: EndedProcess) => void;
}

export class Collectors {
  readonly name = 'samplers';
  readonly #containers: CollectorRunner<ContainerReading[]> | undefined;
  readonly #docker: CollectorRunner<ContainerReading[]> | undefined;
  readonly #stream: NvidiaSmiStream | undefined;
  readonly #inventory: CollectorRunner<readonly InventoryCard[]> | undefined;
  readonly #gpus: Gpus | undefined;
  readonly #watch: ExitWatch | undefined;
  readonly #looks: CollectorRunner<number> | undefined;

  constructor(
    options: CollectorsOptions,
    { replicas, childPid, processEnded }: CollectorDeps,
    log: Logger,
    machine = THIS_MACHINE,
  ) {
    const processes = new ReplicaProcesses(machine, childPid);
    const runs = (intervalMs: number) => ({
      intervalMs,
      timeoutMs: options.timeout,
      maxAgeMs: options.max_age,
      retryMs: RETRY_MS,
    });
    if (options.container) {
      const every = runs(options.container_interval);
      this.#containers = new CollectorRunner(new ContainerUsage(machine, processes, replicas), every, log);
      this.#docker = new CollectorRunner(new DockerContainers(replicas), every, log);
    }
    if (options.gpu) {
      const stream = new NvidiaSmiStream(
        { intervalMs: options.gpu_interval, timeoutMs: options.timeout, maxAgeMs: options.max_age },
        log,
        () => this.#inventory?.runSoon(),
      );
      this.#stream = stream;
      this.#gpus = new Gpus(machine.proc, () => stream.cards(), replicas, processes);
      this.#inventory = new CollectorRunner(this.#gpus, runs(options.gpu_inventory_interval), log);
    }
    if (options.process_interval > 0) {
      const ended = (process: EndedProcess) => {
        processEnded(process);
        this.#inventory?.runSoon();
      };
      this.#watch = new ExitWatch(processes, replicas, ended);
      this.#looks = new CollectorRunner(this.#watch, runs(options.process_interval), log);
    }
  }

  /** A replica has become ready: searches for its process at once. */
  replicaReady(): void {
    this.#watch?.searchAgain();
    this.#looks?.runSoon();
  }

  /** Begins to read; nothing is waited for. */
  start(): void {
    for (const runner of this.#runners()) runner.start(FIRST_RUN_MS);
    this.#stream?.start();
    if (this.#gpus) process.on('exit', this.#gpus.kill);
  }

  /** Ends all reading and every process that was started for it. */
  async stop(deadlineMs: number): Promise<void> {
    const latestMs = Math.min(deadlineMs, performance.now() + STOP_MS);
    const ended = this.#runners().map((runner) => runner.stop());
    if (this.#stream) ended.push(this.#stream.stop(latestMs));
    if (this.#gpus) {
      process.off('exit', this.#gpus.kill);
      this.#gpus.kill();
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, latestMs - performance.now()));
    });
    await Promise.race([Promise.all(ended), late]);
    clearTimeout(timer);
  }

  /** Processor time and memory of every replica that could be read. */
  containers(): readonly ContainerReading[] {
    return [...(this.#containers?.last() ?? []), ...(this.#docker?.last() ?? [])];
  }

  /** Every replica's GPUs. */
  gpus(): readonly GpuReading[] {
    return this.#gpus?.readings(this.#inventory?.last() ?? []) ?? [];
  }

  /** Each GPU, and under MIG each slice. */
  gpuFigures(): readonly GpuFigures[] {
    return this.#gpus?.figures(this.#inventory?.last() ?? []) ?? [];
  }

  /** How the samplers themselves do. */
  stats(): readonly CollectorStats[] {
    const stats = this.#runners().map((runner) => runner.stats());
    return this.#stream ? [...stats, this.#stream.stats()] : stats;
  }

  #runners(): CollectorRunner<unknown>[] {
    return [this.#containers, this.#docker, this.#inventory, this.#looks].filter(
      (runner) => runner !== undefined,
    );
  }
}
