// The process table, and the CPU time and memory of process trees.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import {
  ancestorsOf,
  parseStat,
  readProcess,
  readProcesses,
  treeOf,
  type Process,
} from '../../../src/collectors/processes/process-table.ts';
import { MonotonicCounter } from '../../../src/collectors/monotonic-counter.ts';
import { readTree } from '../../../src/collectors/processes/process-tree.ts';
import { removeFolders } from '../../kit/folder.ts';
import { machine, stat, status } from '../../kit/machine.ts';
import { until } from '../../kit/until.ts';

afterEach(removeFolders);

it('parses a stat line with any program name', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 15 }),
      fc.nat(4_000_000),
      fc.array(fc.nat(1e9), { minLength: 4, maxLength: 4 }),
      (name, pid, ticks) => {
        expect(parseStat(stat(pid, { name, parent: 7, group: 8, ticks, started: 99 }))).toEqual({
          pid,
          name,
          state: 'S',
          parent: 7,
          group: 8,
          cpuSeconds: ticks.reduce((sum, n) => sum + n, 0) / 100,
          started: '99',
        });
      },
    ),
  );
  fc.assert(fc.property(fc.string(), (text) => void parseStat(text)));
  expect(parseStat('12 (half a li')).toBeUndefined();
  expect(parseStat('12 (x) S 1 12')).toBeUndefined();
});

it('finds the root and all descendants once, also in a table with a cycle', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 21 }), (parents) => {
      const table = new Map(
        parents.map((parent, pid): [number, Process] => [
          pid,
          { pid, parent, name: 'x', state: 'S', group: 1, cpuSeconds: 0, started: '1' },
        ]),
      );
      const tree = treeOf(0, table).map(({ pid }) => pid);
      expect(new Set(tree).size).toBe(tree.length);
      // A descendant reaches the root through its parents.
      const expected = [...table.keys()].filter(
        (pid) => pid === 0 || ancestorsBySteps(pid, table).includes(0),
      );
      expect([...tree].sort((a, b) => a - b)).toEqual(expected);
      for (const pid of table.keys()) expect(ancestorsOf(pid, table).length).toBeLessThanOrEqual(table.size);
    }),
  );
});

function ancestorsBySteps(pid: number, table: Map<number, Process>): number[] {
  const seen: number[] = [];
  for (
    let i = 0, at = table.get(pid)?.parent;
    i <= table.size && at !== undefined;
    i++, at = table.get(at)?.parent
  )
    seen.push(at);
  return seen;
}

it('sums time and anonymous memory, and counts shared memory once', async () => {
  const { proc } = machine({
    'proc/10/stat': stat(10, { ticks: [100, 100, 0, 0] }),
    'proc/10/status': status({ anonymous: 1000, file: 90_000, shared: 50 }),
    'proc/11/stat': stat(11, { parent: 10, ticks: [50, 0, 25, 25] }),
    'proc/11/status': status({ anonymous: 500, file: 90_000, shared: 80 }),
    'proc/12/stat': stat(12, { parent: 11, ticks: [0, 100, 0, 0] }),
    // Ended between the reads of its two files.
    'proc/13/stat': stat(13, { parent: 1, ticks: [9999, 0, 0, 0] }),
    // Ended, and not yet added to its parent.
    'proc/14/stat': stat(14, { parent: 10, state: 'Z', ticks: [50, 0, 0, 0] }),
  });
  const table = await readProcesses(proc);
  expect(await readTree(proc, 10, table)).toEqual({
    cpuSeconds: 4.5,
    workingSetBytes: 1580 * 1024,
    throttledSeconds: undefined,
  });
  expect(await readTree(proc, 99, table)).toBeUndefined();
});

it('keeps the CPU time of a child that ended', async () => {
  // The parent starts a child that uses CPU time, waits for it, prints a line, and keeps running.
  const burn = 'while (process.cpuUsage().user < 400_000);';
  const parent = spawn(
    process.execPath,
    [
      '-e',
      `const { spawn } = require('node:child_process');
      process.stdin.once('data', () => spawn(process.execPath, ['-e', ${JSON.stringify(burn)}]).on('exit', () => console.log('ended')));
      console.log('begun'); setInterval(() => {}, 1000);`,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  let said = '';
  parent.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  try {
    await until('it has begun', () => said.includes('begun'));
    const { pid } = parent;
    const read = async () => (await readTree('/proc', pid!, await readProcesses('/proc')))!.cpuSeconds;
    const counter = new MonotonicCounter();
    const count = async () =>
      counter.add({ kind: 'process_tree', owner: '1', value: await read(), onDecrease: 'loss' });
    const first = await count();
    let last = first;
    parent.stdin.write('go\n');
    await until('the child has ended', async () => {
      const now = await count();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
      return said.includes('ended');
    });
    // Nothing is lost or counted twice, by the system's own count.
    await until('all is in the books', async () => (last = await count()) - first > 0.3);
    expect(last).toBeCloseTo(await read(), 1);
  } finally {
    parent.kill('SIGKILL');
    await once(parent, 'exit');
  }
  expect(await readProcess('/proc', parent.pid!)).toBeUndefined();
});
