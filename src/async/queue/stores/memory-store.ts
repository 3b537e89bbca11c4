// The store in memory: the same promises as the others, but for the one that matters: nothing survives the process.
// Must stay true: it is the same tables, in SQLite's memory: two sets of rules would drift apart.
import { SqliteFile } from '../../../core/sqlite-file.ts';
import { Tables } from './sqlite-tables.ts';
import type { Added, Store, StoreEvents } from '../store.ts';
import type { Depth, Ending, NewTask, TaskError } from '../task.ts';

const NOTHING: Depth = { queued: 0, inProgress: 0 };

export class MemoryStore implements Store {
  readonly #tables: Tables;
  readonly #events: StoreEvents;

  constructor(maxBytes: number, events: StoreEvents) {
    this.#tables = new Tables(new SqliteFile(':memory:', { sync: 'off', maxBytes }));
    this.#events = events;
  }

  open(): Promise<void> {
    this.#tables.create();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#tables.close();
    return Promise.resolve();
  }

  async add(task: NewTask, maxTasks: number): Promise<Added> {
    const added = this.#tables.transaction(() => this.#tables.add(task, maxTasks));
    this.#events.work();
    return added;
  }

  status = async (id: string) => this.#tables.status(id);

  cancel = async (id: string, nowMs: number, retentionMs: number) =>
    this.#tables.cancel(id, nowMs, retentionMs);

  result = async (id: string) => this.#tables.result(id);

  claim = async (deployment: string, nowMs: number, retentionMs: number) =>
    this.#tables.claim(deployment, nowMs, retentionMs, this.#events.expired);

  rest = async (id: string, dueMs: number, error: TaskError) => this.#tables.rest(id, dueMs, error);

  giveBack = async (id: string) => this.#tables.giveBack(id);

  async finish(id: string, ending: Ending, nowMs: number, retentionMs: number): Promise<void> {
    this.#tables.finish(id, ending, nowMs, retentionMs);
    this.#events.work();
  }

  claimDelivery = async (nowMs: number, busy?: readonly string[]) => this.#tables.claimDelivery(nowMs, busy);

  deliverLater = async (id: string, dueMs: number) => this.#tables.deliverLater(id, dueMs);

  delivered = async (id: string, isTaken: boolean, nowMs: number, retentionMs: number) =>
    this.#tables.delivered(id, isTaken, nowMs, retentionMs);

  async sweep(nowMs: number, retentionMs: number): Promise<void> {
    if (this.#tables.sweep(nowMs, retentionMs, this.#events.expired)) this.#events.work();
  }

  depth(deployment: string): Depth {
    return this.#tables.depths()[deployment] ?? NOTHING;
  }
}
