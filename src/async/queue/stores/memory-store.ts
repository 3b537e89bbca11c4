// Task store in memory: the tables of the file store in an in-memory SQLite database. Tasks are lost with the process.
import { SqliteFile } from '../../../core/sqlite-file.ts';
import { SqliteTables } from './sqlite-tables.ts';
import type { AddResult, TaskStore, TaskStoreEvents } from '../store.ts';
import type { QueueDepth, TaskEnding, NewTask, TaskError, TaskQuery } from '../task.ts';

const NOTHING: QueueDepth = { queued: 0, inProgress: 0 };

export class MemoryStore implements TaskStore {
  readonly #tables: SqliteTables;
  readonly #events: TaskStoreEvents;

  constructor(maxBytes: number, events: TaskStoreEvents) {
    this.#tables = new SqliteTables(new SqliteFile(':memory:', { sync: 'off', maxBytes }));
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

  async add(task: NewTask, maxTasks: number): Promise<AddResult> {
    const added = this.#tables.transaction(() => this.#tables.add(task, maxTasks));
    this.#events.added();
    return added;
  }

  status = async (id: string) => this.#tables.status(id);

  cancel = async (id: string, nowMs: number, retentionMs: number) =>
    this.#tables.cancel(id, nowMs, retentionMs);

  result = async (id: string) => this.#tables.result(id);

  facts = async (id: string) => this.#tables.facts(id);

  nextToExpire = async () => this.#tables.nextToExpire();

  list = async (query: TaskQuery) => this.#tables.list(query);

  claim = async (deployment: string, nowMs: number, retentionMs: number) =>
    this.#tables.claim(deployment, nowMs, retentionMs, this.#events.expired);

  retryLater = async (id: string, dueMs: number, error: TaskError) =>
    this.#tables.retryLater(id, dueMs, error);

  giveBack = async (id: string) => this.#tables.giveBack(id);

  async finish(id: string, ending: TaskEnding, nowMs: number, retentionMs: number): Promise<void> {
    this.#tables.finish(id, ending, nowMs, retentionMs);
    this.#events.work();
  }

  claimDelivery = async (nowMs: number, busy?: readonly string[]) => this.#tables.claimDelivery(nowMs, busy);

  deliverLater = async (id: string, dueMs: number) => this.#tables.deliverLater(id, dueMs);

  finishDelivery = async (id: string, isDelivered: boolean, nowMs: number, retentionMs: number) =>
    this.#tables.finishDelivery(id, isDelivered, nowMs, retentionMs);

  async sweep(nowMs: number, retentionMs: number): Promise<void> {
    if (this.#tables.sweep(nowMs, retentionMs, this.#events.expired)) this.#events.work();
  }

  depth(deployment: string): QueueDepth {
    return this.#tables.depths()[deployment] ?? NOTHING;
  }
}
