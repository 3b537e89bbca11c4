// Finds the control group of a process, and where its files are. man 7 cgroups, man 5 proc_pid_mountinfo.
// Must stay true: a group is never taken for a replica's own when somebody else is in it too.
//
// Names of groups are relative to the cgroup namespace of the reader: `/` is its own root, `/../x` stands beside it.
// A mount shows one subtree; its root is such a name too. A group that none of our mounts shows (another container of
// the pod, say) may be reached through the mounts of the process itself, at /proc/<pid>/root.
import { readdir } from 'node:fs/promises';
import type { CgroupDirectories } from './cgroup.ts';
import { isExpected, readSmall } from '../small-file.ts';

/** Controller → name of the group; the empty controller is version 2. */
export type CgroupNames = ReadonlyMap<string, string>;

/** A mounted cgroup tree. */
export interface Mount {
  /** The name of the group at its top. */
  readonly root: string;
  readonly point: string;
  /** Of version 1; empty for version 2. */
  readonly controllers: readonly string[];
}

/** A group with its files. `name` tells it from others, whichever way its files are reached. */
export interface CgroupPath {
  readonly name: string;
  readonly directories: CgroupDirectories;
}

/** Lines of /proc/<pid>/cgroup: `4:memory:/name`, `0::/name`. */
export function parseGroups(text: string): CgroupNames {
  const names = new Map<string, string>();
  for (const [, controllers, name] of text.matchAll(/^\d+:([^:]*):(\/.*)$/gm))
    for (const controller of controllers!.split(',')) names.set(controller, name!);
  return names;
}

/** The cgroup mounts of a mountinfo. */
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

/** A name as steps up from the namespace's root and then down. */
function steps(name: string): { up: number; down: string[] } {
  const parts = name.split('/').filter((part) => part !== '');
  const up = parts.findLastIndex((part) => part === '..') + 1;
  return { up, down: parts.slice(up) };
}

/** The rest of `name` below `top` ('' for itself), or `undefined` where `top` does not contain it. */
export function below(top: string, name: string): string | undefined {
  const [a, b] = [steps(top), steps(name)];
  // A plain ancestor of our root contains all that is ours, but by which path is not known.
  if (a.up > b.up) return a.down.length === 0 ? '?' : undefined;
  if (a.up < b.up || !a.down.every((part, i) => part === b.down[i])) return undefined;
  return b.down
    .slice(a.down.length)
    .map((part) => `/${part}`)
    .join('');
}

/** Groups that systemd makes for whatever a person or the machine runs: no one's own. */
const FOR_MANY = /^(?:session|app|vte-spawn|tmux-spawn)-.*\.scope$|\.slice$|^init\.scope$|^user@.*\.service$/;

/** True when a group holds only what belongs to the process: neither one of `others` nor a whole session is in it. */
export function isAlone(names: CgroupNames, others: readonly CgroupNames[]): boolean {
  return controllersOf(names).every((controller) => {
    const name = names.get(controller)!;
    if (FOR_MANY.test(name.split('/').at(-1)!)) return false;
    return others.every((other) => {
      const theirs = other.get(controller);
      return theirs === undefined || below(name, theirs) === undefined;
    });
  });
}

/** The controllers whose figures are read: version 1 where memory is there, else version 2. */
const controllersOf = (names: CgroupNames): string[] =>
  (names.has('memory') ? ['memory', 'cpuacct'] : ['']).filter((c) => names.has(c));

export class CgroupPaths {
  readonly #proc: string;
  readonly #root: string;

  /** `root` stands before every mount point: a folder that plays the file system, or '' for the real one. */
  constructor(proc: string, root: string) {
    this.#proc = proc;
    this.#root = root;
  }

  /** The groups of a process: a pid or `self`. `undefined` when it is gone. */
  async namesOf(pid: number | 'self'): Promise<CgroupNames | undefined> {
    const text = await readSmall(`${this.#proc}/${pid}/cgroup`, 64 * 1024);
    return text === undefined ? undefined : parseGroups(text);
  }

  /** Where the files of a process's group are, by our mounts or by its own. */
  async placeOf(pid: number, names: CgroupNames): Promise<CgroupPath | undefined> {
    return (
      locate(names, await this.#mountsOf('self'), this.#root) ??
      locate(names, await this.#mountsOf(pid), `${this.#proc}/${pid}/root`)
    );
  }

  /** The place that a person named: by a directory under a mount of cgroups, or by the name of the group. */
  async placeAt(path: string): Promise<CgroupPath | undefined> {
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
    // On a machine with both, version 1 has the controllers, unless the path says otherwise.
    return mount?.controllers.length === 0 ? (v2 ?? v1) : (v1 ?? v2);
  }

  async #mountsOf(pid: number | 'self'): Promise<Mount[]> {
    return parseMounts((await readSmall(`${this.#proc}/${pid}/mountinfo`, 1024 * 1024)) ?? '');
  }
}

/** The directories of groups under given mounts. */
function locate(names: CgroupNames, mounts: readonly Mount[], root: string): CgroupPath | undefined {
  const directory = (controller: string): string | undefined => {
    const name = names.get(controller);
    for (const { root: top, point, controllers } of mounts) {
      const isIts = controller === '' ? controllers.length === 0 : controllers.includes(controller);
      const rest = name === undefined || !isIts ? undefined : below(top, name);
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

/** A group may have groups below it; so many are looked at. */
const MAX_GROUPS = 256;

/** The processes in a group and in those below it, by their numbers as we see them. */
export async function processesIn({ directories }: CgroupPath): Promise<Set<number>> {
  const pids = new Set<number>();
  const queue = [directories.version === 2 ? directories.unified : directories.memory];
  for (let i = 0; i < queue.length && i < MAX_GROUPS; i++) {
    const text = (await readSmall(`${queue[i]}/cgroup.procs`)) ?? '';
    // 0 stands for a process outside our pid namespace.
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
