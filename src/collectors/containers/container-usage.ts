// Collects CPU and memory of each replica from the first source that exists: the configured control group, the control
// group of its process if no other process uses it, or the tree of its processes. Docker containers: see docker.ts.
// Invariant: a failure for one replica does not affect another; counters never decrease.
import { describe } from '../../core/errors.ts';
import { readCgroup, type ContainerFigures } from './cgroup.ts';
import { MonotonicCounter, type CounterValues } from '../monotonic-counter.ts';
import type { ProcessTable } from '../processes/process-table.ts';
import { readTree } from '../processes/process-tree.ts';
import { isOwnAddress } from '../processes/port-owner.ts';
import {
  keyOf,
  type ReplicaRoot,
  type Machine,
  type ReplicaProcesses,
  type CollectedReplica,
} from '../processes/replica-processes.ts';
import type { CollectorReading, Collector } from '../runner.ts';

export type UsageSource = 'cgroup_v2' | 'cgroup_v1' | 'process_tree' | 'docker';

/** CPU and memory of one replica. */
export interface ContainerReading extends ContainerFigures {
  /** Index of the deployment. */
  readonly deployment: number;
  readonly replica: string;
  readonly source: UsageSource;
}

/** Values of one source, before they are made monotonic. */
export interface RawCounters {
  readonly figures: ContainerFigures;
  readonly source: UsageSource;
  readonly owner: string;
  readonly onDecrease: CounterValues['onDecrease'];
}

/** The monotonic counters of all replicas. */
export class ContainerCounters {
  readonly #counters = new Map<string, { cpu: MonotonicCounter; throttled: MonotonicCounter }>();

  /** Makes a reading whose counters continue the earlier readings of the replica. */
  add(replica: CollectedReplica, { figures, source, owner, onDecrease }: RawCounters): ContainerReading {
    const key = keyOf(replica);
    const counters = this.#counters.get(key) ?? {
      cpu: new MonotonicCounter(),
      throttled: new MonotonicCounter(),
    };
    this.#counters.set(key, counters);
    const { cpuSeconds, workingSetBytes, throttledSeconds } = figures;
    const from = { kind: source, owner, onDecrease };
    return {
      deployment: replica.deployment,
      replica: replica.id,
      source,
      cpuSeconds: counters.cpu.add({ ...from, value: cpuSeconds }),
      workingSetBytes,
      throttledSeconds:
        throttledSeconds === undefined
          ? undefined
          : counters.throttled.add({ ...from, value: throttledSeconds }),
    };
  }

  /** Removes the counters of all other replicas. */
  keep(replicas: readonly CollectedReplica[]): void {
    const wanted = new Set(replicas.map(keyOf));
    for (const key of this.#counters.keys()) if (!wanted.has(key)) this.#counters.delete(key);
  }
}

export class ContainerUsage implements Collector<ContainerReading[]> {
  readonly name = 'container';
  readonly #machine: Machine;
  readonly #processes: ReplicaProcesses;
  readonly #replicas: () => readonly CollectedReplica[];
  readonly #counters = new ContainerCounters();

  constructor(machine: Machine, processes: ReplicaProcesses, replicas: () => readonly CollectedReplica[]) {
    this.#machine = machine;
    this.#processes = processes;
    this.#replicas = replicas;
  }

  async collect(): Promise<CollectorReading<ContainerReading[]>> {
    const replicas = this.#replicas().filter(({ container }) => container.docker === '');
    this.#counters.keep(replicas);
    const table = this.#processes.table();
    const found = await this.#processes.find(replicas, table);
    const readings: ContainerReading[] = [];
    const problems: string[] = [];
    let retrySoon = false;
    for (const one of found) {
      if (one.problem !== '') problems.push(`${one.replica.id}: ${one.problem}`);
      const raw = await this.#read(one, table).catch((error: unknown) => {
        problems.push(`${one.replica.id}: ${describe(error)}`);
        return undefined;
      });
      if (raw) readings.push(this.#counters.add(one.replica, raw));
      // The process of a replica on this machine may be about to start.
      else if (isOwnAddress(one.replica.host)) retrySoon = true;
    }
    return { value: readings, problem: problems.join('; '), retrySoon };
  }

  async #read(
    { replica, root, group }: ReplicaRoot,
    table: () => Promise<ProcessTable>,
  ): Promise<RawCounters | undefined> {
    const figures = group && (await readCgroup(group.directories));
    if (figures)
      return {
        figures,
        source: `cgroup_v${group.directories.version}`,
        owner: group.name,
        onDecrease: 'restart',
      };
    const { cgroup } = replica.container;
    // No other source replaces a configured group.
    if (cgroup !== 'auto' && cgroup !== '')
      throw new Error(`cannot read CPU and memory of the configured control group ${cgroup}`);
    const tree = root && (await readTree(this.#machine.proc, root.pid, await table()));
    return (
      tree && {
        figures: tree,
        source: 'process_tree',
        owner: `${root.pid} ${root.started}`,
        onDecrease: 'loss',
      }
    );
  }
}
