// Settings of export jobs (section `export_jobs`): how much a job may write, and how long its file is kept.
import { bytes, duration, int, section, type Settings } from '../../core/settings.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export const exportJobsOptions = section({
  max_rows: int({
    default: 50_000,
    min: 0,
    max: 1_000_000_000,
    doc: 'Maximum rows of an export job. 0: no limit.',
  }),
  lifetime: duration({
    default: 7 * DAY,
    min: 60_000,
    max: 366 * DAY,
    doc: 'Time after which the file of a finished job is deleted. The job stays in the list.',
  }),
  url_lifetime: duration({
    default: HOUR,
    min: 10_000,
    max: 7 * DAY,
    doc: 'Time for which the URL of a file can be used.',
  }),
  max_bytes: bytes({
    default: 4 * 1024 ** 3,
    min: 1024 ** 2,
    doc: 'Maximum size of the files of all jobs. The oldest files are deleted to make room; a job that needs more than this fails.',
  }),
  max_jobs: int({
    default: 1000,
    min: 1,
    max: 100_000,
    doc: 'Maximum number of jobs that are kept. The oldest ones that are not running are deleted.',
  }),
});
export type ExportJobsOptions = Settings<typeof exportJobsOptions>;
