// A folder with the files of a Linux machine: /proc with processes and mounts, /sys/fs/cgroup with groups.
import { folder } from './folder.ts';

/** Lines of a mountinfo for version 2. `root`: the group at the mount point, as the reader sees it. */
export const mountV2 = (root = '/', point = '/sys/fs/cgroup'): string =>
  `23 28 0:22 / /proc rw,nosuid - proc proc rw
29 23 0:26 ${root} ${point} rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`;

/** Lines of a mountinfo with cgroup v1, mounted as by Docker: cpu and cpuacct together. */
export const mountV1 = (root = '/'): string =>
  `30 24 0:27 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
33 30 0:30 ${root} /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:15 - cgroup cgroup rw,cpu,cpuacct
37 30 0:34 ${root} /sys/fs/cgroup/memory rw,relatime shared:19 - cgroup cgroup rw,memory
41 30 0:38 / /sys/fs/cgroup/unified rw,relatime shared:23 - cgroup2 cgroup2 rw
`;

/** /proc/<pid>/cgroup with the same group for every v1 controller. */
export const groupsV1 = (name: string): string =>
  `12:memory:${name}\n4:cpu,cpuacct:${name}\n1:name=systemd:${name}\n0::/\n`;

/** /proc/<pid>/stat, recorded on Linux 6.1. */
export const stat = (
  pid: number,
  { name = 'python3', state = 'S', parent = 1, group = pid, ticks = [0, 0, 0, 0], started = 5000 } = {},
): string =>
  `${pid} (${name}) ${state} ${parent} ${group} ${group} 0 -1 4194560 1201 0 3 0 ${ticks.join(' ')} 20 0 9 0 ${started} 2411724800 51423 18446744073709551615 1 1 0 0 0 0 0 16781312 134235399 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n`;

/** The memory lines of /proc/<pid>/status, in KiB. */
export const status = ({ anonymous = 0, file = 0, shared = 0 }): string =>
  `Name:\tpython3\nVmRSS:\t${anonymous + file + shared} kB\nRssAnon:\t${anonymous} kB\nRssFile:\t${file} kB\nRssShmem:\t${shared} kB\nThreads:\t9\n`;

/** The files of a cgroup v2 group. */
export const filesV2 = (directory: string, { micros = 0, throttled = 0, current = 0, inactive = 0 }) => ({
  [`${directory}/cpu.stat`]: `usage_usec ${micros}\nuser_usec ${micros}\nsystem_usec 0\nnr_periods 88\nnr_throttled 4\nthrottled_usec ${throttled}\n`,
  [`${directory}/memory.current`]: `${current}\n`,
  [`${directory}/memory.stat`]: `anon 1000\nfile 2000\ninactive_anon 900\nactive_anon 100\ninactive_file ${inactive}\nactive_file 77\n`,
});

/** The files of a cgroup v1 group. */
export const filesV1 = (name: string, { nanos = 0, throttled = 0, usage = 0, inactive = 0 }) => ({
  [`sys/fs/cgroup/cpu,cpuacct${name}/cpuacct.usage`]: `${nanos}\n`,
  [`sys/fs/cgroup/cpu,cpuacct${name}/cpu.stat`]: `nr_periods 7\nnr_throttled 2\nthrottled_time ${throttled}\n`,
  [`sys/fs/cgroup/memory${name}/memory.usage_in_bytes`]: `${usage}\n`,
  [`sys/fs/cgroup/memory${name}/memory.stat`]: `cache 5\nrss 6\ninactive_file 1\nactive_file 2\ntotal_cache 50\ntotal_inactive_file ${inactive}\ntotal_active_file 20\n`,
});

/** Makes a machine from files. Paths begin with proc/ or sys/. */
export function machine(files: Record<string, string>): { proc: string; root: string } {
  const root = folder(files);
  return { proc: `${root}/proc`, root };
}
