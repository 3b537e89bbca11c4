// Limits repeated events, so that a replica that goes up and down all day fills neither the log nor the store.
// Must stay true: an event is passed on once, at once or at the end of its window, or counted in a later one of its key.

/** Events of one key that are passed on at once in one window. */
const BURST = 10;
const WINDOW_MS = 60_000;
/** Keys that are remembered; beyond it the oldest is given up, after its held event was passed on. */
const MAX_KEYS = 4096;

/** Passes an event on; `suppressed`: how many of its key were left out before it. */
export type PassOn = (suppressed: number) => void;

interface Window {
  readonly startMs: number;
  count: number;
  /** The latest that was not passed on. */
  held: PassOn | undefined;
  suppressed: number;
  timer: NodeJS.Timeout | undefined;
}

export class Repeats {
  readonly #windows = new Map<string, Window>();
  readonly #now: () => number;

  /** `now` gives milliseconds that only grow. */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** Passes on the first ten events of a key in a minute at once; of the rest, the latest when the minute is over. */
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

  /** Passes on what is held. */
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
    // It counts in the window that begins now.
    if (this.#windows.size < MAX_KEYS) this.#begin(key, this.#now()).count = 1;
    held(suppressed);
  }
}
