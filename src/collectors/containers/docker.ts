// Processor time and memory of replicas in Docker containers, from the daemon's socket (DOCKER_SOCKET).
// Must stay true: a sampler of its own, since a daemon that hangs must not hold up the figures of other replicas.
// Only this file loads systeminformation, and only when a container is configured: it is large.
import { createRequire } from 'node:module';
import { Counters, type ContainerReading, type RawCounters } from './container-usage.ts';
import type { CollectedReplica } from '../processes/replica-processes.ts';
import type { CollectorReading, Collector } from '../runner.ts';

/** What is read of an answer; the daemon leaves out what its machine does not have. */
interface Stats {
  readonly id: string;
  readonly cpuStats?: {
    readonly cpu_usage?: { readonly total_usage?: number };
    readonly throttling_data?: { readonly throttled_time?: number };
  };
  readonly memoryStats?: { readonly usage?: number; readonly stats?: Readonly<Record<string, number>> };
}

const ask = (container: string): Promise<Stats[]> =>
  (
    createRequire(import.meta.url)('systeminformation') as typeof import('systeminformation')
  ).dockerContainerStats(container);

/** The figures in an answer, or `undefined` when it holds none: no such container, or one that does not run. */
export function figuresIn({ id, cpuStats, memoryStats }: Stats): RawCounters | undefined {
  const cpuNanos = cpuStats?.cpu_usage?.total_usage;
  const usage = memoryStats?.usage;
  if (cpuNanos === undefined || usage === undefined) return undefined;
  // The name of version 1 covers the groups below; version 2 always does.
  const inactive = memoryStats?.stats?.['total_inactive_file'] ?? memoryStats?.stats?.['inactive_file'] ?? 0;
  const throttledNanos = cpuStats?.throttling_data?.throttled_time;
  return {
    figures: {
      cpuSeconds: cpuNanos / 1e9,
      workingSetBytes: Math.max(0, usage - inactive),
      throttledSeconds: throttledNanos === undefined ? undefined : throttledNanos / 1e9,
    },
    source: 'docker',
    of: id,
    onFall: 'restart',
  };
}

export class DockerContainers implements Collector<ContainerReading[]> {
  readonly name = 'docker';
  readonly #replicas: () => readonly CollectedReplica[];
  readonly #counters = new Counters();

  constructor(replicas: () => readonly CollectedReplica[]) {
    this.#replicas = replicas;
  }

  async sample(): Promise<CollectorReading<ContainerReading[]>> {
    const replicas = this.#replicas().filter(({ container }) => container.docker !== '');
    this.#counters.keep(replicas);
    const problems: string[] = [];
    const readings = await Promise.all(
      replicas.map(async (replica) => {
        const { docker } = replica.container;
        const [stats] = await ask(docker);
        const raw = stats && figuresIn(stats);
        if (!raw) problems.push(`${replica.id}: Docker tells nothing of container ${docker}`);
        return raw && this.#counters.add(replica, raw);
      }),
    );
    return {
      value: replicas.length === 0 ? undefined : readings.filter((reading) => reading !== undefined),
      problem: problems.join('; '),
      askSoon: false,
    };
  }
}
