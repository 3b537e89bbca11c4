// Collects CPU and memory of replicas in Docker containers, from the socket of the Docker daemon (DOCKER_SOCKET).
// Invariant: a separate collector, so that a daemon that hangs does not delay the values of other replicas.
// Only this file loads systeminformation, and only if a container is configured, since it is large.
import { createRequire } from 'node:module';
import { ContainerCounters, type ContainerReading, type RawCounters } from './container-usage.ts';
import type { CollectedReplica } from '../processes/replica-processes.ts';
import type { CollectorReading, Collector } from '../runner.ts';

/** The used part of the daemon's response. Fields that the machine does not support are missing. */
interface DockerStats {
  readonly id: string;
  readonly cpuStats?: {
    readonly cpu_usage?: { readonly total_usage?: number };
    readonly throttling_data?: { readonly throttled_time?: number };
  };
  readonly memoryStats?: { readonly usage?: number; readonly stats?: Readonly<Record<string, number>> };
}

const readStats = (container: string): Promise<DockerStats[]> =>
  (
    createRequire(import.meta.url)('systeminformation') as typeof import('systeminformation')
  ).dockerContainerStats(container);

/** Returns `undefined` if the container does not exist or does not run. */
export function countersFrom({ id, cpuStats, memoryStats }: DockerStats): RawCounters | undefined {
  const cpuNanos = cpuStats?.cpu_usage?.total_usage;
  const usage = memoryStats?.usage;
  if (cpuNanos === undefined || usage === undefined) return undefined;
  // total_inactive_file (version 1) and inactive_file (version 2) include child groups.
  const inactive = memoryStats?.stats?.['total_inactive_file'] ?? memoryStats?.stats?.['inactive_file'] ?? 0;
  const throttledNanos = cpuStats?.throttling_data?.throttled_time;
  return {
    figures: {
      cpuSeconds: cpuNanos / 1e9,
      workingSetBytes: Math.max(0, usage - inactive),
      throttledSeconds: throttledNanos === undefined ? undefined : throttledNanos / 1e9,
    },
    source: 'docker',
    owner: id,
    onDecrease: 'restart',
  };
}

export class DockerContainers implements Collector<ContainerReading[]> {
  readonly name = 'docker';
  readonly #replicas: () => readonly CollectedReplica[];
  readonly #counters = new ContainerCounters();

  constructor(replicas: () => readonly CollectedReplica[]) {
    this.#replicas = replicas;
  }

  async collect(): Promise<CollectorReading<ContainerReading[]>> {
    const replicas = this.#replicas().filter(({ container }) => container.docker !== '');
    this.#counters.keep(replicas);
    const problems: string[] = [];
    const readings = await Promise.all(
      replicas.map(async (replica) => {
        const { docker } = replica.container;
        const [stats] = await readStats(docker);
        const raw = stats && countersFrom(stats);
        if (!raw) problems.push(`${replica.id}: Docker has no statistics of container ${docker}`);
        return raw && this.#counters.add(replica, raw);
      }),
    );
    return {
      value: replicas.length === 0 ? undefined : readings.filter((reading) => reading !== undefined),
      problem: problems.join('; '),
      retrySoon: false,
    };
  }
}
