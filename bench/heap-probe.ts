// Loaded into weir by a long run (node --import): on SIGWINCH it collects all garbage and prints a line about the heap.
// Invariant: worker threads and other processes are left alone.
import { GCProfiler, setFlagsFromString } from 'node:v8';
import { isMainThread } from 'node:worker_threads';
import { runInNewContext } from 'node:vm';

/** What `heap-probe` prints: a line of JSON in the log of weir. */
export interface HeapLine {
  readonly event: 'heap';
  /** Bytes in use after a full collection. */
  readonly usedBytes: number;
  /** Scavenges since the line before. */
  readonly scavenges: number;
  /** Bytes that survived one of them, on average: those that stayed in the young generation, and those promoted. */
  readonly survivedBytes: number;
}

interface HeapSpace {
  readonly spaceName: string;
  readonly spaceUsedSize: number;
}

/** Bytes of a young generation, or of the old one. */
const used = (spaces: readonly HeapSpace[], generation: RegExp): number =>
  spaces.reduce((sum, one) => sum + (generation.test(one.spaceName) ? one.spaceUsedSize : 0), 0);

function start(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let profiler = new GCProfiler();
  profiler.start();
  process.on('SIGWINCH', () => {
    const { statistics } = profiler.stop();
    const scavenges = statistics.filter(({ gcType }) => gcType === 'Scavenge');
    const survived = scavenges.reduce((sum, { beforeGC, afterGC }) => {
      const [before, after] = [beforeGC.heapSpaceStatistics, afterGC.heapSpaceStatistics];
      return sum + used(after, /^new/) + Math.max(0, used(after, /^old/) - used(before, /^old/));
    }, 0);
    collect();
    const line: HeapLine = {
      event: 'heap',
      usedBytes: process.memoryUsage().heapUsed,
      scavenges: scavenges.length,
      survivedBytes: scavenges.length === 0 ? 0 : survived / scavenges.length,
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    profiler = new GCProfiler();
    profiler.start();
  });
}

if (isMainThread && /\/(?:src\/main\.ts|dist\/weir\/main\.js)$/.test(process.argv[1] ?? '')) start();
