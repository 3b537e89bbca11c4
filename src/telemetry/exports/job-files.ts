// The folder of export jobs: a JSON file for each job, and beside it the file that the job writes.
// Invariant: a job that was saved is on disk. A file without a job is deleted at the start.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonFile, setAside, writeAtomic } from '../../core/atomic-file.ts';
import { isStoredJob, type StoredExportJob } from './export-job.ts';
import { sizeOf } from './output-file.ts';

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const JOB_FILE = new RegExp(`^(${UUID})\\.json$`);
const DATA_FILE = new RegExp(`^(${UUID})\\.data$`);
const TEMPORARY = /\.tmp$/;

export class JobFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The file that a job writes. */
  dataPath(id: string): string {
    return join(this.#folder, `${id}.data`);
  }

  /** Reads all jobs, and deletes what belongs to none. `problem` is called for each file that is not a job. */
  async load(problem: (text: string) => void): Promise<StoredExportJob[]> {
    const names = this.#names();
    const jobs: StoredExportJob[] = [];
    for (const name of names) {
      const id = JOB_FILE.exec(name)?.[1];
      if (id === undefined) continue;
      const file = join(this.#folder, name);
      const value = await readJsonFile(file, (aside) => problem(`${file} is not JSON; renamed to ${aside}`));
      if (isStoredJob(value, id)) jobs.push(this.#checked(value));
      else if (value !== undefined)
        problem(`${file} is not an export job; renamed to ${await setAside(file)}`);
    }
    const ids = new Set(jobs.map(({ id }) => id));
    for (const name of names) {
      const id = DATA_FILE.exec(name)?.[1];
      if (TEMPORARY.test(name) || (id !== undefined && !ids.has(id)))
        rmSync(join(this.#folder, name), { force: true });
    }
    return jobs;
  }

  /** Resolves when the job is on disk. */
  save(job: StoredExportJob): Promise<void> {
    return writeAtomic(join(this.#folder, `${job.id}.json`), JSON.stringify(job));
  }

  deleteData(id: string): void {
    rmSync(this.dataPath(id), { force: true });
  }

  delete(id: string): void {
    rmSync(join(this.#folder, `${id}.json`), { force: true });
    this.deleteData(id);
  }

  /** The job with `hasFile` as it is, since the file may have been deleted. */
  #checked(job: StoredExportJob): StoredExportJob {
    const hasFile = job.hasFile && sizeOf(this.dataPath(job.id)) === job.bytes;
    // Jobs of earlier versions have no history.
    const { history = [] } = job as Partial<StoredExportJob>;
    return { ...job, hasFile, history };
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }
}
