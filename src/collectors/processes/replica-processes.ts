// Which processes a replica consists of: a root process, and its control group where that holds nobody else.
// Must stay true: the same answer serves processor time, memory and the question whose GPU it is.
import { CgroupPaths, isAlone, processesIn, type CgroupPath } from '../containers/cgroup-path.ts';
import { isOwnAddress, PortOwners } from './port-owner.ts';
import {
  isAlive,
  readProcess,
  readProcesses,
  treeOf,
  type Process,
  type ProcessTable,
} from './process-table.ts';

/** Where to look for a replica's figures. */
export interface ContainerOptions {
  /** `auto`: its process's group when it is alone in it. Empty: no group. Else a group's path. */
  readonly cgroup: string;
  /** Its process; 0: find it. */
  readonly pid: number;
  /** The name or id of its Docker container; empty: none. */
  readonly docker: string;
}

/** A replica as the samplers know it. */
export interface CollectedReplica {
  /** The index of its deployment. */
  readonly deployment: number;
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** GPUs that are its own, as configured: indices, `0:1` for MIG slices, or UUIDs. Empty: find out. */
  readonly gpus: readonly string[];
  readonly container: ContainerOptions;
}

/** What a replica consists of. One of `root` and `group` is there, or both. */
export interface ReplicaRoot {
  readonly replica: CollectedReplica;
  readonly root: Process | undefined;
  /** A group that is the replica's alone, or that was configured to be. */
  readonly group: CgroupPath | undefined;
  /** What was configured and is not there; empty when all is well. */
  readonly problem: string;
}

/** Names a replica in maps. */
export const keyOf = ({ deployment, id }: { deployment: number; id: string }): string =>
  `${deployment} ${id}`;

/** Where processes and groups are read: the real machine, or a folder that plays it. */
export interface Machine {
  readonly proc: string;
  /** Stands before mount points; '' for the real file system. */
  readonly root: string;
}

export class ReplicaProcesses {
  readonly #machine: Machine;
  readonly #places: CgroupPaths;
  readonly #listeners: PortOwners;
  readonly #childPid: () => number | undefined;

  constructor(machine: Machine, childPid: () => number | undefined) {
    this.#machine = machine;
    this.#places = new CgroupPaths(machine.proc, machine.root);
    this.#listeners = new PortOwners(machine.proc);
    this.#childPid = childPid;
  }

  /** The process table, read at most once for whoever shares the returned function. */
  table(): () => Promise<ProcessTable> {
    let reading: Promise<ProcessTable> | undefined;
    return () => (reading ??= readProcesses(this.#machine.proc));
  }

  /** Finds all replicas at once: a group that two of them share is nobody's. */
  async find(
    replicas: readonly CollectedReplica[],
    table: () => Promise<ProcessTable>,
  ): Promise<ReplicaRoot[]> {
    this.#listeners.keep(replicas);
    const isOnly = replicas.length === 1;
    const roots = await Promise.all(replicas.map((replica) => this.#rootOf(replica, isOnly, table)));
    const names = await Promise.all(
      roots.map(async (root) => root && (await this.#places.namesOf(root.pid))),
    );
    const own = await this.#places.namesOf('self');
    return Promise.all(
      replicas.map(async (replica, i): Promise<ReplicaRoot> => {
        const root = roots[i];
        const { cgroup, pid } = replica.container;
        if (cgroup !== 'auto' && cgroup !== '') {
          return { replica, root, group: await this.#places.placeAt(cgroup), problem: '' };
        }
        const mine = names[i];
        const others = [own, ...names.filter((_, j) => j !== i && roots[j]?.pid !== root?.pid)];
        const isOwn =
          mine &&
          isAlone(
            mine,
            others.filter((other) => other !== undefined),
          );
        const group =
          cgroup === 'auto' && root && isOwn ? await this.#places.placeOf(root.pid, mine) : undefined;
        return { replica, root, group, problem: pid > 0 && !root ? `no process ${pid}` : '' };
      }),
    );
  }

  /** The numbers of a replica's processes. */
  async pidsOf({ root, group }: ReplicaRoot, table: () => Promise<ProcessTable>): Promise<Set<number>> {
    const pids = group ? await processesIn(group) : new Set<number>();
    if (root) for (const { pid } of treeOf(root.pid, await table())) pids.add(pid);
    return pids;
  }

  /**
   * The process of a replica on this machine, or `undefined` if none is found: the configured one, else the one that listens
   * on its port. Without a `table` there is no search: the result is the one found before, if it still runs.
   */
  async serverOf(
    { host, port, container }: CollectedReplica,
    table: (() => Promise<ProcessTable>) | undefined,
  ): Promise<Process | undefined> {
    if (container.pid > 0) return this.#alive(container.pid);
    if (!isOwnAddress(host)) return undefined;
    return table ? this.#listeners.find(host, port, table) : this.#listeners.known(host, port);
  }

  async #rootOf(
    replica: CollectedReplica,
    isOnly: boolean,
    table: () => Promise<ProcessTable>,
  ): Promise<Process | undefined> {
    // With several replicas the command is what starts them: each is found by its port.
    const child = isOnly && replica.container.pid === 0 ? this.#childPid() : undefined;
    return child === undefined ? this.serverOf(replica, table) : this.#alive(child);
  }

  async #alive(pid: number): Promise<Process | undefined> {
    const process = await readProcess(this.#machine.proc, pid);
    return process && isAlive(process) ? process : undefined;
  }
}
