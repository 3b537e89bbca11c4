// CPU and memory of replicas, on machines made of files and on this machine.
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { readCgroup } from '../../../src/collectors/containers/cgroup.ts';
import {
  below,
  CgroupPaths,
  parseGroups,
  parseMounts,
  processesIn,
} from '../../../src/collectors/containers/cgroup-path.ts';
import { ContainerUsage } from '../../../src/collectors/containers/container-usage.ts';
import {
  ReplicaProcesses,
  type Machine,
  type CollectedReplica,
} from '../../../src/collectors/processes/replica-processes.ts';
import { removeFolders, write } from '../../kit/folder.ts';
import { filesV1, filesV2, groupsV1, machine, mountV1, mountV2, stat, status } from '../../kit/machine.ts';

afterEach(removeFolders);

/** A replica on another machine, with these settings. */
const replica = (container: Partial<CollectedReplica['container']> = {}, id = 'r0'): CollectedReplica => ({
  deployment: 0,
  id,
  host: '192.0.2.1',
  port: 8000,
  gpus: [],
  container: { cgroup: 'auto', pid: 0, docker: '', ...container },
});

function usageOn(on: Machine, replicas: CollectedReplica[], childPid?: number): ContainerUsage {
  return new ContainerUsage(on, new ReplicaProcesses(on, () => childPid), () => replicas);
}

/** A process with CPU time and memory, in a group. */
const process = (pid: number, cgroup: string, mountinfo: string) => ({
  [`proc/${pid}/stat`]: stat(pid, { ticks: [100, 50, 0, 0] }),
  [`proc/${pid}/status`]: status({ anonymous: 100, file: 5000 }),
  [`proc/${pid}/cgroup`]: cgroup,
  [`proc/${pid}/mountinfo`]: mountinfo,
});
const self = (cgroup: string, mountinfo: string) => ({
  'proc/self/cgroup': cgroup,
  'proc/self/mountinfo': mountinfo,
});
const OF_TREE = {
  source: 'process_tree',
  cpuSeconds: 1.5,
  workingSetBytes: 100 * 1024,
  throttledSeconds: undefined,
};

describe('a control group of version 2', () => {
  const MODEL = 'sys/fs/cgroup/system.slice/model.service';
  const host = (files: Record<string, string> = {}) =>
    machine({
      ...self('0::/system.slice/weir.service\n', mountV2()),
      ...process(100, '0::/system.slice/model.service\n', mountV2()),
      ...filesV2(MODEL, { micros: 12_500_000, throttled: 250_000, current: 9000, inactive: 4000 }),
      ...files,
    });

  it('gives CPU time, throttled time, and memory without inactive file pages', async () => {
    const { value, problem } = await usageOn(host(), [replica({ pid: 100 })]).collect();
    expect(problem).toBe('');
    expect(value).toEqual([
      {
        deployment: 0,
        replica: 'r0',
        source: 'cgroup_v2',
        cpuSeconds: 12.5,
        workingSetBytes: 5000,
        throttledSeconds: 0.25,
      },
    ]);
  });

  it('is that of the supervised process', async () => {
    const { value } = await usageOn(host(), [replica()], 100).collect();
    expect(value).toMatchObject([{ source: 'cgroup_v2', cpuSeconds: 12.5 }]);
  });

  it.each(['/system.slice/model.service', '/sys/fs/cgroup/system.slice/model.service'])(
    'of the path %s',
    async (cgroup) => {
      const { value } = await usageOn(host(), [replica({ cgroup })]).collect();
      expect(value).toMatchObject([{ source: 'cgroup_v2', cpuSeconds: 12.5, workingSetBytes: 5000 }]);
    },
  );

  it('is a problem for its own replica only if it is configured and does not exist', async () => {
    const replicas = [
      replica({ cgroup: '/nope' }, 'a'),
      replica({ pid: 100 }, 'b'),
      replica({ pid: 77 }, 'c'),
    ];
    const { value, problem } = await usageOn(host(), replicas).collect();
    expect(value).toMatchObject([{ replica: 'b', source: 'cgroup_v2' }]);
    expect(problem).toBe(
      'a: cannot read CPU and memory of the configured control group /nope; c: the configured process 77 does not run',
    );
  });

  it('is not used if weir, another replica or a login session is in it, or if it is switched off', async () => {
    const crowded = host({
      ...process(200, '0::/system.slice/weir.service\n', mountV2()),
      ...filesV2('sys/fs/cgroup/system.slice/weir.service', { micros: 9e9, current: 9e9 }),
      ...process(300, '0::/user.slice/user-1000.slice/session-3.scope\n', mountV2()),
      ...filesV2('sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope', { micros: 9e9, current: 9e9 }),
      ...process(400, '0::/system.slice/two.service\n', mountV2()),
      ...process(401, '0::/system.slice/two.service/inner\n', mountV2()),
      ...filesV2('sys/fs/cgroup/system.slice/two.service', { micros: 9e9, current: 9e9 }),
      ...process(500, '0::/\n', mountV2()),
    });
    for (const pid of [200, 300, 500])
      expect((await usageOn(crowded, [replica({ pid })]).collect()).value, String(pid)).toMatchObject([
        OF_TREE,
      ]);
    const none = await usageOn(crowded, [replica({ pid: 100, cgroup: '' })]).collect();
    expect(none.value).toMatchObject([OF_TREE]);
    const two = await usageOn(crowded, [replica({ pid: 400 }, 'a'), replica({ pid: 401 }, 'b')]).collect();
    // The outer one holds both; the inner one has no files of its own here.
    expect(two.value).toMatchObject([OF_TREE, OF_TREE]);
  });

  it('is replaced by the process tree if its memory controller is off', async () => {
    const on = machine({
      ...self('0::/system.slice/weir.service\n', mountV2()),
      ...process(100, '0::/system.slice/model.service\n', mountV2()),
      [`${MODEL}/cpu.stat`]: 'usage_usec 5\nuser_usec 5\nsystem_usec 0\n',
    });
    expect((await usageOn(on, [replica({ pid: 100 })]).collect()).value).toMatchObject([OF_TREE]);
  });

  it('of another container in the pod is read through the mounts of its process', async () => {
    // Private cgroup namespaces: a sibling of weir's group begins with `..`, and only its own process has it mounted.
    const beside = '/../cri-containerd-bbb.scope';
    const pod = machine({
      ...self('0::/\n', mountV2()),
      ...process(50, `0::${beside}\n`, mountV2(beside)),
      ...filesV2('proc/50/root/sys/fs/cgroup', { micros: 3_000_000, current: 700, inactive: 100 }),
      // weir's group, which must not be used for it.
      ...filesV2('sys/fs/cgroup', { micros: 9e9, current: 9e9 }),
      // A process in weir's container.
      ...process(60, '0::/\n', mountV2()),
    });
    expect((await usageOn(pod, [replica({ pid: 50 })]).collect()).value).toMatchObject([
      { source: 'cgroup_v2', cpuSeconds: 3, workingSetBytes: 600 },
    ]);
    expect((await usageOn(pod, [replica({ pid: 60 })]).collect()).value).toMatchObject([OF_TREE]);
  });
});

describe('a control group of version 1', () => {
  const files = filesV1('/docker/bbb', {
    nanos: 7_250_000_000,
    throttled: 500_000_000,
    usage: 8000,
    inactive: 3000,
  });
  const OF_GROUP = { source: 'cgroup_v1', cpuSeconds: 7.25, workingSetBytes: 5000, throttledSeconds: 0.5 };

  it('is used beside a version 2 tree without controllers', async () => {
    const host = machine({
      ...self(groupsV1('/docker/aaa'), mountV1()),
      ...process(100, groupsV1('/docker/bbb'), mountV1()),
      ...files,
    });
    expect((await usageOn(host, [replica({ pid: 100 })]).collect()).value).toMatchObject([OF_GROUP]);
  });

  it.each(['/docker/bbb', '/sys/fs/cgroup/memory/docker/bbb', '/sys/fs/cgroup/cpu,cpuacct/docker/bbb'])(
    'of the path %s',
    async (cgroup) => {
      const host = machine({ ...self(groupsV1('/'), mountV1()), ...files });
      expect((await usageOn(host, [replica({ cgroup })]).collect()).value).toMatchObject([OF_GROUP]);
    },
  );

  it('is found in a mount whose root is not the root of all groups', async () => {
    const [ours, theirs] = ['/kubepods/burstable/pod1/aaa', '/kubepods/burstable/pod1/bbb'];
    const pod = machine({
      ...self(groupsV1(ours), mountV1(ours)),
      ...process(50, groupsV1(theirs), mountV1(theirs)),
      'proc/50/root/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage': '2000000000\n',
      'proc/50/root/sys/fs/cgroup/memory/memory.usage_in_bytes': '900\n',
      'proc/50/root/sys/fs/cgroup/memory/memory.stat': 'total_inactive_file 200\n',
      // A child of weir's group is read through weir's mount.
      ...process(60, groupsV1(`${ours}/inner`), mountV1(ours)),
      ...filesV1('/inner', { nanos: 4_000_000_000, usage: 10, inactive: 0 }),
    });
    expect((await usageOn(pod, [replica({ pid: 50 })]).collect()).value).toMatchObject([
      { source: 'cgroup_v1', cpuSeconds: 2, workingSetBytes: 700, throttledSeconds: undefined },
    ]);
    expect((await usageOn(pod, [replica({ pid: 60 })]).collect()).value).toMatchObject([
      { source: 'cgroup_v1', cpuSeconds: 4, workingSetBytes: 10 },
    ]);
  });

  it('is not used if the replica has it alone for memory only', async () => {
    const host = machine({
      ...self('2:cpu,cpuacct:/\n4:memory:/a\n', mountV1()),
      ...process(100, '2:cpu,cpuacct:/\n4:memory:/b\n', mountV1()),
      ...filesV1('', { nanos: 9e9, usage: 9e9 }),
      ...filesV1('/b', { nanos: 9e9, usage: 9e9 }),
    });
    expect((await usageOn(host, [replica({ pid: 100 })]).collect()).value).toMatchObject([OF_TREE]);
  });
});

it('continues counters when a replica has a new process', async () => {
  const on = machine({ ...self('0::/\n', mountV2()), ...process(100, '0::/\n', mountV2()) });
  let pid = 100;
  const containers = new ContainerUsage(on, new ReplicaProcesses(on, () => pid), () => [replica()]);
  expect((await containers.collect()).value).toMatchObject([{ cpuSeconds: 1.5 }]);
  // Between the two processes there is no reading, so the series disappears.
  pid = 101;
  expect((await containers.collect()).value).toEqual([]);
  write(on.root, {
    ...process(101, '0::/\n', mountV2()),
    'proc/101/stat': stat(101, { ticks: [5, 5, 0, 0] }),
  });
  expect((await containers.collect()).value).toMatchObject([{ cpuSeconds: 1.6 }]);
});

it('forgets the counters of a removed replica', async () => {
  const on = machine({ ...self('0::/\n', mountV2()), ...process(100, '0::/\n', mountV2()) });
  let replicas = [replica({ pid: 100 })];
  const containers = new ContainerUsage(on, new ReplicaProcesses(on, () => undefined), () => replicas);
  await containers.collect();
  replicas = [];
  expect((await containers.collect()).value).toEqual([]);
  replicas = [replica({ pid: 100 })];
  write(on.root, { 'proc/100/stat': stat(100, { ticks: [5, 5, 0, 0], started: 6000 }) });
  expect((await containers.collect()).value).toMatchObject([{ cpuSeconds: 0.1 }]);
});

it('finds the path between group names', () => {
  expect(below('/', '/a/b')).toBe('/a/b');
  expect(below('/a', '/a')).toBe('');
  expect(below('/a', '/ab')).toBeUndefined();
  expect(below('/a/b', '/a')).toBeUndefined();
  expect(below('/', '/../x')).toBeUndefined();
  expect(below('/../x', '/../x/y')).toBe('/y');
  expect(below('/../x', '/')).toBeUndefined();
  // An ancestor of the namespace's root contains the namespace by an unknown path.
  expect(below('/..', '/a')).toBe('?');
});

it('parses mounts with special characters in their paths', () => {
  expect(parseMounts('1 2 0:1 / /sys/fs/a\\040b rw - cgroup2 none rw\n')).toEqual([
    { root: '/', point: '/sys/fs/a b', controllers: [] },
  ]);
  expect(parseMounts('garbage\n\n - cgroup2\n')).toEqual([]);
  expect(parseGroups('garbage\n3:cpu,cpuacct:/x:y\n')).toEqual(
    new Map([
      ['cpu', '/x:y'],
      ['cpuacct', '/x:y'],
    ]),
  );
});

it('parses any text without an exception, and finds the path to any child group', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, line) => {
      parseGroups(text);
      expect(parseGroups(`7:memory:/x\n${line.replaceAll('\n', '')}`).get('memory')).toBeDefined();
      parseMounts(text);
    }),
  );
  const part = fc.stringMatching(/^[a-z0-9.:_-]{1,8}$/).filter((name) => !/^\.+$/.test(name));
  const path = fc.array(part, { maxLength: 4 }).map((parts) => parts.map((name) => `/${name}`).join(''));
  const up = fc.constantFrom('', '/..', '/../..');
  fc.assert(
    fc.property(up, path, path, (above, top, rest) => {
      expect(below(`${above}${top}` || '/', `${above}${top}${rest}` || '/')).toBe(rest);
    }),
  );
});

// This machine: the group of the test process, whatever else is in it.
const HAS_MEMORY = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup/memory.current'].some((path) =>
  existsSync(path),
);
it.skipIf(!HAS_MEMORY)('reads the groups of this machine', async () => {
  const { pid } = globalThis.process;
  const paths = new CgroupPaths('/proc', '');
  const path = (await paths.pathOf(pid, (await paths.namesOf(pid))!))!;
  const before = (await readCgroup(path.directories))!;
  expect(before.cpuSeconds).toBeGreaterThan(0);
  expect(before.workingSetBytes).toBeGreaterThan(1e6);
  const endMs = performance.now() + 200;
  while (performance.now() < endMs);
  expect((await readCgroup(path.directories))!.cpuSeconds).toBeGreaterThan(before.cpuSeconds + 0.05);
  // The processes of a group are read where its memory controller is.
  expect(await processesIn(path)).toContain(pid);
});
