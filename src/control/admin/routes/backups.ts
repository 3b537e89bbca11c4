// Routes of backups of the data folder.
// Invariant: a backup is written by the process of weir, so its folder is on the machine of weir.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { unknownName } from '../../../core/nearest-name.ts';
import type { Backups } from '../../../telemetry/logs/logs.ts';
import { fail, failProblems, json, type Endpoint } from '../endpoint.ts';
import { jsonBody } from '../read-body.ts';
import { failCaptureOff } from './logs.ts';

export interface WithBackups {
  /** `undefined`: logs.capture is off. */
  readonly backups: Backups | undefined;
}

async function begin({ backups }: WithBackups, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (backups === undefined) return failCaptureOff(req, res);
  const body = await jsonBody(req, res);
  if (body === undefined) return;
  const { dir, ...others } = (body.value ?? {}) as Record<string, unknown>;
  const problems = Object.keys(others).map((name) => unknownName('field', name, ['dir']));
  if (typeof dir !== 'string' || dir === '')
    problems.push('dir: must be the absolute path of an empty or new folder');
  const problem = problems.length > 0 ? '' : backups.begin(dir as string);
  if (problem !== '') problems.push(problem);
  if (problems.length > 0) return failProblems(req, res, 'Invalid backup', problems);
  json(res, 202, backups.state);
}

export const backupEndpoints: readonly Endpoint<WithBackups>[] = [
  {
    method: 'POST',
    path: '/v1/store/backup',
    does: 'begins a backup into `{"dir"}`, an empty or new folder on the machine of weir',
    scope: 'admin',
    effect: 'change',
    handle: begin,
  },
  {
    method: 'GET',
    path: '/v1/store/backup',
    does: 'returns the last backup since the start: `running`, `finished` or `failed`',
    scope: 'admin',
    handle({ backups }, req, res) {
      if (backups === undefined) return failCaptureOff(req, res);
      if (backups.state === undefined) return fail(req, res, 'unknown_record', 'no backup since the start');
      json(res, 200, backups.state);
    },
  },
];
