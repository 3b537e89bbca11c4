// Scoring rules as the API shows them, in the form of Braintrust's project scores, and what its requests say about them.
// Source: docs/contracts/scoring.md 1.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  Backfill,
  PastRange,
  RuleState,
  Scoring,
  ScoringRefusal,
  ScoringRule,
  StoredFunction,
} from '../../../telemetry/scoring/scoring.ts';
import { parseTime } from '../../../core/time.ts';
import { fail } from '../endpoint.ts';
import { failRequest, type WithProjects } from './project-json.ts';

/** Modules of the routes of scoring. */
export interface WithScoring extends WithProjects {
  /** `undefined`: nothing is stored. */
  readonly scoring: Scoring | undefined;
}

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number): string | null => (ms === 0 ? null : iso(ms));

/** A rule, with what it does under `status`, which is weir's own. */
export const ruleObject = (
  { id, projectId, name, description, createdMs, config }: ScoringRule,
  state: RuleState | undefined,
): object => ({
  id,
  project_id: projectId,
  user_id: null,
  created: iso(createdMs),
  name,
  description,
  score_type: 'online',
  categories: null,
  config: { online: config },
  position: null,
  ...(state ? { status: statusObject(state) } : {}),
});

const statusObject = (state: RuleState): object => ({
  state: state.state,
  reason: state.reason === '' ? null : state.reason,
  retry_at: isoOrNull(state.retryAtMs),
  behind_records: state.behindRecords,
  behind_seconds: state.behindSeconds,
  scored: state.scored,
  failed: state.failed,
  skipped: Object.fromEntries(state.skipped),
  cost: Object.fromEntries(state.costs),
  last_error: state.lastError,
  last_error_at: isoOrNull(state.lastErrorMs),
  backfill: state.backfill ? backfillObject(state.backfill, state.backfillProgress) : null,
});

export const backfillObject = (backfill: Backfill, progress: number): object => ({
  state: backfill.state,
  start: iso(backfill.fromMs),
  end: iso(backfill.toMs),
  progress,
  scored: backfill.scored,
  failed: backfill.failed,
  skipped: backfill.skipped,
  started_at: iso(backfill.startedAtMs),
  finished_at: backfill.finishedAtMs === null ? null : iso(backfill.finishedAtMs),
});

/** Stands for a secret. As input it means the current value. */
export const HIDDEN = '***';

/** A stored scorer as the API and BTQL show it. */
export function functionObject({
  id,
  projectId,
  createdMs,
  scorer,
}: StoredFunction): Record<string, unknown> {
  const { name, slug, description, kind } = scorer;
  const hidden =
    scorer.kind === 'judge' && scorer.header_value !== '' ? { ...scorer, header_value: HIDDEN } : scorer;
  return {
    ...hidden,
    id,
    project_id: projectId,
    name,
    slug,
    description,
    created: new Date(createdMs).toISOString(),
    function_type: 'scorer',
    function_data: { type: kind === 'code' ? 'code' : 'prompt' },
    log_id: 'p',
    org_id: null,
    tags: null,
    metadata: null,
  };
}

const LATEST_MS = 253_402_300_799_999;

/** The range of times in a request; without `start` and `end` all times. A text is what is wrong. */
export function readRange({ start, end }: Readonly<Record<string, unknown>>): PastRange | string {
  const range = { fromMs: 0, toMs: LATEST_MS };
  for (const [name, value, at] of [
    ['start', start, 'fromMs'],
    ['end', end, 'toMs'],
  ] as const) {
    if (value === undefined || value === null) continue;
    const ns = typeof value === 'string' ? parseTime(value) : undefined;
    if (ns === undefined) return `${name}: must be a time such as "2026-11-20T16:52:26Z"`;
    range[at] = Math.min(Number(ns / 1_000_000n), LATEST_MS);
  }
  return range.fromMs > range.toMs ? 'start: must not be after end' : range;
}

/** The scoring of a context. Sends an error response and returns `undefined` if nothing is stored. */
export function scoringOrFail(
  { scoring }: WithScoring,
  req: IncomingMessage,
  res: ServerResponse,
): Scoring | undefined {
  if (scoring === undefined)
    fail(req, res, 'unknown_record', 'see logs.capture', { text: 'Nothing is stored' });
  return scoring;
}

/** Sends the error response of a refusal. */
export function failScoring(
  req: IncomingMessage,
  res: ServerResponse,
  { refused, message }: ScoringRefusal,
): void {
  if (refused === 'invalid') return failRequest(req, res, message);
  if (refused === 'not_found') return fail(req, res, 'unknown_record', message, { text: 'Not found' });
  if (refused === 'wrong_state') return fail(req, res, 'wrong_state', message);
  if (refused === 'busy') return fail(req, res, 'rate_limited', message, { text: 'Not now' });
  fail(req, res, 'storage_failed', message, { text: 'Not stored' });
}
