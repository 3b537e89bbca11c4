// Reads cards, MIG slices and processes from the parsed XML of `nvidia-smi -q -x` (nvsmi_device_v11.dtd to v13.dtd).
// Invariant: any input gives an inventory or `undefined`; a value that the driver does not report is absent, never 0.

/** A process on a card or a slice. */
export interface GpuProcess {
  readonly pid: number;
  /** `undefined` if the driver does not report it, as in some containers and under WSL. */
  readonly memoryUsedMiB: number | undefined;
}

/** A MIG device of a card. */
export interface MigSlice {
  /** MIG device number on the card. */
  readonly index: string;
  /** Few drivers report it. */
  readonly uuid: string | undefined;
  readonly memoryUsedMiB: number | undefined;
  readonly memoryTotalMiB: number | undefined;
  readonly processes: readonly GpuProcess[];
}

/** A card in the inventory. */
export interface InventoryCard {
  readonly uuid: string;
  readonly isMig: boolean;
  /** Of the whole card. */
  readonly memoryTotalMiB: number | undefined;
  readonly slices: readonly MigSlice[];
  /** Processes on the card, including those on its slices. */
  readonly processes: readonly GpuProcess[];
}

type Node = Readonly<Record<string, unknown>>;

/** Child elements with a name. xml2js returns one element as an object, several as an array, an empty one as text. */
function children(node: unknown, name: string): Node[] {
  const child = typeof node === 'object' && node !== null ? (node as Node)[name] : undefined;
  const list = Array.isArray(child) ? child : [child];
  return list.filter((item): item is Node => typeof item === 'object' && item !== null);
}

function textOf(node: unknown, name: string): string | undefined {
  const child = typeof node === 'object' && node !== null ? (node as Node)[name] : undefined;
  return typeof child === 'string' ? child.trim() : undefined;
}

/** '1200 MiB' → 1200; 'N/A', 'Insufficient Permissions' and the like → `undefined`. */
function mebibytes(text: string | undefined): number | undefined {
  const match = /^(\d+) MiB$/.exec(text ?? '');
  return match ? Number(match[1]) : undefined;
}

/** Memory of a card or a slice, by the name of the figure. */
const memoryIn = (node: Node, name: 'used' | 'total'): number | undefined =>
  mebibytes(textOf(children(node, 'fb_memory_usage')[0], name));

/** Returns `undefined` if the document is not one of nvidia-smi. */
export function parseInventory(tree: unknown): InventoryCard[] | undefined {
  const [log] = children(tree, 'nvidia_smi_log');
  if (log === undefined) return undefined;
  return children(log, 'gpu').flatMap((gpu) => {
    const uuid = textOf(gpu, 'uuid');
    return uuid === undefined || uuid === '' ? [] : [cardOf(gpu, uuid)];
  });
}

function cardOf(gpu: Node, uuid: string): InventoryCard {
  const seen = children(children(gpu, 'processes')[0], 'process_info')
    .map((info) => ({
      pid: Number(textOf(info, 'pid')),
      memoryUsedMiB: mebibytes(textOf(info, 'used_memory')),
      instance: instanceOf(info),
    }))
    .filter(({ pid }) => Number.isInteger(pid) && pid > 0);
  const slices = children(children(gpu, 'mig_devices')[0], 'mig_device').map((device): MigSlice => ({
    index: textOf(device, 'index') ?? '',
    uuid: textOf(device, 'uuid'),
    memoryUsedMiB: memoryIn(device, 'used'),
    memoryTotalMiB: memoryIn(device, 'total'),
    processes: withoutDuplicates(seen.filter(({ instance }) => instance === instanceOf(device))),
  }));
  return {
    uuid,
    isMig: textOf(children(gpu, 'mig_mode')[0], 'current_mig') === 'Enabled',
    memoryTotalMiB: memoryIn(gpu, 'total'),
    slices: slices.filter(({ index }) => /^\d+$/.test(index)),
    processes: withoutDuplicates(seen),
  };
}

/** One entry per process. nvidia-smi lists a process with compute and graphics work twice. */
function withoutDuplicates(processes: readonly GpuProcess[]): GpuProcess[] {
  const once = new Map<number, GpuProcess>();
  for (const { pid, memoryUsedMiB } of processes) {
    const known = once.get(pid)?.memoryUsedMiB;
    const most = Math.max(known ?? -1, memoryUsedMiB ?? -1);
    once.set(pid, { pid, memoryUsedMiB: most < 0 ? undefined : most });
  }
  return [...once.values()];
}

/** Identifies the MIG instance of a slice or a process. */
const instanceOf = (node: Node): string =>
  `${textOf(node, 'gpu_instance_id')} ${textOf(node, 'compute_instance_id')}`;
