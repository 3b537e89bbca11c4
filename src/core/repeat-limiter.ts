// Limits repeated events, so that a replica that keeps going up and down does not fill the log and the store.
// Invariant: each event is either passed on once (at once, or when its window ends) or counted in a later one of its
// key.

/** Events of one key that are passed on at once in one window. */
const BURST = 10;
const WINDOW_MS = 60_000;
/** Number of keys with a window. When it is exceeded the oldest window ends, and its held event is passed on. */
const MAX_KEYS = 4096;

/** Passes an event on. `suppressed`: the number of events of its key that were left out before it. */
export type PassOn = (suppressed: number) => void;

interface Window {
  readonly startMs: number;
  count: number;
  /** The latest event that was not passed on yet. */
  held: PassOn | undefined;
  suppressed: number;
  timer: NodeJS.Timeout | undefined;
}

export class RepeatLimiter {
  readonly #windows = new Map<string, Window>();
  readonly #now: () => number;

  /** `now` gives milliseconds that only grow. */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Passes on the first ten events of a key in a minute immediately, and the latest of the others when the minute ends.
   */
  take(key: string, passOn: PassOn): void {
    const nowMs = this.#now();
    let window = this.#windows.get(key);
    if (window !== undefined && nowMs - window.startMs >= WINDOW_MS) {
      this.#end(key, window);
      window = this.#windows.get(key);
    }
    window ??= this.#begin(key, nowMs);
    if (window.count < BURST) {
      window.count++;
      return passOn(0);
    }
    if (window.held !== undefined) window.suppressed++;
    window.held = passOn;
    const { startMs } = window;
    const due = window;
    window.timer ??= setTimeout(() => this.#end(key, due), startMs + WINDOW_MS - nowMs).unref();
  }

  /** Passes on the held events of all keys. */
  flush(): void {
    for (const [key, window] of Array.from(this.#windows)) this.#end(key, window);
  }

  #begin(key: string, nowMs: number): Window {
    const [oldest] = this.#windows;
    if (this.#windows.size >= MAX_KEYS && oldest) this.#end(...oldest);
    const window: Window = { startMs: nowMs, count: 0, held: undefined, suppressed: 0, timer: undefined };
    this.#windows.set(key, window);
    return window;
  }

  #end(key: string, window: Window): void {
    clearTimeout(window.timer);
    if (this.#windows.get(key) === window) this.#windows.delete(key);
    const { held, suppressed } = window;
    window.held = undefined;
    if (held === undefined) return;
    // The held event counts in the window that begins now.
    if (this.#windows.size < MAX_KEYS) this.#begin(key, this.#now()).count = 1;
    held(suppressed);
  }
}
