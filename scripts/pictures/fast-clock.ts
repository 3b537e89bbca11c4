// Preloaded into weir when pictures of the page are taken: an hour passes in a few minutes, so that charts are full.
// Invariant: all threads see the same time, it never goes back, and from a given moment on it is the real time.
// Environment: PICTURE_CLOCK=END,RATE: until END, milliseconds since the epoch, time passes RATE times as fast.
import { hrtime } from 'node:process';

const [endMs, rate] = process.env['PICTURE_CLOCK']!.split(',').map(Number) as [number, number];

/** The shown time at a real time, both in milliseconds since the epoch. */
const shown = (realMs: number): number => (realMs >= endMs ? realMs : endMs - (endMs - realMs) * rate);

const originMs = performance.timeOrigin;
const steady = performance.now.bind(performance);
const shownOriginMs = shown(originMs);
const now = (): number => shown(originMs + steady());

performance.now = () => now() - shownOriginMs;
Object.defineProperty(performance, 'timeOrigin', { get: () => shownOriginMs });
hrtime.bigint = () => BigInt(Math.round((now() - shownOriginMs) * 1000)) * 1000n;
/** Shorter waits are those of machines, such as the time until a drain; they stay. */
const LEAST_MS = 1000;
const later = globalThis.setTimeout;
globalThis.setTimeout = Object.assign(
  (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
    later(run, ms >= LEAST_MS && originMs + steady() < endMs ? ms / rate : ms, ...args),
  later,
);
globalThis.Date = class extends Date {
  static override now(): number {
    return Math.floor(now());
  }
  constructor(...args: ConstructorParameters<typeof Date> | []) {
    if (args.length === 0) super(Math.floor(now()));
    else super(...args);
  }
} as DateConstructor;
