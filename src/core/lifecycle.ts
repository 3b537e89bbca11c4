// What lives: parts that are started in order and stopped in reverse under one deadline.
// Must stay true: whoever starts is stopped, once, also when a later part fails to start.
import type { Logger } from './logger.ts';

export interface Component {
  readonly name: string;
  start(): void | Promise<void>;
  /** Must return by `deadlineMs` (performance.now()) at the latest; it may cut what is still running then. */
  stop(deadlineMs: number): void | Promise<void>;
}

/** Starts parts in the order given; `stop` undoes it in reverse. */
export class Lifecycle {
  readonly #parts: readonly Component[];
  readonly #log: Logger;
  #started: Component[] = [];

  constructor(parts: readonly Component[], log: Logger) {
    this.#parts = parts;
    this.#log = log;
  }

  /** Starts all parts, or stops those already started and throws what went wrong. */
  async start(): Promise<void> {
    for (const part of this.#parts) {
      try {
        this.#started.push(part);
        await part.start();
      } catch (error) {
        await this.stop(performance.now() + 1000);
        throw error;
      }
    }
  }

  /** Stops in reverse. A part that fails to stop is named in the log and does not keep the others from it. */
  async stop(deadlineMs: number): Promise<void> {
    const parts = this.#started.reverse();
    this.#started = [];
    for (const part of parts) {
      try {
        await part.stop(deadlineMs);
      } catch (error) {
        this.#log.error('part failed to stop', { part: part.name, error: String(error) });
      }
    }
  }
}
