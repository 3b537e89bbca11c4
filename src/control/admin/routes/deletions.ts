// Routes of deletions: records are deleted for good by a query.
// Invariant: a response with the state `hidden` is sent after no answer has the records any more.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { unknownName } from '../../../core/nearest-name.ts';
import { EARLIEST_NS, formatTime, invalidTime, LATEST_NS, parseTime } from '../../../core/time.ts';
import { TIMED_OUT, waitAtMost } from '../../../core/wait.ts';
import type { Exports } from '../../../telemetry/exports/exports.ts';
import {
  countOf,
  type DeletionJob,
  type DeletionRequest,
  type Deletions,
} from '../../../telemetry/logs/logs.ts';
import { adminCaller, noteMade } from '../audit.ts';
import { fail, failProblems, json, type Endpoint } from '../endpoint.ts';
import { jsonBody } from '../read-body.ts';
import { failCaptureOff } from './logs.ts';
import type { WithKeys } from './keys.ts';

/** Modules of these routes. */
export interface WithDeletions extends WithKeys {
  /** `undefined`: logs.capture is off. */
  readonly deletions: Deletions | undefined;
  readonly exports: Exports | undefined;
}

const FIELDS = ['q', 'start', 'end', 'dry_run', 'urgent'];
/** Longest wait of a response for the records to be hidden, in milliseconds. */
const WAIT_MS = 20_000;

/** A request, or all its problems. */
function readRequest(
  value: unknown,
): (Omit<DeletionRequest, 'by'> & { readonly isDryRun: boolean }) | string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return ['the body must be an object such as {"q": "metadata.user:ann"}'];
  const { q, start, end, dry_run: dryRun, urgent, ...others } = value as Record<string, unknown>;
  const problems = Object.keys(others).map((name) => unknownName('field', name, FIELDS));
  if (typeof q !== 'string' || q.trim() === '') problems.push('q: must be a query; kind:* finds all records');
  for (const [name, given] of [
    ['dry_run', dryRun],
    ['urgent', urgent],
  ] as const)
    if (given !== undefined && typeof given !== 'boolean') problems.push(`${name}: must be true or false`);
  const time = (name: string, given: unknown, byDefault: bigint): bigint => {
    const read = typeof given === 'string' ? parseTime(given) : undefined;
    if (given !== undefined && read === undefined)
      problems.push(`${name}: ${invalidTime(typeof given === 'string' ? given : JSON.stringify(given))}`);
    return read ?? byDefault;
  };
  const [fromNs, toNs] = [time('start', start, EARLIEST_NS), time('end', end, LATEST_NS)];
  if (fromNs > toNs) problems.push('end: must not be before start');
  if (problems.length > 0) return problems;
  return { q: q as string, fromNs, toNs, isDryRun: dryRun === true, isUrgent: urgent === true };
}

/** A job as clients see it. */
const shownJob = (job: DeletionJob): object => {
  const time = (ms: number | undefined): string | undefined =>
    ms === undefined ? undefined : new Date(ms).toISOString();
  const [from, to] = [BigInt(job.from_ns), BigInt(job.to_ns)];
  return {
    id: job.id,
    state: job.state,
    q: job.q,
    start: from === EARLIEST_NS ? undefined : formatTime(from),
    end: to === LATEST_NS ? undefined : formatTime(to),
    by: job.by,
    records: countOf(job),
    by_kind: job.by_kind,
    annotations: job.annotations,
    unreachable: job.unreachable === 0 ? undefined : job.unreachable,
    created_at: time(job.created_ms),
    hidden_at: time(job.hidden_ms),
    removed_at: time(job.removed_ms),
    problem: job.problem,
  };
};

/** What may hold the records besides the store. */
const elsewhere = ({ deletions, exports }: WithDeletions): object => ({
  export_files: exports?.list().filter(({ hasFile, bytes }) => hasFile || bytes > 0).length ?? 0,
  damaged_files: deletions!.damagedFiles,
});

const refuse = (req: IncomingMessage, res: ServerResponse, problems: readonly string[]): void =>
  failProblems(req, res, 'Invalid deletion', problems);

async function create(context: WithDeletions, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { deletions, keys } = context;
  if (deletions === undefined) return failCaptureOff(req, res);
  const body = await jsonBody(req, res);
  if (body === undefined) return;
  const read = readRequest(body.value);
  if (Array.isArray(read)) return refuse(req, res, read);
  const request = { ...read, by: adminCaller(keys, req).by };
  if (read.isDryRun) {
    const found = await deletions.count(request);
    if ('problem' in found) return refuse(req, res, [found.problem]);
    const { byKind: by_kind, annotations, unreachable } = found;
    return json(res, 200, {
      records: countOf({ by_kind }),
      by_kind,
      annotations,
      unreachable: unreachable === 0 ? undefined : unreachable,
      elsewhere: elsewhere(context),
    });
  }
  const made = await deletions.create(request);
  if ('problem' in made) return refuse(req, res, [made.problem]);
  noteMade(res, `deletion ${made.job.id}`);
  const hidden = await waitAtMost(WAIT_MS, made.hidden);
  const job = hidden === TIMED_OUT ? made.job : hidden;
  json(res, hidden === TIMED_OUT ? 202 : 200, { ...shownJob(job), elsewhere: elsewhere(context) });
}

export const deletionEndpoints: readonly Endpoint<WithDeletions>[] = [
  {
    method: 'POST',
    path: '/v1/logs/deletions',
    does: 'deletes the records that `{"q", "start"?, "end"?}` finds, for good; `dry_run` only counts them; responds after no answer has them any more (202: not within 20 s); their files are written anew within a day, with `urgent` at once',
    scope: 'admin',
    effect: 'change',
    handle: create,
  },
  {
    method: 'GET',
    path: '/v1/logs/deletions',
    does: 'returns all deletions, the newest first',
    scope: 'admin',
    handle({ deletions }, req, res) {
      if (deletions === undefined) return failCaptureOff(req, res);
      json(res, 200, { deletions: deletions.list().map(shownJob) });
    },
  },
  {
    method: 'GET',
    path: '/v1/logs/deletions/{id}',
    does: 'returns a deletion: `hiding`, `hidden` (no answer has the records), or `removed` (no file has them)',
    scope: 'admin',
    handle({ deletions }, req, res, [id]) {
      if (deletions === undefined) return failCaptureOff(req, res);
      const job = deletions.get(id!);
      if (job === undefined) return fail(req, res, 'unknown_record', `deletion ${id!.slice(0, 100)}`);
      json(res, 200, shownJob(job));
    },
  },
];
