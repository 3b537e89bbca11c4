// The GPUs of every replica: readings of the stream, slices of the inventory, and whose they are.
// Must stay true: a GPU is shown for a replica only when it was configured so, when one of the replica's processes is
// on it, or when there is no other replica that it could belong to; and no longer than until the first inventory that
// has none of the replica's processes after one that had.
//
// The label: the card's index as nvidia-smi prints it (`0`); under MIG each slice by itself, card and device number
// (`0:1`, as container runtimes name it), and not the card as a whole.
//
// The memory of a replica: the card's own figure. Where the card has none (unified memory), or where other processes
// are on the card too, the memory of the replica's own processes. Where the driver does not tell that, the card's own.
import { NvidiaInventory } from './nvidia-inventory.ts';
import type { GpuProcess, InventoryCard } from './nvidia-cards.ts';
import type { CardReading } from './nvidia-smi.ts';
import { keyOf, type ReplicaProcesses, type CollectedReplica } from '../processes/replica-processes.ts';
import type { CollectorReading, Collector } from '../runner.ts';

/** The figures of a card or a slice. */
export interface GpuFigures {
  /** The label, as at the beginning of this file. */
  readonly gpu: string;
  readonly memoryUsedMiB: number | undefined;
  /** 0 to 100. */
  readonly utilizationPercent: number | undefined;
}

/** The figures of one GPU, or of one slice of it, for a replica. */
export interface GpuReading extends GpuFigures {
  /** The index of the replica's deployment. */
  readonly deployment: number;
  readonly replica: string;
}

/** A whole card or a slice: what can belong to a replica. */
export interface GpuPart extends GpuFigures {
  /** All that a configuration may call it: its label, its card's index, UUIDs. */
  readonly names: readonly string[];
  readonly processes: readonly GpuProcess[];
}

/**
 * The parts of all cards. Of a card that is known to be under MIG, while its slices are not known, there are none: its
 * figures would be those of several owners.
 */
export function partsOf(
  cards: readonly CardReading[],
  inventory: readonly InventoryCard[],
  underMig: ReadonlySet<string> = new Set(),
): GpuPart[] {
  return cards.flatMap(({ index, uuid, memoryUsedMiB, utilizationPercent }): GpuPart[] => {
    const known = inventory.find((card) => card.uuid === uuid);
    if (known === undefined && underMig.has(uuid)) return [];
    if (!known?.isMig || known.slices.length === 0)
      return [
        {
          gpu: index,
          names: [index, uuid],
          memoryUsedMiB,
          utilizationPercent,
          processes: known?.processes ?? [],
        },
      ];
    return known.slices.map((slice) => {
      const gpu = `${index}:${slice.index}`;
      const names = [gpu, index, uuid, ...(slice.uuid === undefined ? [] : [slice.uuid])];
      return {
        gpu,
        names,
        memoryUsedMiB: slice.memoryUsedMiB,
        utilizationPercent: undefined,
        processes: slice.processes,
      };
    });
  });
}

/** The memory of some processes together; `undefined` if there are none, or if one of them has no figure. */
function memoryOf(processes: readonly GpuProcess[]): number | undefined {
  let sum = 0;
  for (const { memoryUsedMiB } of processes) {
    if (memoryUsedMiB === undefined) return undefined;
    sum += memoryUsedMiB;
  }
  return processes.length === 0 ? undefined : sum;
}

export class Gpus implements Collector<readonly InventoryCard[]> {
  readonly name = 'gpu_inventory';
  readonly #inventory: NvidiaInventory;
  readonly #cards: () => readonly CardReading[];
  readonly #replicas: () => readonly CollectedReplica[];
  readonly #processes: ReplicaProcesses;
  /**
   * Replica → label of a GPU → numbers of the replica's processes on it in the last inventory. A replica whose processes
   * were never seen on a GPU is missing; one whose processes have gone has no GPUs.
   */
  readonly #seen = new Map<string, ReadonlyMap<string, ReadonlySet<number>>>();
  /** UUIDs of cards that were under MIG in the last inventory. */
  #underMig: ReadonlySet<string> = new Set();

  constructor(
    proc: string,
    cards: () => readonly CardReading[],
    replicas: () => readonly CollectedReplica[],
    processes: ReplicaProcesses,
  ) {
    this.#cards = cards;
    this.#replicas = replicas;
    this.#processes = processes;
    this.#inventory = new NvidiaInventory(proc, () => cards().length > 0);
  }

  async sample(signal: AbortSignal): Promise<CollectorReading<readonly InventoryCard[]>> {
    const sampled = await this.#inventory.sample(signal);
    if (sampled.value) await this.learn(sampled.value);
    return sampled;
  }

  kill = (): void => this.#inventory.kill();

  /** Every replica's GPUs by the last readings; `inventory` is the last one that is not too old. */
  readings(inventory: readonly InventoryCard[]): GpuReading[] {
    const parts = this.#parts(inventory);
    const replicas = this.#replicas();
    const isOnly = replicas.length === 1;
    return replicas.flatMap((replica) => {
      const seen = this.#seen.get(keyOf(replica));
      return parts
        .filter((part) => isOf(replica, part, seen, isOnly))
        .map((part) => ({
          deployment: replica.deployment,
          replica: replica.id,
          gpu: part.gpu,
          memoryUsedMiB: memoryFor(part, seen?.get(part.gpu), isOnly),
          utilizationPercent: part.utilizationPercent,
        }));
    });
  }

  /** The cards and slices themselves, independent of the processes on them. */
  figures(inventory: readonly InventoryCard[]): readonly GpuFigures[] {
    return this.#parts(inventory);
  }

  #parts(inventory: readonly InventoryCard[]): GpuPart[] {
    return partsOf(this.#cards(), inventory, this.#underMig);
  }

  /** Finds the GPUs on which the replicas' processes run. */
  async learn(inventory: readonly InventoryCard[]): Promise<void> {
    this.#underMig = new Set(
      inventory.filter((card) => card.isMig && card.slices.length > 0).map(({ uuid }) => uuid),
    );
    const replicas = this.#replicas();
    const wanted = new Set(replicas.map(keyOf));
    for (const key of this.#seen.keys()) if (!wanted.has(key)) this.#seen.delete(key);
    const used = partsOf(this.#cards(), inventory).filter(({ processes }) => processes.length > 0);
    if (used.length === 0) {
      for (const key of this.#seen.keys()) this.#seen.set(key, new Map());
      return;
    }
    const table = this.#processes.table();
    for (const found of await this.#processes.find(replicas, table)) {
      const pids = await this.#processes.pidsOf(found, table);
      const own = new Map<string, Set<number>>();
      for (const { gpu, processes } of used) {
        const here = processes.map(({ pid }) => pid).filter((pid) => pids.has(pid));
        if (here.length > 0) own.set(gpu, new Set(here));
      }
      const key = keyOf(found.replica);
      // In another pid namespace than the driver's no process is ever found, so that says nothing about the replica.
      if (own.size > 0 || this.#seen.has(key)) this.#seen.set(key, own);
    }
  }
}

/** `seen`: the GPUs on which its processes run, and the numbers of these processes. */
function isOf(
  { gpus }: CollectedReplica,
  part: GpuPart,
  seen: ReadonlyMap<string, ReadonlySet<number>> | undefined,
  isOnly: boolean,
): boolean {
  if (gpus.length > 0) return seen?.size !== 0 && gpus.some((name) => part.names.includes(name));
  return seen?.has(part.gpu) ?? isOnly;
}

/** `own`: numbers of the replica's processes there, if they were seen. */
function memoryFor(
  { memoryUsedMiB, processes }: GpuPart,
  own: ReadonlySet<number> | undefined,
  isOnly: boolean,
): number | undefined {
  const isShared = own !== undefined && processes.some(({ pid }) => !own.has(pid));
  if (memoryUsedMiB !== undefined && !isShared) return memoryUsedMiB;
  const counted = own !== undefined ? processes.filter(({ pid }) => own.has(pid)) : isOnly ? processes : [];
  return memoryOf(counted) ?? memoryUsedMiB;
}
