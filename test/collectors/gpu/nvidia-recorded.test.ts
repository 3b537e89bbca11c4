// Reads output of nvidia-smi of driver 580 that was recorded on an H200 and an H100.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { Gpus } from '../../../src/collectors/gpu/gpus.ts';
import { parseInventory, type InventoryCard } from '../../../src/collectors/gpu/nvidia-cards.ts';
import { parseLine, type CardReading } from '../../../src/collectors/gpu/nvidia-smi.ts';
import {
  ReplicaProcesses,
  type CollectedReplica,
} from '../../../src/collectors/processes/replica-processes.ts';
import { removeFolders } from '../../kit/folder.ts';
import { machine, mountV2, stat } from '../../kit/machine.ts';

afterEach(removeFolders);

const recorded = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../fixtures/nvidia-smi/${name}`, import.meta.url)), 'utf8');

/** The parser that node-nvidia-smi uses, with its options. */
const xml2js = createRequire(createRequire(import.meta.url).resolve('node-nvidia-smi'))('xml2js') as {
  parseString(text: string, options: object, done: (error: Error | null, tree: unknown) => void): void;
};

/** The inventory in a recorded file, after `change` was applied to its text. */
function inventoryOf(name: string, change = (text: string) => text): InventoryCard[] {
  let cards: InventoryCard[] | undefined;
  xml2js.parseString(
    change(recorded(name)),
    { explicitArray: false, trim: true, async: false },
    (error, tree) => {
      if (error) throw error;
      cards = parseInventory(tree);
    },
  );
  return cards!;
}

/** The rows of a recorded CSV file, with the four columns of weir's query and without units. */
function linesOf(name: string): string[] {
  const [head, ...rows] = recorded(name)
    .trimEnd()
    .split('\n')
    .map((line) => line.split(', '));
  const columns = ['index', 'uuid', 'memory.used [MiB]', 'utilization.gpu [%]'].map((column) =>
    head!.indexOf(column),
  );
  return rows.map((row) => columns.map((at) => row[at]!.replace(/ (?:MiB|%)$/, '')).join(', '));
}

const H200 = 'GPU-00000000-1111-2222-3333-444444444444';

describe('recorded on an H200', () => {
  it('gives a reading per line of the streaming query', () => {
    const cards = linesOf('h200/stream.csv').map((line) => parseLine(line)!);
    expect(cards).toHaveLength(recorded('h200/stream.csv').trimEnd().split('\n').length - 1);
    expect(cards[0]).toEqual({ index: '0', uuid: H200, memoryUsedMiB: 3467, utilizationPercent: 21 });
    expect(new Set(cards.map(({ uuid }) => uuid))).toEqual(new Set([H200]));
    for (const { memoryUsedMiB, utilizationPercent } of cards) {
      expect(memoryUsedMiB).toBeGreaterThan(0);
      expect(utilizationPercent).toBeGreaterThanOrEqual(0);
    }
  });

  it('gives an inventory without processes while the card is idle', () => {
    expect(inventoryOf('h200/idle.xml')).toEqual([
      { uuid: H200, isMig: false, memoryTotalMiB: 143_771, slices: [], processes: [] },
    ]);
  });

  it('gives an inventory with the process and its memory under load', () => {
    expect(inventoryOf('h200/load.xml')).toEqual([
      {
        uuid: H200,
        isMig: false,
        memoryTotalMiB: 143_771,
        slices: [],
        processes: [{ pid: 1512, memoryUsedMiB: 3458 }],
      },
    ]);
    expect(recorded('h200/compute-apps.csv')).toContain(`${H200}, 1512, 3458 MiB`);
  });
});

it('leaves out the memory of a process if the driver does not report it', () => {
  for (const word of ['N/A', '[N/A]', 'Insufficient Permissions', 'Not available in WDDM driver model', ''])
    expect(
      inventoryOf('h200/load.xml', (text) => text.replace('3458 MiB', word))[0]!.processes,
      word,
    ).toEqual([{ pid: 1512, memoryUsedMiB: undefined }]);
});

it('counts a process once if it is listed for compute and graphics', () => {
  const twice = inventoryOf('h200/load.xml', (text) =>
    text.replace(/\t\t\t<process_info>.*<\/process_info>\n/s, (one) => one + one.replace('3458', '12')),
  );
  expect(twice[0]!.processes).toEqual([{ pid: 1512, memoryUsedMiB: 3458 }]);
});

describe('two replicas on one card', () => {
  const uuid = 'GPU-00000000-1111-2222-3333-444444444445';
  /** Recorded memory: pid → MiB, and that of the card. */
  const text = recorded('h100-shared/two-replicas.txt');
  const used = new Map(
    Array.from(text.matchAll(/^(\d+), (\d+) MiB$/gm), ([, pid, mib]) => [Number(pid), Number(mib)]),
  );
  const card = (memoryUsedMiB: number | undefined): CardReading => ({
    index: '0',
    uuid,
    memoryUsedMiB,
    utilizationPercent: 7,
  });
  const whole = card(4935);
  const process = (pid: number, memoryUsedMiB = used.get(pid)) => ({ pid, memoryUsedMiB });
  const inventory = (...processes: InventoryCard['processes'][number][]): InventoryCard[] => [
    { uuid, isMig: false, memoryTotalMiB: 81_559, slices: [], processes },
  ];
  const replica = (id: string, pid: number, gpus: string[] = []): CollectedReplica => ({
    deployment: 0,
    id,
    host: '192.0.2.1',
    port: 1,
    gpus,
    container: { cgroup: 'auto', pid, docker: '' },
  });
  const both = [replica('a', 441), replica('b', 442)];

  /** replica → MiB, and the memory of the GPU, after an inventory. */
  async function shown(replicas: CollectedReplica[], cards: InventoryCard[], reading: CardReading = whole) {
    const there = machine({
      'proc/self/cgroup': '0::/\n',
      'proc/self/mountinfo': mountV2(),
      'proc/441/stat': stat(441),
      'proc/442/stat': stat(442),
      'proc/450/stat': stat(450, { parent: 442 }),
    });
    const gpus = new Gpus(
      there.proc,
      () => [reading],
      () => replicas,
      new ReplicaProcesses(there, () => undefined),
    );
    await gpus.assign(cards);
    const memory = Object.fromEntries(
      gpus.readings(cards).map(({ replica: id, memoryUsedMiB }) => [id, memoryUsedMiB]),
    );
    for (const { utilizationPercent } of gpus.readings(cards)) expect(utilizationPercent).toBe(7);
    return { ...memory, card: gpus.figures(cards)[0]!.memoryUsedMiB };
  }

  it('show the memory of their own processes, and the card its own', async () => {
    expect(used).toEqual(new Map([[442, 1654], [441, 3266]])); // prettier-ignore
    expect(await shown(both, inventory(process(442), process(441)))).toEqual({
      a: 3266,
      b: 1654,
      card: 4935,
    });
  });

  it('show it also if the card is configured for them', async () => {
    const told = [replica('a', 441, ['0']), replica('b', 442, ['0'])];
    expect(await shown(told, inventory(process(442), process(441)))).toEqual({
      a: 3266,
      b: 1654,
      card: 4935,
    });
  });

  it('include the memory of their child processes', async () => {
    const cards = inventory(process(442, 100), process(450, 1554), process(441));
    expect(await shown(both, cards)).toEqual({ a: 3266, b: 1654, card: 4935 });
  });

  it('show the memory of the card if the driver does not report that of a process', async () => {
    const cards = inventory({ pid: 442, memoryUsedMiB: undefined }, process(441));
    expect(await shown(both, cards)).toEqual({ a: 3266, b: 4935, card: 4935 });
  });

  it('show the memory of the card when the inventory is too old', async () => {
    const there = machine({
      'proc/self/cgroup': '0::/\n',
      'proc/441/stat': stat(441),
      'proc/442/stat': stat(442),
    });
    const gpus = new Gpus(
      there.proc,
      () => [whole],
      () => both,
      new ReplicaProcesses(there, () => undefined),
    );
    await gpus.assign(inventory(process(442), process(441)));
    expect(gpus.readings([]).map(({ memoryUsedMiB }) => memoryUsedMiB)).toEqual([4935, 4935]);
  });

  it('show the memory of the card if no other program uses it', async () => {
    expect(await shown([both[0]!], inventory(process(441)))).toEqual({ a: 4935, card: 4935 });
    expect(await shown([both[0]!], inventory(process(441), process(999, 1654)))).toEqual({
      a: 3266,
      card: 4935,
    });
  });

  describe('on a card without a memory value', () => {
    const unified = parseLine(recorded('gb10/readings.csv').trim().replace('444444444440', '444444444445'))!;
    const at = (reading: CardReading): CardReading => ({ ...reading, utilizationPercent: 7 });

    it('have its utilization', () => {
      expect(unified).toEqual({ index: '0', uuid, memoryUsedMiB: undefined, utilizationPercent: 23 });
    });

    it('show the memory of their processes', async () => {
      expect(await shown([both[0]!], inventory(process(441)), at(unified))).toEqual({ a: 3266 });
      expect(await shown(both, inventory(process(442), process(441)), at(unified))).toEqual({
        a: 3266,
        b: 1654,
      });
    });

    it('show the memory of all processes for the only replica if its own are not visible', async () => {
      expect(await shown([replica('a', 0)], inventory(process(7, 10), process(8, 20)), at(unified))).toEqual({
        a: 30,
      });
    });

    it('show nothing if the driver reports nothing', async () => {
      expect(await shown([both[0]!], inventory({ pid: 441, memoryUsedMiB: undefined }), at(unified))).toEqual(
        {},
      );
    });
  });
});
