// When each key was last used, kept in a file over restarts.
// Invariant: at most one write a minute. If the process is killed, at most a minute of uses is lost.
import { readJsonFile, writeAtomic } from '../atomic-file.ts';
import { describe } from '../errors.ts';
import type { Component } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';

const SAVE_MS = 60_000;

/** The last use of one key. It is changed in place, since clients use keys with each request. */
export interface LastUse {
  /** Milliseconds since the epoch; 0: not known. */
  ms: number;
}

/** Where the times are while weir runs. */
export interface LastUseTable {
  readonly lastUses: ReadonlyMap<string, LastUse>;
  /** The last use of the key with an id. */
  lastUseOf(id: string): LastUse;
}

export class KeyLastUses implements Component {
  readonly name = 'key last uses';
  readonly #file: string;
  readonly #keys: LastUseTable;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  /** What the file has. */
  #stored = '';
  #hasFailed = false;

  constructor(file: string, keys: LastUseTable, log: Logger) {
    this.#file = file;
    this.#keys = keys;
    this.#log = log;
  }

  /** Reads the times. Without a usable file they are not known. */
  async start(): Promise<void> {
    const unusable = (problem: string): void =>
      this.#log.warn('it is not known when keys were last used, since the file is unusable', {
        file: this.#file,
        problem,
      });
    try {
      const value = await readJsonFile(this.#file, (aside) => unusable(`not JSON; renamed to ${aside}`));
      for (const [id, time] of Object.entries(value ?? {})) {
        const ms = Date.parse(String(time));
        const use = this.#keys.lastUseOf(id);
        if (ms > use.ms) use.ms = ms;
      }
      this.#stored = this.#text();
    } catch (error) {
      unusable(describe(error));
    }
    this.#timer = setInterval(() => void this.#save(), SAVE_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#save();
  }

  #text(): string {
    const used = Array.from(this.#keys.lastUses).filter(([, { ms }]) => ms > 0);
    return JSON.stringify(Object.fromEntries(used.map(([id, { ms }]) => [id, new Date(ms).toISOString()])));
  }

  async #save(): Promise<void> {
    const text = this.#text();
    if (text === this.#stored || (this.#stored === '' && text === '{}')) return;
    try {
      await writeAtomic(this.#file, `${text}\n`);
      this.#stored = text;
      this.#hasFailed = false;
    } catch (error) {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.#log.warn('times of the last use of keys cannot be stored', {
        file: this.#file,
        problem: describe(error),
      });
    }
  }
}
