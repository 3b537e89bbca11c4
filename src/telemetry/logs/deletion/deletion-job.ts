// A deletion of records: what was asked, by whom, and how far it is. All jobs are in one JSON file.
// Invariant: a job is on disk before anything is hidden, so that one that was interrupted goes on after a restart.
import { join } from 'node:path';
import { readJsonFile, writeAtomic } from '../../../core/atomic-file.ts';
import type { RecordKind } from '../log-record.ts';

/**
 * `hiding`: the records are being looked for. `hidden`: no answer has them. `removed`: no file has them. `failed`: the
 * query cannot be run.
 */
export type DeletionState = 'hiding' | 'hidden' | 'removed' | 'failed';

export interface DeletionJob {
  readonly id: string;
  readonly state: DeletionState;
  /** Query, and times in nanoseconds since the epoch, both inclusive, as decimal texts. */
  readonly q: string;
  readonly from_ns: string;
  readonly to_ns: string;
  /** Id of the key of who asked; empty: no key was needed. */
  readonly by: string;
  /** The files are written anew at once, not together with other deletions. */
  readonly is_urgent: boolean;
  /** Milliseconds since the epoch: asked, hidden, and removed. */
  readonly created_ms: number;
  readonly hidden_ms?: number;
  readonly removed_ms?: number;
  /** Records with a higher sequence number stay. */
  readonly head_seq: number;
  readonly by_kind: Partial<Record<RecordKind, number>>;
  /** Annotations of the records, which were deleted with them. */
  readonly annotations: number;
  /** Rows of spans among the records, of which earlier versions may be stored. */
  readonly rows: number;
  /** Records that stay until retention deletes them, since their file has the format of an earlier version. */
  readonly unreachable: number;
  /** What went wrong last. */
  readonly problem?: string | undefined;
}

const FILE = 'deletions.json';
/** Jobs that are kept. The oldest finished ones are forgotten; their events are not. */
const MAX_JOBS = 1000;

export class DeletionJobs {
  readonly #file: string;
  #jobs: readonly DeletionJob[] = [];
  #saved: Promise<void> = Promise.resolve();

  /** `folder`: of the file. */
  constructor(folder: string) {
    this.#file = join(folder, FILE);
  }

  /** The oldest first. */
  get all(): readonly DeletionJob[] {
    return this.#jobs;
  }

  get(id: string): DeletionJob | undefined {
    return this.#jobs.find((job) => job.id === id);
  }

  /** Reads the file. `damaged`: receives the new name of a file that cannot be read. */
  async load(damaged: (renamedTo: string) => void): Promise<void> {
    const read = await readJsonFile(this.#file, damaged);
    const { jobs } = (read ?? {}) as { jobs?: unknown };
    if (Array.isArray(jobs)) this.#jobs = jobs as DeletionJob[];
  }

  /** Adds a job, or replaces the one with its id. Resolves when it is on disk. */
  put(job: DeletionJob): Promise<void> {
    const others = this.#jobs.filter(({ id }) => id !== job.id);
    const all = [...others, job].sort((a, b) => a.created_ms - b.created_ms);
    const finished = all.filter(({ state }) => state === 'removed');
    const surplus = new Set(finished.slice(0, Math.max(0, all.length - MAX_JOBS)));
    this.#jobs = all.filter((one) => !surplus.has(one));
    const save = (): Promise<void> =>
      writeAtomic(this.#file, `${JSON.stringify({ jobs: this.#jobs }, null, 2)}\n`);
    return (this.#saved = this.#saved.then(save, save));
  }
}
