// Why an export job was not changed, or has no file.
// Invariant: a message is for clients: what is wrong, and with which job.
import type { ExportJob } from './export-job.ts';

export interface ExportRefusal {
  /** `no_room`: the disk is full, or cannot be written. */
  readonly refused: 'not_found' | 'wrong_state' | 'too_many' | 'no_room' | 'invalid';
  /** For clients. */
  readonly message: string;
}

export const notFound = (id: string): ExportRefusal => ({
  refused: 'not_found',
  message: `export ${id} was not found`,
});

/** `done`: what cannot be done, such as `started`. */
export const wrongState = ({ id, state }: ExportJob, done: string): ExportRefusal => ({
  refused: 'wrong_state',
  message: `export ${id} is ${state}, so it cannot be ${done}`,
});

export const fileGone = (id: string): ExportRefusal => ({
  refused: 'not_found',
  message: `the file of export ${id} was deleted; start the export again`,
});

export const tooMany = (most: number): ExportRefusal => ({
  refused: 'too_many',
  message: `${most} exports are running, which is the maximum (export_jobs.max_jobs)`,
});

export const tooManyPreviews = (most: number): ExportRefusal => ({
  refused: 'too_many',
  message: `${most} previews are being read, which is the maximum; ask again in a second`,
});

export const noRoom = (problem: string): ExportRefusal => ({
  refused: 'no_room',
  message: `the disk of the data folder is full: ${problem}`,
});

/** `code`: of the error of the file system. */
export const notWritable = (code: string): ExportRefusal => ({
  refused: 'no_room',
  message: `the data folder cannot be written (${code})`,
});

export const invalid = (message: string): ExportRefusal => ({ refused: 'invalid', message });
