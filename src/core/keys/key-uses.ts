// What all clients have used in all threads, by the name of their keys. The cost of the day is kept in a file, so that a
// restart does not refill a budget.
// Invariant: at most SAVE_MS of cost are lost if the process is killed; nothing is lost if it ends by itself.
import { readJsonFile, writeAtomic } from '../atomic-file.ts';
import { describe } from '../errors.ts';
import type { Component } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { dayOf, type KeyUse } from './key-use.ts';
import { KeyUseTable, type SharedKeyUses } from './key-use-table.ts';

/** Time between two writes of the file, while costs change. */
const SAVE_MS = 5000;
/** Names with counts of their own. Further ones are counted together under OTHER_KEYS. */
const MAX_NAMES = 100;
export const OTHER_KEYS = 'other';

/** Counts of the clients with one label of metrics. */
export interface KeyTotals {
  readonly key: string;
  readonly uses: readonly KeyUse[];
}

export class KeyUses implements Component {
  readonly name = 'key uses';
  readonly #file: string;
  readonly #log: Logger;
  readonly #table: KeyUseTable;
  #timer: NodeJS.Timeout | undefined;
  /** What the file has. */
  #stored = '';
  #hasFailed = false;

  /** `file`: keeps the cost of the day. `threads`: how many serve requests. */
  constructor(file: string, log: Logger, threads = 1) {
    this.#file = file;
    this.#log = log;
    this.#table = new KeyUseTable(threads);
  }

  /** Reads the costs of this day. Without a usable file they begin at 0. */
  async start(): Promise<void> {
    try {
      const value = await readJsonFile(this.#file, (renamedTo) =>
        this.#log.warn('costs of clients begin at 0, since their file is damaged', { renamed_to: renamedTo }),
      );
      this.#restore(value);
      this.#stored = this.#text();
    } catch (error) {
      this.#log.warn('costs of clients begin at 0, since their file cannot be read', {
        file: this.#file,
        problem: describe(error),
      });
    }
    this.#timer = setInterval(() => void this.#save(), SAVE_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#save();
  }

  /** The use of all keys of a name. */
  of(name: string): KeyUse {
    return this.#table.of(name);
  }

  /** Requests without a key of a client: no key, a wrong one, one that has expired. */
  get unknown(): KeyUse {
    return this.#table.unknown;
  }

  /** What another thread must know before it has keys of these names. It makes a KeyUseTable of it. */
  share(names: Iterable<string>): SharedKeyUses {
    return this.#table.share(names);
  }

  /** A thread is gone, and its requests with it. */
  lost(thread: number): void {
    this.#table.lost(thread);
  }

  /** The totals by label: one for each of the first MAX_NAMES names, and one for all others. */
  totals(): KeyTotals[] {
    const uses = this.#table.seen();
    const own = uses.slice(0, MAX_NAMES).map((use) => ({ key: use.name, uses: [use] }));
    const others = uses.slice(MAX_NAMES);
    const other = own.find(({ key }) => key === OTHER_KEYS);
    if (other) other.uses.push(...others);
    else if (others.length > 0) own.push({ key: OTHER_KEYS, uses: others });
    return own;
  }

  #restore(value: unknown): void {
    const { day, costs } = (value ?? {}) as { day?: unknown; costs?: unknown };
    if (day !== dayOf(Date.now()) || typeof costs !== 'object' || costs === null) return;
    for (const [name, cost] of Object.entries(costs))
      if (typeof cost === 'number' && cost > 0) this.of(name).spend(cost, day);
  }

  /** The costs of this day; empty if there are none. */
  #text(): string {
    const day = dayOf(Date.now());
    const costs = Array.from(this.#table.uses(), (use) => [use.name, use.costOn(day)] as const);
    const above = costs.filter(([, cost]) => cost > 0);
    return above.length === 0 ? '' : JSON.stringify({ day, costs: Object.fromEntries(above) });
  }

  async #save(): Promise<void> {
    const text = this.#text();
    if (text === '' || text === this.#stored) return;
    try {
      await writeAtomic(this.#file, `${text}\n`);
      this.#stored = text;
      this.#hasFailed = false;
    } catch (error) {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.#log.warn('costs of clients cannot be stored; a restart would lose them', {
        file: this.#file,
        problem: describe(error),
      });
    }
  }
}
