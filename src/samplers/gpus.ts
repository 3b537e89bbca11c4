// The GPUs of every replica: readings of the stream, slices of the inventory, and whose they are.
// Must stay true: a GPU is shown for a replica only when it was configured so, when one of the replica's processes is
// on it, or when there is no other replica that it could belong to.
//
// The label: the card's index as nvidia-smi prints it (`0`); under MIG each slice by itself, card and device number
// (`0:1`, as container runtimes name it), and not the card as a whole.
import { NvidiaInventory } from './nvidia-inventory.ts';
import type { InventoryCard } from './nvidia-cards.ts';
import type { Card } from './nvidia-smi.ts';
import { keyOf, type ReplicaProcesses, type SampledReplica } from './replica-processes.ts';
import type { Sampled, Sampler } from './runner.ts';

/** What one GPU, or one slice of it, does for a replica. */
export interface GpuReading {
  readonly deployment: number;
  readonly replica: string;
  readonly gpu: string;
  readonly memoryUsedMiB: number | undefined;
  readonly utilizationPercent: number | undefined;
}

/** A whole card or a slice: what can belong to a replica. */
export interface GpuPart {
  readonly gpu: string;
  /** All that a configuration may call it: its label, its card's index, UUIDs. */
  readonly names: readonly string[];
  readonly memoryUsedMiB: number | undefined;
  readonly utilizationPercent: number | undefined;
  readonly pids: readonly number[];
}

/**
 * The parts of all cards. Of a card that is known to be under MIG, while its slices are not known, there are none: its
 * figures would be those of several owners.
 */
export function partsOf(
  cards: readonly Card[],
  inventory: readonly InventoryCard[],
  underMig: ReadonlySet<string> = new Set(),
): GpuPart[] {
  return cards.flatMap(({ index, uuid, memoryUsedMiB, utilizationPercent }): GpuPart[] => {
    const known = inventory.find((card) => card.uuid === uuid);
    if (known === undefined && underMig.has(uuid)) return [];
    if (!known?.isMig || known.slices.length === 0)
      return [
        { gpu: index, names: [index, uuid], memoryUsedMiB, utilizationPercent, pids: known?.pids ?? [] },
      ];
    return known.slices.map((slice) => {
      const gpu = `${index}:${slice.index}`;
      const names = [gpu, index, uuid, ...(slice.uuid === undefined ? [] : [slice.uuid])];
      return {
        gpu,
        names,
        memoryUsedMiB: slice.memoryUsedMiB,
        utilizationPercent: undefined,
        pids: slice.pids,
      };
    });
  });
}

export class Gpus implements Sampler<readonly InventoryCard[]> {
  readonly name = 'gpu_inventory';
  readonly #inventory: NvidiaInventory;
  readonly #cards: () => readonly Card[];
  readonly #replicas: () => readonly SampledReplica[];
  readonly #processes: ReplicaProcesses;
  /** Replica → labels of the GPUs on which its processes were seen last. It keeps them through a restart. */
  readonly #seen = new Map<string, ReadonlySet<string>>();
  /** UUIDs of cards that were under MIG in the last inventory. */
  #underMig: ReadonlySet<string> = new Set();

  constructor(
    proc: string,
    cards: () => readonly Card[],
    replicas: () => readonly SampledReplica[],
    processes: ReplicaProcesses,
  ) {
    this.#cards = cards;
    this.#replicas = replicas;
    this.#processes = processes;
    this.#inventory = new NvidiaInventory(proc, () => cards().length > 0);
  }

  async sample(signal: AbortSignal): Promise<Sampled<readonly InventoryCard[]>> {
    const sampled = await this.#inventory.sample(signal);
    if (sampled.value) await this.learn(sampled.value);
    return sampled;
  }

  kill = (): void => this.#inventory.kill();

  /** Every replica's GPUs by the last readings; `inventory` is the last one that is not too old. */
  readings(inventory: readonly InventoryCard[]): GpuReading[] {
    const parts = partsOf(this.#cards(), inventory, this.#underMig);
    const replicas = this.#replicas();
    return replicas.flatMap((replica) =>
      parts
        .filter((part) => this.#isOf(replica, part, replicas.length === 1))
        .map(({ gpu, memoryUsedMiB, utilizationPercent }) => ({
          deployment: replica.deployment,
          replica: replica.id,
          gpu,
          memoryUsedMiB,
          utilizationPercent,
        })),
    );
  }

  #isOf(replica: SampledReplica, part: GpuPart, isOnly: boolean): boolean {
    if (replica.gpus.length > 0) return replica.gpus.some((name) => part.names.includes(name));
    return this.#seen.get(keyOf(replica))?.has(part.gpu) ?? isOnly;
  }

  /** Looks on which GPUs the replicas' processes sit. */
  async learn(inventory: readonly InventoryCard[]): Promise<void> {
    this.#underMig = new Set(
      inventory.filter((card) => card.isMig && card.slices.length > 0).map(({ uuid }) => uuid),
    );
    const replicas = this.#replicas();
    const wanted = new Set(replicas.map(keyOf));
    for (const key of this.#seen.keys()) if (!wanted.has(key)) this.#seen.delete(key);
    const used = partsOf(this.#cards(), inventory).filter(({ pids }) => pids.length > 0);
    // In another pid namespace than the driver's the processes are not to be seen: nothing is learnt.
    if (used.length === 0 || replicas.every(({ gpus }) => gpus.length > 0)) return;
    const table = this.#processes.table();
    for (const found of await this.#processes.find(replicas, table)) {
      const pids = await this.#processes.pidsOf(found, table);
      const own = used.filter((part) => part.pids.some((pid) => pids.has(pid)));
      if (own.length > 0) this.#seen.set(keyOf(found.replica), new Set(own.map(({ gpu }) => gpu)));
    }
  }
}
