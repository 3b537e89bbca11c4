// Stops a reader of the log store: ends its waits at once, and aborts its work when the time for the stop is over.

export class StopControl {
  readonly #aborting = new AbortController();
  #isStopping = false;
  /** Ends the wait of this moment, if there is one. */
  #endWait: (() => void) | undefined;
  #isWaitForRecord = false;

  /** True after `stop`: stored records are still sent, but nothing is waited for. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** True after `abort`. */
  get isAborted(): boolean {
    return this.#aborting.signal.aborted;
  }

  /** Fires at `abort`. */
  get signal(): AbortSignal {
    return this.#aborting.signal;
  }

  stop(): void {
    this.#isStopping = true;
    this.#endWait?.();
  }

  abort(): void {
    this.#aborting.abort();
  }

  /** Ends the wait of this moment. */
  interrupt(): void {
    this.#endWait?.();
  }

  /** Ends `waitForRecord`. */
  recordStored(): void {
    if (this.#isWaitForRecord) this.#endWait?.();
  }

  /** Waits `ms` milliseconds, or until `stop`. */
  wait(ms: number): Promise<void> {
    return this.#wait(ms);
  }

  /** Waits until `recordStored`, or until `stop`. */
  waitForRecord(): Promise<void> {
    return this.#wait(undefined);
  }

  async #wait(ms: number | undefined): Promise<void> {
    if (this.#isStopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    this.#endWait = resolve;
    this.#isWaitForRecord = ms === undefined;
    await promise;
    this.#endWait = undefined;
    this.#isWaitForRecord = false;
    clearTimeout(timer);
  }
}
