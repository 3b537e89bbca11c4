// Notices between two health probes that the process of a replica on this machine has ended.
// Invariant: checking a known process reads one small file. Unknown processes are searched rarely, since a search reads
// the sockets of the machine.
import { keyOf, type ReplicaProcesses, type CollectedReplica } from './replica-processes.ts';
import type { Process } from './process-table.ts';
import type { CollectorReading, Collector } from '../runner.ts';

/** Time between a failed search and the next one, in milliseconds. */
const SEARCH_MS = 10_000;

/** A replica whose process has ended. */
export interface EndedProcess {
  /** The index of the deployment. */
  readonly deployment: number;
  readonly replica: string;
}

/** Its value is the number of watched processes. */
export class ExitWatch implements Collector<number> {
  readonly name = 'process';
  readonly #processes: ReplicaProcesses;
  readonly #replicas: () => readonly CollectedReplica[];
  readonly #ended: (process: EndedProcess) => void;
  readonly #known = new Map<string, Process>();
  /** performance.now() of the last search for a replica's process. */
  readonly #searchedMs = new Map<string, number>();

  /** `ended` is called once for each process that ran at one check and does not at the next. */
  constructor(
    processes: ReplicaProcesses,
    replicas: () => readonly CollectedReplica[],
    ended: (process: EndedProcess) => void,
  ) {
    this.#processes = processes;
    this.#replicas = replicas;
    this.#ended = ended;
  }

  /** A replica has become ready, so its process runs now if it is on this machine. */
  searchAgain(): void {
    this.#searchedMs.clear();
  }

  async collect(): Promise<CollectorReading<number>> {
    const replicas = this.#replicas();
    const wanted = new Set(replicas.map(keyOf));
    for (const map of [this.#known, this.#searchedMs])
      for (const key of map.keys()) if (!wanted.has(key)) map.delete(key);
    const table = this.#processes.table();
    for (const replica of replicas) {
      const key = keyOf(replica);
      const before = this.#known.get(key);
      const isSearch = this.#isSearchDue(key, before !== undefined);
      const now = await this.#processes.serverOf(replica, isSearch ? table : undefined);
      if (now) this.#known.set(key, now);
      else this.#known.delete(key);
      const isSame = now?.pid === before?.pid && now?.started === before?.started;
      if (before && !isSame) this.#ended({ deployment: replica.deployment, replica: replica.id });
    }
    return { value: this.#known.size, problem: '', retrySoon: false };
  }

  #isSearchDue(key: string, isKnown: boolean): boolean {
    const nowMs = performance.now();
    if (isKnown || nowMs - (this.#searchedMs.get(key) ?? -Infinity) < SEARCH_MS) return false;
    this.#searchedMs.set(key, nowMs);
    return true;
  }
}
