// Processor time and memory of every replica, from the first source that fits: a configured control group, the group of
// its process where nobody else is in it, the tree of its processes.
// Must stay true: what cannot be read of one replica takes nothing from another; counters never go down.
// Does not belong here: replicas in Docker containers (docker.ts), whose daemon may hang on its own.
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

/** The figures of one replica. */
export interface ContainerReading extends ContainerFigures {
  /** The index of the deployment. */
  readonly deployment: number;
  readonly replica: string;
  readonly source: UsageSource;
}

/** Figures with whose they are. */
export interface RawCounters {
  readonly figures: ContainerFigures;
  readonly source: UsageSource;
  readonly of: string;
  readonly onFall: CounterValues['onFall'];
}

/** The counters of replicas, kept from reading to reading. */
export class Counters {
  readonly #counters = new Map<string, { cpu: MonotonicCounter; throttled: MonotonicCounter }>();

  /** A reading whose counters go on from what was counted before. */
  add(replica: CollectedReplica, { figures, source, of, onFall }: RawCounters): ContainerReading {
    const key = keyOf(replica);
    const counters = this.#counters.get(key) ?? {
      cpu: new MonotonicCounter(),
      throttled: new MonotonicCounter(),
    };
    this.#counters.set(key, counters);
    const { cpuSeconds, workingSetBytes, throttledSeconds } = figures;
    const from = { kind: source, of, onFall };
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

  /** Forgets replicas that are gone. */
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
  readonly #counters = new Counters();

  constructor(machine: Machine, processes: ReplicaProcesses, replicas: () => readonly CollectedReplica[]) {
    this.#machine = machine;
    this.#processes = processes;
    this.#replicas = replicas;
  }

  async sample(): Promise<CollectorReading<ContainerReading[]>> {
    const replicas = this.#replicas().filter(({ container }) => container.docker === '');
    this.#counters.keep(replicas);
    const table = this.#processes.table();
    const found = await this.#processes.find(replicas, table);
    const readings: ContainerReading[] = [];
    const problems: string[] = [];
    let askSoon = false;
    for (const one of found) {
      if (one.problem !== '') problems.push(`${one.replica.id}: ${one.problem}`);
      const raw = await this.#read(one, table).catch((error: unknown) => {
        problems.push(`${one.replica.id}: ${describe(error)}`);
        return undefined;
      });
      if (raw) readings.push(this.#counters.add(one.replica, raw));
      // A replica of another machine never comes; one of this machine may be about to start.
      else if (isOwnAddress(one.replica.host)) askSoon = true;
    }
    return { value: readings, problem: problems.join('; '), askSoon };
  }

  async #read(
    { replica, root, group }: ReplicaRoot,
    table: () => Promise<ProcessTable>,
  ): Promise<RawCounters | undefined> {
    const figures = group && (await readCgroup(group.directories));
    if (figures)
      return { figures, source: `cgroup_v${group.directories.version}`, of: group.name, onFall: 'restart' };
    const { cgroup } = replica.container;
    // Who names a group wants its figures and no others.
    if (cgroup !== 'auto' && cgroup !== '') throw new Error(`no figures in the control group ${cgroup}`);
    const tree = root && (await readTree(this.#machine.proc, root.pid, await table()));
    return (
      tree && { figures: tree, source: 'process_tree', of: `${root.pid} ${root.started}`, onFall: 'loss' }
    );
  }
}
