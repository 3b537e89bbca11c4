// Finds the processes of a replica: its root process, and its control group if no other process uses it.
// Invariant: CPU, memory and GPU ownership are based on the same processes.
import { CgroupPaths, isExclusive, processesIn, type CgroupPath } from '../containers/cgroup-path.ts';
import { isOwnAddress, PortOwners } from './port-owner.ts';
import {
  isAlive,
  readProcess,
  readProcesses,
  treeOf,
  type Process,
  type ProcessTable,
} from './process-table.ts';

/** Settings of a replica that say where its CPU and memory are read. */
export interface ContainerOptions {
  /** `auto`: the group of its process, if no other process uses it. Empty: no group. Else the path of a group. */
  readonly cgroup: string;
  /** Process id. 0: it is found by the port. */
  readonly pid: number;
  /** Name or id of its Docker container, or empty. */
  readonly docker: string;
}

/** A replica that collectors read. */
export interface CollectedReplica {
  /** Index of its deployment. */
  readonly deployment: number;
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Configured GPUs: indices, `0:1` for MIG slices, or UUIDs. Empty: found by its processes. */
  readonly gpus: readonly string[];
  readonly container: ContainerOptions;
}

/** The processes of a replica, by their root, by their group, or by both. */
export interface ReplicaRoot {
  readonly replica: CollectedReplica;
  readonly root: Process | undefined;
  /** A group that only the replica uses, or the configured one. */
  readonly group: CgroupPath | undefined;
  /** Why a configured process was not found, or empty. */
  readonly problem: string;
}

/** Key of a replica in maps. */
export const keyOf = ({ deployment, id }: { deployment: number; id: string }): string =>
  `${deployment} ${id}`;

/** The folders that processes and groups are read from. Other folders in tests. */
export interface Machine {
  readonly proc: string;
  /** Prefix of mount points; '' for the real file system. */
  readonly root: string;
}

export class ReplicaProcesses {
  readonly #machine: Machine;
  readonly #cgroups: CgroupPaths;
  readonly #portOwners: PortOwners;
  readonly #childPid: () => number | undefined;

  constructor(machine: Machine, childPid: () => number | undefined) {
    this.#machine = machine;
    this.#cgroups = new CgroupPaths(machine.proc, machine.root);
    this.#portOwners = new PortOwners(machine.proc);
    this.#childPid = childPid;
  }

  /** Returns a function that reads the process table at its first call and returns the same table later. */
  table(): () => Promise<ProcessTable> {
    let reading: Promise<ProcessTable> | undefined;
    return () => (reading ??= readProcesses(this.#machine.proc));
  }

  /** Finds the processes of all replicas. A group that two of them share is used for neither. */
  async find(
    replicas: readonly CollectedReplica[],
    table: () => Promise<ProcessTable>,
  ): Promise<ReplicaRoot[]> {
    this.#portOwners.keep(replicas);
    const isOnly = replicas.length === 1;
    const roots = await Promise.all(replicas.map((replica) => this.#rootOf(replica, isOnly, table)));
    const names = await Promise.all(
      roots.map(async (root) => root && (await this.#cgroups.namesOf(root.pid))),
    );
    const own = await this.#cgroups.namesOf('self');
    return Promise.all(
      replicas.map(async (replica, i): Promise<ReplicaRoot> => {
        const root = roots[i];
        const { cgroup, pid } = replica.container;
        if (cgroup !== 'auto' && cgroup !== '') {
          return { replica, root, group: await this.#cgroups.pathAt(cgroup), problem: '' };
        }
        const groups = names[i];
        const others = [own, ...names.filter((_, j) => j !== i && roots[j]?.pid !== root?.pid)];
        const isExclusiveGroup =
          groups &&
          isExclusive(
            groups,
            others.filter((other) => other !== undefined),
          );
        const group =
          cgroup === 'auto' && root && isExclusiveGroup
            ? await this.#cgroups.pathOf(root.pid, groups)
            : undefined;
        return {
          replica,
          root,
          group,
          problem: pid > 0 && !root ? `the configured process ${pid} does not run` : '',
        };
      }),
    );
  }

  /** Ids of a replica's processes. */
  async pidsOf({ root, group }: ReplicaRoot, table: () => Promise<ProcessTable>): Promise<Set<number>> {
    const pids = group ? await processesIn(group) : new Set<number>();
    if (root) for (const { pid } of treeOf(root.pid, await table())) pids.add(pid);
    return pids;
  }

  /**
   * The configured process of a replica, else the process that listens on its port; `undefined` if there is none.
   * Without `table` nothing is searched: the result is the process that an earlier search found, if it still runs.
   */
  async serverOf(
    { host, port, container }: CollectedReplica,
    table: (() => Promise<ProcessTable>) | undefined,
  ): Promise<Process | undefined> {
    if (container.pid > 0) return this.#alive(container.pid);
    if (!isOwnAddress(host)) return undefined;
    return table ? this.#portOwners.find(host, port, table) : this.#portOwners.known(host, port);
  }

  async #rootOf(
    replica: CollectedReplica,
    isOnly: boolean,
    table: () => Promise<ProcessTable>,
  ): Promise<Process | undefined> {
    // With several replicas, the supervised process is the parent of all of them, so each is found by its port.
    const child = isOnly && replica.container.pid === 0 ? this.#childPid() : undefined;
    return child === undefined ? this.serverOf(replica, table) : this.#alive(child);
  }

  async #alive(pid: number): Promise<Process | undefined> {
    const process = await readProcess(this.#machine.proc, pid);
    return process && isAlive(process) ? process : undefined;
  }
}
