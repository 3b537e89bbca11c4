// Assigns GPUs to replicas, and joins the readings of nvidia-smi with its inventory of MIG slices and processes.
// Invariant: a GPU is assigned to a replica only if it is configured, if a process of the replica uses it, or if there
// is only one replica; and no longer once an inventory lists no process of a replica that had one before.
//
// Label: the index of the card as nvidia-smi prints it (`0`). Under MIG, each slice has its own label of card and
// device number (`0:1`, as in container runtimes), and the card as a whole has none.
//
// Memory of a replica: the value of the card. If the card has none (unified memory), or if other processes use it too,
// the memory of the replica's processes. If the driver does not report that, the value of the card.
import { NvidiaInventory } from './nvidia-inventory.ts';
import type { GpuProcess, InventoryCard } from './nvidia-cards.ts';
import type { CardReading } from './nvidia-smi.ts';
import { keyOf, type ReplicaProcesses, type CollectedReplica } from '../processes/replica-processes.ts';
import type { CollectorReading, Collector } from '../runner.ts';

/** Memory and utilization of a card or a slice. */
export interface GpuFigures {
  /** The label, see above. */
  readonly gpu: string;
  readonly memoryUsedMiB: number | undefined;
  /** Of the whole card or slice; `undefined` before the first inventory. */
  readonly memoryTotalMiB: number | undefined;
  /** 0 to 100. */
  readonly utilizationPercent: number | undefined;
}

/** Memory and utilization of a card or a slice that a replica uses. */
export interface GpuReading extends GpuFigures {
  /** Index of the replica's deployment. */
  readonly deployment: number;
  readonly replica: string;
}

/** A card without MIG, or a slice: the unit that is assigned to replicas. */
export interface GpuPart extends GpuFigures {
  /** Names that a configuration may use: the label, the index of the card, UUIDs. */
  readonly names: readonly string[];
  readonly processes: readonly GpuProcess[];
}

/**
 * The parts of all cards. A card under MIG whose slices are unknown has none, since its values would belong to several
 * replicas.
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
          memoryTotalMiB: known?.memoryTotalMiB,
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
        memoryTotalMiB: slice.memoryTotalMiB,
        utilizationPercent: undefined,
        processes: slice.processes,
      };
    });
  });
}

/** Total memory of processes; `undefined` if there are none, or if the memory of one of them is unknown. */
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
   * Replica → label of a GPU → ids of the replica's processes on it in the last inventory. A replica whose processes
   * were never on a GPU is missing; one whose processes ended has an empty map.
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

  async collect(signal: AbortSignal): Promise<CollectorReading<readonly InventoryCard[]>> {
    const reading = await this.#inventory.collect(signal);
    if (reading.value) await this.assign(reading.value);
    return reading;
  }

  kill = (): void => this.#inventory.kill();

  /** The GPUs of each replica, with the last readings. `inventory`: the last one that is not too old. */
  readings(inventory: readonly InventoryCard[]): GpuReading[] {
    const parts = this.#parts(inventory);
    const replicas = this.#replicas();
    const isOnly = replicas.length === 1;
    return replicas.flatMap((replica) => {
      const seen = this.#seen.get(keyOf(replica));
      return parts
        .filter((part) => isUsedBy(replica, part, seen, isOnly))
        .map((part) => ({
          deployment: replica.deployment,
          replica: replica.id,
          gpu: part.gpu,
          memoryUsedMiB: memoryFor(part, seen?.get(part.gpu), isOnly),
          memoryTotalMiB: part.memoryTotalMiB,
          utilizationPercent: part.utilizationPercent,
        }));
    });
  }

  /** All cards and slices, whichever processes use them. */
  figures(inventory: readonly InventoryCard[]): readonly GpuFigures[] {
    return this.#parts(inventory);
  }

  #parts(inventory: readonly InventoryCard[]): GpuPart[] {
    return partsOf(this.#cards(), inventory, this.#underMig);
  }

  /** Finds the GPUs that the replicas' processes use. */
  async assign(inventory: readonly InventoryCard[]): Promise<void> {
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
      // In a pid namespace other than the driver's no process is ever found, so a first empty result means nothing.
      if (own.size > 0 || this.#seen.has(key)) this.#seen.set(key, own);
    }
  }
}

/** `seen`: the GPUs that the replica's processes use, and the ids of these processes. */
function isUsedBy(
  { gpus }: CollectedReplica,
  part: GpuPart,
  seen: ReadonlyMap<string, ReadonlySet<number>> | undefined,
  isOnly: boolean,
): boolean {
  if (gpus.length > 0) return seen?.size !== 0 && gpus.some((name) => part.names.includes(name));
  return seen?.has(part.gpu) ?? isOnly;
}

/** `own`: ids of the replica's processes on this part; `undefined` if none were ever found. */
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
