// Detection of processes that ended between two checks.
import { rmSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { ExitWatch } from '../../../src/collectors/processes/exit-watch.ts';
import {
  ReplicaProcesses,
  type CollectedReplica,
} from '../../../src/collectors/processes/replica-processes.ts';
import { removeFolders, write } from '../../kit/folder.ts';
import { machine, stat } from '../../kit/machine.ts';

afterEach(removeFolders);

const replica = (id: string, pid: number): CollectedReplica => ({
  deployment: 3,
  id,
  host: '127.0.0.1',
  port: 1,
  gpus: [],
  container: { cgroup: '', pid, docker: '' },
});

function watchOf(replicas: CollectedReplica[]) {
  const there = machine({ 'proc/10/stat': stat(10), 'proc/20/stat': stat(20) });
  const ended: string[] = [];
  const watch = new ExitWatch(
    new ReplicaProcesses(there, () => undefined),
    () => replicas,
    ({ deployment, replica: id }) => ended.push(`${deployment} ${id}`),
  );
  return { there, ended, watch };
}

it('reports a process that ends, once', async () => {
  const { there, ended, watch } = watchOf([replica('a', 10), replica('b', 20)]);
  expect(await watch.collect()).toEqual({ value: 2, problem: '', retrySoon: false });
  expect(ended).toEqual([]);
  rmSync(`${there.proc}/20`, { recursive: true });
  expect((await watch.collect()).value).toBe(1);
  expect(ended).toEqual(['3 b']);
  await watch.collect();
  expect(ended).toEqual(['3 b']);
});

it('reports a zombie process as ended', async () => {
  const { there, ended, watch } = watchOf([replica('a', 10)]);
  await watch.collect();
  write(there.root, { 'proc/10/stat': stat(10, { state: 'Z' }) });
  await watch.collect();
  expect(ended).toEqual(['3 a']);
});

it('distinguishes a later process with the same number from the first', async () => {
  const { there, ended, watch } = watchOf([replica('a', 10)]);
  await watch.collect();
  write(there.root, { 'proc/10/stat': stat(10, { started: 9999 }) });
  expect((await watch.collect()).value).toBe(1);
  expect(ended).toEqual(['3 a']);
});

it('reports nothing about a removed replica', async () => {
  const replicas = [replica('a', 10), replica('b', 20)];
  const { there, ended, watch } = watchOf(replicas);
  await watch.collect();
  replicas.pop();
  rmSync(`${there.proc}/20`, { recursive: true });
  await watch.collect();
  expect(ended).toEqual([]);
});

it('searches for an unknown process only at long intervals', async () => {
  const { there, ended, watch } = watchOf([replica('a', 0), replica('b', 20)]);
  let searches = 0;
  const processes = new ReplicaProcesses(there, () => undefined);
  const counted = Object.assign(processes, {
    serverOf: (_: CollectedReplica, table: unknown) => {
      if (table !== undefined) searches++;
      return Promise.resolve(undefined);
    },
  });
  const patient = new ExitWatch(
    counted,
    () => [replica('a', 0)],
    () => ended.push('a'),
  );
  for (let i = 0; i < 5; i++) await patient.collect();
  expect(searches).toBe(1);
  patient.searchAgain();
  for (let i = 0; i < 5; i++) await patient.collect();
  expect(searches).toBe(2);
  await watch.collect();
  expect(ended).toEqual([]);
});
