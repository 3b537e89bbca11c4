// Finds the control group of a process and the directories of its files (man 7 cgroups, man 5 proc_pid_mountinfo).
// Invariant: a group with processes of others is never used for a replica.
//
// Names of groups are relative to the cgroup namespace of the reader: `/` is its root, `/../x` is a sibling of the
// root.
// A mount shows one subtree, whose root has such a name too. A group outside all mounts of weir, for example of another
// container of the pod, is read through the mounts of its process, at /proc/<pid>/root.
import { readdir } from 'node:fs/promises';
import type { CgroupDirectories } from './cgroup.ts';
import { isExpected, readSmall } from '../small-file.ts';

/** Controller → name of the group. The empty controller is version 2. */
export type CgroupNames = ReadonlyMap<string, string>;

/** A mounted cgroup tree. */
export interface Mount {
  /** Name of the group at the mount point. */
  readonly root: string;
  readonly point: string;
  /** Controllers of version 1; empty for version 2. */
  readonly controllers: readonly string[];
}

/** A group and its directories. `name` identifies it, by whichever mount it is read. */
export interface CgroupPath {
  readonly name: string;
  readonly directories: CgroupDirectories;
}

/** Parses /proc/<pid>/cgroup, with lines such as `4:memory:/name` and `0::/name`. */
export function parseGroups(text: string): CgroupNames {
  const names = new Map<string, string>();
  for (const [, controllers, name] of text.matchAll(/^\d+:([^:]*):(\/.*)$/gm))
    for (const controller of controllers!.split(',')) names.set(controller, name!);
  return names;
}

/** The cgroup mounts in a mountinfo file. */
export function parseMounts(text: string): Mount[] {
  const unescape = (path: string) =>
    path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const [type, , options] = (after ?? '').split(' ');
    const [, , , root, point] = before!.split(' ');
    if (root === undefined || point === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    const controllers = type === 'cgroup' ? (options ?? '').split(',') : [];
    return [{ root: unescape(root), point: unescape(point), controllers }];
  });
}

/** Splits a name into the number of leading `..` and the parts after them. */
function steps(name: string): { up: number; down: string[] } {
  const parts = name.split('/').filter((part) => part !== '');
  const up = parts.findLastIndex((part) => part === '..') + 1;
  return { up, down: parts.slice(up) };
}

/** The path from `top` to `name`; '' if they are equal, `undefined` if `name` is not below `top`. */
export function below(top: string, name: string): string | undefined {
  const [a, b] = [steps(top), steps(name)];
  // An ancestor of the namespace's root contains all groups of the namespace, but the path to them is unknown.
  if (a.up > b.up) return a.down.length === 0 ? '?' : undefined;
  if (a.up < b.up || !a.down.every((part, i) => part === b.down[i])) return undefined;
  return b.down
    .slice(a.down.length)
    .map((part) => `/${part}`)
    .join('');
}

/** Groups in which systemd puts unrelated processes. */
const SHARED_GROUPS =
  /^(?:session|app|vte-spawn|tmux-spawn)-.*\.scope$|\.slice$|^init\.scope$|^user@.*\.service$/;

/** True if a group holds only processes of one replica: none of `others`, and no login session or slice. */
export function isExclusive(names: CgroupNames, others: readonly CgroupNames[]): boolean {
  return controllersOf(names).every((controller) => {
    const name = names.get(controller)!;
    if (SHARED_GROUPS.test(name.split('/').at(-1)!)) return false;
    return others.every((other) => {
      const otherName = other.get(controller);
      return otherName === undefined || below(name, otherName) === undefined;
    });
  });
}

/** The controllers that are read: version 1 if it has memory, else version 2. */
const controllersOf = (names: CgroupNames): string[] =>
  (names.has('memory') ? ['memory', 'cpuacct'] : ['']).filter((c) => names.has(c));

export class CgroupPaths {
  readonly #proc: string;
  readonly #root: string;

  /** `root`: prefix of every mount point; '' except in tests. */
  constructor(proc: string, root: string) {
    this.#proc = proc;
    this.#root = root;
  }

  /** The groups of a process. `undefined` if the process does not exist. */
  async namesOf(pid: number | 'self'): Promise<CgroupNames | undefined> {
    const text = await readSmall(`${this.#proc}/${pid}/cgroup`, 64 * 1024);
    return text === undefined ? undefined : parseGroups(text);
  }

  /** The group of a process, by weir's mounts or by those of the process. */
  async pathOf(pid: number, names: CgroupNames): Promise<CgroupPath | undefined> {
    return (
      locate(names, await this.#mountsOf('self'), this.#root) ??
      locate(names, await this.#mountsOf(pid), `${this.#proc}/${pid}/root`)
    );
  }

  /** A configured group, given as a directory below a cgroup mount or as the name of a group. */
  async pathAt(path: string): Promise<CgroupPath | undefined> {
    const mounts = await this.#mountsOf('self');
    const mount = mounts
      .filter(({ point }) => path === point || path.startsWith(`${point}/`))
      .sort((a, b) => b.point.length - a.point.length)[0];
    const name = mount
      ? `${mount.root === '/' ? '' : mount.root}${path.slice(mount.point.length)}` || '/'
      : path;
    const v1 = locate(
      new Map([
        ['memory', name],
        ['cpuacct', name],
        ['cpu', name],
      ]),
      mounts,
      this.#root,
    );
    const v2 = locate(new Map([['', name]]), mounts, this.#root);
    // With both versions mounted, version 1 has the controllers, unless the path is in a version 2 mount.
    return mount?.controllers.length === 0 ? (v2 ?? v1) : (v1 ?? v2);
  }

  async #mountsOf(pid: number | 'self'): Promise<Mount[]> {
    return parseMounts((await readSmall(`${this.#proc}/${pid}/mountinfo`, 1024 * 1024)) ?? '');
  }
}

/** Finds the directories of a group in the mounts. */
function locate(names: CgroupNames, mounts: readonly Mount[], root: string): CgroupPath | undefined {
  const directory = (controller: string): string | undefined => {
    const name = names.get(controller);
    for (const { root: top, point, controllers } of mounts) {
      const hasController = controller === '' ? controllers.length === 0 : controllers.includes(controller);
      const rest = name === undefined || !hasController ? undefined : below(top, name);
      if (rest !== undefined && rest !== '?') return `${root}${point}${rest}`;
    }
    return undefined;
  };
  const [memory, cpuacct] = [directory('memory'), directory('cpuacct')];
  if (memory !== undefined && cpuacct !== undefined)
    return {
      name: names.get('cpuacct')!,
      directories: { version: 1, memory, cpuacct, cpu: directory('cpu') },
    };
  const unified = names.has('memory') ? undefined : directory('');
  return unified === undefined ? undefined : { name: names.get('')!, directories: { version: 2, unified } };
}

/** Maximum number of child groups that are read. */
const MAX_GROUPS = 256;

/** Ids of the processes in a group and its child groups, in weir's pid namespace. */
export async function processesIn({ directories }: CgroupPath): Promise<Set<number>> {
  const pids = new Set<number>();
  const queue = [directories.version === 2 ? directories.unified : directories.memory];
  for (let i = 0; i < queue.length && i < MAX_GROUPS; i++) {
    const text = (await readSmall(`${queue[i]}/cgroup.procs`)) ?? '';
    // 0 is a process outside weir's pid namespace.
    for (const line of text.split('\n')) if (Number(line) > 0) pids.add(Number(line));
    queue.push(...(await subdirectories(queue[i]!)));
  }
  return pids;
}

async function subdirectories(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${directory}/${name}`);
  } catch (error) {
    if (isExpected(error)) return [];
    throw error;
  }
}
