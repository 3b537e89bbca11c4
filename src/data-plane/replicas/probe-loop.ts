// Runs one probe repeatedly.
// Invariant: at most one probe runs at a time, and none starts after `stop`.

export class ProbeLoop {
  /** Probes once; resolves to the milliseconds until the next probe. */
  readonly #probe: () => Promise<number>;
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;
  #isWantedSoon = false;
  #isStopped = true;

  constructor(probe: () => Promise<number>) {
    this.#probe = probe;
  }

  /** Probes now and then on a timer. Resolves when the first probe has ended. */
  start(): Promise<void> {
    this.#isStopped = false;
    return this.#isRunning ? Promise.resolve() : this.#once();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Probes now, or right after the probe that is running. */
  probeSoon(): void {
    if (this.#isStopped) return;
    if (this.#isRunning) this.#isWantedSoon = true;
    else void this.#once();
  }

  async #once(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isRunning = true;
    const nextMs = await this.#probe();
    this.#isRunning = false;
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#once(), this.#isWantedSoon ? 0 : nextMs).unref();
    this.#isWantedSoon = false;
  }
}
