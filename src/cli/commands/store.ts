// weir store: deletes records of a running weir, backs up its data folder, and restores it.
// Invariant: nothing is deleted without --where, and with --dry-run nothing is deleted at all.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { load } from '../../config/config.ts';
import { describe } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { restoreBackup } from '../../telemetry/logs/logs.ts';
import { CLIENT_FILES_HELP } from '../client-tls.ts';
import type { Command } from '../command.ts';
import { AdminError, callAdmin, CODES } from '../logs/admin-client.ts';
import { adminTarget, TARGET_FLAGS } from '../logs/admin-target.ts';
import { printProblems } from '../usage-errors.ts';

const FLAGS = {
  where: { type: 'string' },
  start: { type: 'string' },
  end: { type: 'string' },
  'dry-run': { type: 'boolean' },
  urgent: { type: 'boolean' },
  ...TARGET_FLAGS,
} as const;

/** Pause between two questions about a deletion that takes long. */
const PAUSE_MS = 1000;

interface Deletion {
  readonly id?: string;
  readonly state?: string;
  readonly records: number;
  readonly annotations: number;
  readonly unreachable?: number;
  readonly problem?: string;
  readonly elsewhere?: { readonly export_files: number; readonly damaged_files: number };
}

async function deleteRecords(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: FLAGS });
  const { where, start, end, 'dry-run': dryRun, urgent } = values;
  if (where === undefined || where.trim() === '')
    return printProblems(['--where: give a query, such as request_id:ID or metadata.user:ann']);
  const problems: string[] = [];
  const target = adminTarget(values, process.env, problems);
  if (target === undefined) return printProblems(problems);
  const body = { q: where, start, end, dry_run: dryRun, urgent };
  let job = (await callAdmin(target, 'POST', '/v1/logs/deletions', body)) as Deletion;
  const { elsewhere } = job;
  while (job.state === 'hiding') {
    await new Promise((resolve) => void setTimeout(resolve, PAUSE_MS));
    job = (await callAdmin(target, 'GET', `/v1/logs/deletions/${job.id}`)) as Deletion;
  }
  const verb = dryRun === true ? 'would be deleted' : `deleted (${job.id})`;
  process.stdout.write(`${job.records} records ${verb}, and ${job.annotations} annotations of them\n`);
  const warn = (text: string): void => void process.stderr.write(`weir: ${text}\n`);
  if (job.problem !== undefined) warn(job.problem);
  if (job.unreachable !== undefined)
    warn(`${job.unreachable} records are in files of an earlier version; logs.retention deletes them`);
  if (elsewhere && elsewhere.export_files > 0)
    warn(`${elsewhere.export_files} files of finished exports may have such records; delete them too`);
  if (elsewhere && elsewhere.damaged_files > 0)
    warn(`${elsewhere.damaged_files} damaged files beside the store may have such records; delete them too`);
  return job.state === 'failed' ? CODES.failed : CODES.ok;
}

interface Backup {
  readonly state: string;
  readonly dir: string;
  readonly files: number;
  readonly bytes: number;
  readonly head_seq: number;
  readonly problem?: string;
}

async function backUp(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: TARGET_FLAGS,
    allowPositionals: true,
  });
  const [dir, ...more] = positionals;
  if (dir === undefined || more.length > 0) return printProblems(['usage: weir store backup DIR']);
  const problems: string[] = [];
  const target = adminTarget(values, process.env, problems);
  if (target === undefined) return printProblems(problems);
  let backup = (await callAdmin(target, 'POST', '/v1/store/backup', { dir: resolve(dir) })) as Backup;
  while (backup.state === 'running') {
    await new Promise((done) => void setTimeout(done, PAUSE_MS));
    backup = (await callAdmin(target, 'GET', '/v1/store/backup')) as Backup;
  }
  if (backup.state !== 'finished') {
    process.stderr.write(`weir: backup failed: ${backup.problem}\n`);
    return CODES.failed;
  }
  const { files, bytes, head_seq: headSeq } = backup;
  process.stdout.write(`${files} files, ${formatBytes(bytes)}, records up to ${headSeq} in ${backup.dir}\n`);
  return CODES.ok;
}

function restore([dir, ...args]: readonly string[]): Promise<number> {
  if (dir === undefined || dir.startsWith('-'))
    return Promise.resolve(printProblems(['usage: weir store restore DIR [--data-dir PATH]']));
  const loaded = load(args, process.env, { replica: false });
  if (!loaded.ok) return Promise.resolve(printProblems(loaded.problems));
  const to = loaded.config.data.dir;
  const restored = restoreBackup(dir, to);
  if (typeof restored === 'string') {
    process.stderr.write(`weir: ${restored}\n`);
    return Promise.resolve(CODES.failed);
  }
  const { files, created_at: createdAt } = restored;
  process.stdout.write(
    `restored ${files.length} files of ${createdAt} into ${to}; start weir with this folder\n`,
  );
  return Promise.resolve(CODES.ok);
}

const ACTIONS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  delete: deleteRecords,
  backup: backUp,
  restore,
};

export const store: Command = {
  usage: 'store delete --where QUERY … | store backup DIR | store restore DIR',
  details: () => `weir store delete --where QUERY [--start TIME] [--end TIME] [--dry-run] [--urgent]
Records are gone from all answers when the command ends, and from the files within a day.

  --where QUERY     the records, in the query language of weir logs
  --start, --end TIME
                    only records of this time; ISO 8601, without a zone: UTC
  --dry-run         count the records and delete none
  --urgent          write the files anew at once, not together with other deletions

weir store backup DIR
DIR is an empty or new folder on the machine of weir.

weir store restore DIR [--data-dir PATH]
Makes a data folder of a backup. The folder must be empty or new, and no weir may use it.

  --url URL         URL of the admin server [WEIR_CLIENT_URL, http://127.0.0.1:9464]
  --key KEY         API key with the scope admin [WEIR_CLIENT_KEY]
${CLIENT_FILES_HELP}`,
  async run([action = '', ...args]) {
    const work = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    if (work === undefined)
      return printProblems([`unknown action; usage: weir store ${Object.keys(ACTIONS).join('|')}`]);
    try {
      return await work(args);
    } catch (error) {
      // A TypeError is about flags that parseArgs does not know.
      if (error instanceof TypeError && 'code' in error) return printProblems([describe(error)]);
      if (!(error instanceof AdminError)) throw error;
      process.stderr.write(`weir: ${error.message}\n`);
      return error.code;
    }
  },
};
