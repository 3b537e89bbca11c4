// Loaded into weir by bench/page.ts, with --import: measures the turns of the event loop of the thread that forwards requests.
// Invariant: a turn is measured in CPU time of this thread, so that other load on the machine does not count.
import { isMainThread } from 'node:worker_threads';

/** What the parent process sends, and what it gets for `end`. */
export type TurnOrder = 'begin' | 'end';
export interface TurnReport {
  /** The turns that took longest, the longest first, in microseconds. */
  readonly longest: readonly number[];
  /** CPU time of turns of 60 µs and more: what shorter ones took is mostly that of the watch. */
  readonly total: number;
}

const KEPT = 5;
const LEAST_MICROS = 60;

let isOn = false;
let longest: number[] = [];
let total = 0;
let lastMicros = 0;

const never = new Int32Array(new SharedArrayBuffer(4));
/** Linux counts the CPU time of a thread up to its last sleep or tick (4 ms), so that it must sleep first. */
const SLEEP_MS = 0.02;

function cpuMicrosNow(): number {
  Atomics.wait(never, 0, 0, SLEEP_MS);
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function turn(): void {
  const now = cpuMicrosNow();
  const micros = now - lastMicros;
  lastMicros = now;
  if (micros >= LEAST_MICROS) {
    total += micros;
    longest = [...longest, micros].sort((a, b) => b - a).slice(0, KEPT);
  }
  if (isOn) setImmediate(turn);
}

if (isMainThread)
  process.on('message', (order: TurnOrder) => {
    if (order === 'begin') {
      isOn = true;
      longest = [];
      total = 0;
      // Not in this turn, so that the work of this message does not count.
      setImmediate(() => {
        lastMicros = cpuMicrosNow();
        process.send!('begun');
        setImmediate(turn);
      });
    } else {
      isOn = false;
      process.send!({ longest, total } satisfies TurnReport);
    }
  });
