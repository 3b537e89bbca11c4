// Parsing of nvidia-smi's output, recorded on several cards and arbitrary, and the assignment of GPUs.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Gpus, partsOf } from '../../../src/collectors/gpu/gpus.ts';
import { parseInventory, type InventoryCard } from '../../../src/collectors/gpu/nvidia-cards.ts';
import { NvidiaInventory } from '../../../src/collectors/gpu/nvidia-inventory.ts';
import { parseLine, type CardReading } from '../../../src/collectors/gpu/nvidia-smi.ts';
import {
  ReplicaProcesses,
  type CollectedReplica,
} from '../../../src/collectors/processes/replica-processes.ts';
import { removeFolders } from '../../kit/folder.ts';
import { machine, mountV2, stat } from '../../kit/machine.ts';
import { FakeNvidiaSmi } from '../../kit/fake-nvidia-smi.ts';
import { until } from '../../kit/until.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  removeFolders();
});

const UUID = 'GPU-5f8b2a14-9c3d-47e6-a1b0-6d2e8f4c7a91';

describe('parseLine', () => {
  it('reads the index, memory and utilization of a card', () => {
    expect(parseLine(`3, ${UUID}, 61234, 87\r`)).toEqual({
      index: '3',
      uuid: UUID,
      memoryUsedMiB: 61234,
      utilizationPercent: 87,
    });
  });

  it.each([
    '[N/A]',
    'N/A',
    '[Not Supported]',
    '[Unknown Error]',
    '[GPU requires reset]',
    'ERR!',
    '',
    '-1',
    '1e9',
  ])('leaves out the value %j', (word) => {
    expect(parseLine(`0, ${UUID}, ${word}, 5`)).toMatchObject({
      memoryUsedMiB: undefined,
      utilizationPercent: 5,
    });
    expect(parseLine(`0, ${UUID}, 5, ${word}`)).toMatchObject({
      memoryUsedMiB: 5,
      utilizationPercent: undefined,
    });
  });

  it('rejects any other line', () => {
    for (const line of [
      '',
      'No devices were found',
      `0, ${UUID}, 5`,
      `0, ${UUID}, 5, 5, 5`,
      `x, ${UUID}, 5, 5`,
      '0, 1, 2, 3',
    ])
      expect(parseLine(line), line).toBeUndefined();
    expect(parseLine(`0, ${UUID}, 5, 101`)?.utilizationPercent).toBeUndefined();
    fc.assert(
      fc.property(fc.string(), (text) => {
        const card = parseLine(text);
        expect(card === undefined || /^\d+$/.test(card.index)).toBe(true);
      }),
    );
  });
});

it('parses any tree without an exception', () => {
  const name = fc.constantFrom(
    'nvidia_smi_log',
    'gpu',
    'uuid',
    'mig_devices',
    'mig_device',
    'processes',
    'process_info',
    'pid',
    'index',
    'x',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom('', '5', 'GPU-1', null, 5, undefined),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(name, tie('tree')),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      const cards = parseInventory({ nvidia_smi_log: { gpu: value } });
      expect(cards === undefined || Array.isArray(cards)).toBe(true);
      parseInventory(value);
    }),
  );
});

describe('the inventory', () => {
  let standIn: FakeNvidiaSmi;
  const inventory = new NvidiaInventory('/proc', () => true);
  beforeEach(() => {
    standIn = new FakeNvidiaSmi('h100x2');
    standIn.replace({ pid0: 100, pid1: 200 });
    for (const [name, value] of Object.entries(standIn.env)) vi.stubEnv(name, value);
  });
  const ask = () => inventory.collect(new AbortController().signal);

  it('has the cards and their processes', async () => {
    expect(await ask()).toMatchObject({
      problem: '',
      value: [
        { uuid: UUID, isMig: false, slices: [], processes: [{ pid: 100, memoryUsedMiB: 61220 }] },
        { uuid: 'GPU-c27d90e3-1b5a-4f68-8e34-90ab3cd5f712', processes: [{ pid: 200, memoryUsedMiB: 40946 }] },
      ],
    });
  });

  it('has the slices of a card under MIG, with memory and processes', async () => {
    standIn.behave('', 'a100x4-mig');
    const { value } = await ask();
    expect(value).toHaveLength(4);
    expect(value![1]).toEqual({
      uuid: 'GPU-8a4f92d1-3e6b-4c07-95da-e20b7c61f584',
      isMig: true,
      memoryTotalMiB: 81_920,
      processes: [
        { pid: 100, memoryUsedMiB: 18410 },
        { pid: 200, memoryUsedMiB: 3050 },
      ],
      slices: [
        {
          index: '0',
          memoryUsedMiB: 18433,
          memoryTotalMiB: 40_192,
          processes: [{ pid: 100, memoryUsedMiB: 18410 }],
        },
        {
          index: '1',
          memoryUsedMiB: 3071,
          memoryTotalMiB: 9728,
          processes: [{ pid: 200, memoryUsedMiB: 3050 }],
        },
      ],
    });
    expect(value!.filter(({ isMig }) => isMig)).toHaveLength(1);
  });

  it.each(['fail', 'garbage', 'empty'])('is a problem with a text if nvidia-smi gives: %s', async (way) => {
    standIn.behave('', way);
    const { value, problem } = await ask();
    expect(value).toBeUndefined();
    expect(problem).not.toBe('');
  });

  it('ends at the deadline if the driver hangs, and leaves no process', async () => {
    standIn.behave('', 'hang');
    const deadline = new AbortController();
    const reading = inventory.collect(deadline.signal);
    await until('nvidia-smi hangs', () => standIn.alive('inventory').length === 1);
    deadline.abort();
    expect((await reading).value).toBeUndefined();
    await until('it is gone', () => standIn.alive('inventory').length === 0);
    standIn.behave('', 'h100x2');
    expect((await ask()).value).toHaveLength(2);
  });

  it('is not read while the driver does not respond', async () => {
    const idle = new NvidiaInventory('/proc', () => false);
    expect(await idle.collect(new AbortController().signal)).toEqual({
      value: undefined,
      problem: '',
      retrySoon: false,
    });
    expect(standIn.started('inventory')).toBe(0);
  });
});

describe('the GPUs of a replica', () => {
  const card = (index: string): CardReading => ({
    index,
    uuid: `GPU-${index}`,
    memoryUsedMiB: 10,
    utilizationPercent: 20,
  });
  const on5 = (...pids: number[]) => pids.map((pid) => ({ pid, memoryUsedMiB: 5 }));
  const known = (index: string, pids: number[], slices: InventoryCard['slices'] = []): InventoryCard => ({
    uuid: `GPU-${index}`,
    isMig: slices.length > 0,
    memoryTotalMiB: 80,
    slices,
    processes: on5(...pids),
  });
  const replica = (id: string, gpus: string[] = [], pid = 0): CollectedReplica => ({
    deployment: 0,
    id,
    host: '192.0.2.1',
    port: 1,
    gpus,
    container: { cgroup: 'auto', pid, docker: '' },
  });
  const cards = [card('0'), card('1')];
  const on = () =>
    machine({
      'proc/self/cgroup': '0::/\n',
      'proc/self/mountinfo': mountV2(),
      'proc/10/stat': stat(10),
      'proc/11/stat': stat(11, { parent: 10 }),
      'proc/20/stat': stat(20),
    });

  /** replica → its GPUs, after these inventories. */
  async function owners(replicas: CollectedReplica[], ...inventories: InventoryCard[][]) {
    const there = on();
    const gpus = new Gpus(
      there.proc,
      () => cards,
      () => replicas,
      new ReplicaProcesses(there, () => undefined),
    );
    for (const inventory of inventories) await gpus.assign(inventory);
    const shown: Record<string, string[]> = {};
    for (const { replica: id, gpu } of gpus.readings(inventories.at(-1) ?? [])) (shown[id] ??= []).push(gpu);
    return shown;
  }

  it('are the configured ones, by index or UUID', async () => {
    expect(await owners([replica('a', ['1']), replica('b', ['GPU-0', 'GPU-none'])])).toEqual({
      a: ['1'],
      b: ['0'],
    });
  });

  it('are those that its processes and their children use', async () => {
    const replicas = [replica('a', [], 10), replica('b', [], 20)];
    expect(await owners(replicas, [known('0', [11]), known('1', [20, 999])])).toEqual({ a: ['0'], b: ['1'] });
    // A card that several replicas use belongs to each of them.
    expect(await owners(replicas, [known('0', [11, 20]), known('1', [])])).toEqual({ a: ['0'], b: ['0'] });
  });

  it('are none after an inventory without its processes, until they are listed again', async () => {
    const replicas = [replica('a', [], 10), replica('b', [], 20)];
    const seen = [known('0', [11]), known('1', [20])];
    expect(await owners(replicas, seen, [known('0', []), known('1', [20])])).toEqual({ b: ['1'] });
    expect(await owners(replicas, seen, [known('0', []), known('1', [])])).toEqual({});
    expect(await owners(replicas, seen, [known('0', []), known('1', [])], seen)).toEqual({
      a: ['0'],
      b: ['1'],
    });
    // The same for a configured replica and for the only replica.
    const told = [replica('a', ['0'], 10), replica('b', ['1'], 20)];
    expect(await owners(told, seen, [known('0', []), known('1', [20])])).toEqual({ b: ['1'] });
    expect(await owners([replica('a', [], 10)], seen, [known('0', []), known('1', [])])).toEqual({});
  });

  it('are all of them for the only replica, until its processes are found on some', async () => {
    expect(await owners([replica('a', [], 10)])).toEqual({ a: ['0', '1'] });
    expect(await owners([replica('a', [], 10)], [known('0', []), known('1', [999])])).toEqual({
      a: ['0', '1'],
    });
    expect(await owners([replica('a', [], 10)], [known('0', []), known('1', [11])])).toEqual({ a: ['1'] });
  });

  it('are none if several replicas could use them', async () => {
    expect(
      await owners([replica('a', [], 10), replica('b', [], 20)], [known('0', [777]), known('1', [])]),
    ).toEqual({});
  });

  it('do not include a whole card under MIG when its slices are no longer known', async () => {
    const slices = [{ index: '0', uuid: undefined, memoryUsedMiB: 5, memoryTotalMiB: 40, processes: [] }];
    const inventory = [known('0', []), known('1', [], slices)];
    expect(await owners([replica('a')], inventory)).toEqual({ a: ['0', '1:0'] });
    const there = on();
    const gpus = new Gpus(
      there.proc,
      () => cards,
      () => [replica('a')],
      new ReplicaProcesses(there, () => undefined),
    );
    await gpus.assign(inventory);
    expect(gpus.readings([]).map(({ gpu }) => gpu)).toEqual(['0']);
  });

  it('are slices instead of their card under MIG', async () => {
    const slices = [
      { index: '0', uuid: undefined, memoryUsedMiB: 5, memoryTotalMiB: 40, processes: on5(11) },
      { index: '1', uuid: 'MIG-x', memoryUsedMiB: 6, memoryTotalMiB: 20, processes: on5(20) },
    ];
    const inventory = [known('0', []), known('1', [11, 20], slices)];
    expect(
      partsOf(cards, inventory).map(({ gpu, memoryUsedMiB, memoryTotalMiB, utilizationPercent }) => [
        gpu,
        memoryUsedMiB,
        memoryTotalMiB,
        utilizationPercent,
      ]),
    ).toEqual([
      ['0', 10, 80, 20],
      ['1:0', 5, 40, undefined],
      ['1:1', 6, 20, undefined],
    ]);
    const byProcess = [replica('a', [], 10), replica('b', [], 20)];
    expect(await owners(byProcess, inventory)).toEqual({ a: ['1:0'], b: ['1:1'] });
    const byName = [replica('a', ['1:1', '0']), replica('b', ['1'])];
    expect(await owners(byName, inventory)).toEqual({ a: ['0', '1:1'], b: ['1:0', '1:1'] });
    expect(await owners([replica('a', ['MIG-x'])], inventory)).toEqual({ a: ['1:1'] });
  });
});
