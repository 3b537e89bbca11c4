// Routes of scoring rules: /v1/project_score.
// Invariant: a rule is acknowledged after it is on disk, and a test stores nothing.
// Source: docs/contracts/scoring.md 1.
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  parseRule,
  type RuleContent,
  type Scoring,
  type TestedRule,
} from '../../../telemetry/scoring/scoring.ts';
import { noteMade } from '../audit.ts';
import { fail, failProblems, json, queryOf, type Endpoint } from '../endpoint.ts';
import { jsonBody } from '../read-body.ts';
import { pageOf } from './object-list.ts';
import { failRequest, fieldsOf, textField } from './project-json.ts';
import {
  backfillObject,
  failScoring,
  readRange,
  ruleObject,
  scoringOrFail,
  type WithScoring,
} from './score-json.ts';

const ONE = '/v1/project_score/{id}';
/** Records of a test. */
const MAX_TESTED = 50;

/** The content of a rule in a request. Sends an error response and returns `undefined` if it is wrong. */
function ruleOrFail(value: unknown, req: IncomingMessage, res: ServerResponse): RuleContent | undefined {
  const rule = parseRule(value);
  if (!('problems' in rule)) return rule;
  failProblems(req, res, 'Invalid rule', rule.problems);
  return undefined;
}

/** The project that a rule names. Sends an error response and returns `undefined` if it needs one and has none. */
function projectOrFailRule(
  { projects }: WithScoring,
  { project_id: given }: Readonly<Record<string, unknown>>,
  { config: { source } }: RuleContent,
  req: IncomingMessage,
  res: ServerResponse,
): { readonly id: string | null } | undefined {
  const id = textField(given);
  if (id === undefined && source === 'requests') return { id: null };
  if (id === undefined)
    failRequest(req, res, 'project_id: must be the id of the project whose spans are scored');
  else if (projects.get(id) === undefined)
    fail(req, res, 'unknown_record', id.slice(0, 100), { text: 'No such project' });
  else return { id };
  return undefined;
}

const create = (method: 'POST' | 'PUT'): Endpoint<WithScoring> => ({
  method,
  path: '/v1/project_score',
  does:
    method === 'POST'
      ? 'makes a scoring rule from `{"project_id", "name", "score_type": "online", "config": {"online": {…}}}`, or returns the one of that name'
      : 'makes a scoring rule, or replaces the one of that name',
  scope: 'logs:write',
  effect: 'change',
  async handle(context, req, res) {
    const scoring = scoringOrFail(context, req, res);
    const body = scoring && (await jsonBody(req, res));
    const rule = body && ruleOrFail(body.value, req, res);
    const project = rule && projectOrFailRule(context, fieldsOf(body.value), rule, req, res);
    if (project === undefined) return;
    const made = await scoring!.put(project.id, rule!, method === 'PUT');
    if ('refused' in made) return failScoring(req, res, made);
    noteMade(res, `rule ${made.id}`);
    json(res, 200, ruleObject(made, scoring!.state(made.id)));
  },
});

const answerTest = (
  tested: TestedRule | Exclude<Awaited<ReturnType<Scoring['test']>>, TestedRule>,
  req: IncomingMessage,
  res: ServerResponse,
): void => {
  if ('refused' in tested) return failScoring(req, res, tested);
  const { records, examined, skipped, isComplete } = tested;
  json(res, 200, { records, examined, skipped, is_complete: isComplete });
};

/** Range and limit of a test. Sends an error response and returns `undefined` if they are wrong. */
function testOrFail(fields: Readonly<Record<string, unknown>>, req: IncomingMessage, res: ServerResponse) {
  const range = readRange(fields);
  const { limit = MAX_TESTED } = fields;
  if (typeof range === 'string') failRequest(req, res, range);
  else if (!Number.isSafeInteger(limit) || (limit as number) < 1 || (limit as number) > MAX_TESTED)
    failRequest(req, res, `limit: must be a whole number from 1 to ${MAX_TESTED}`);
  else return { range, limit: limit as number };
  return undefined;
}

export const scoreEndpoints: readonly Endpoint<WithScoring>[] = [
  create('POST'),
  create('PUT'),
  {
    method: 'GET',
    path: '/v1/project_score',
    does: 'returns the scoring rules, the newest first, with what they do: `project_id`, `project_name`, `project_score_name`, `ids`, `limit`, `starting_after`, `ending_before`',
    scope: 'logs:read',
    handle(context, req, res) {
      const scoring = scoringOrFail(context, req, res);
      if (scoring === undefined) return;
      const query = queryOf(req);
      const projectId = query.get('project_id') ?? '';
      const projectName = query.get('project_name') ?? '';
      const all = scoring.rules.filter(
        (rule) =>
          (projectId === '' || rule.projectId === projectId) &&
          (projectName === '' || context.projects.get(rule.projectId ?? '')?.name === projectName),
      );
      const page = pageOf(all, query, ['name', 'project_score_name']);
      if (typeof page === 'string') return failRequest(req, res, page);
      json(res, 200, { objects: page.map((rule) => ruleObject(rule, scoring.state(rule.id))) });
    },
  },
  {
    method: 'GET',
    path: ONE,
    does: 'returns a scoring rule, with what it does',
    scope: 'logs:read',
    handle(context, req, res, [id]) {
      const scoring = scoringOrFail(context, req, res);
      const rule = scoring?.rule(id!);
      if (rule) json(res, 200, ruleObject(rule, scoring!.state(rule.id)));
      else if (scoring) failNoRule(req, res, id!);
    },
  },
  {
    method: 'PATCH',
    path: ONE,
    does: 'changes `name`, `description` and `config` of a scoring rule; fields of `config.online` that are left out stay',
    scope: 'logs:write',
    effect: 'change',
    async handle(context, req, res, [id]) {
      const scoring = scoringOrFail(context, req, res);
      const body = scoring && (await jsonBody(req, res));
      if (body === undefined) return;
      const known = scoring!.rule(id!);
      if (known === undefined) return failNoRule(req, res, id!);
      const { config, ...fields } = fieldsOf(body.value);
      const online = { ...known.config, ...fieldsOf(fieldsOf(config)['online']) };
      const { name, description } = known;
      const rule = ruleOrFail({ name, description, ...fields, config: { online } }, req, res);
      if (rule === undefined) return;
      const changed = await scoring!.change(id!, rule);
      if ('refused' in changed) return failScoring(req, res, changed);
      json(res, 200, ruleObject(changed, scoring!.state(id!)));
    },
  },
  {
    method: 'DELETE',
    path: ONE,
    does: 'removes a scoring rule; its scores stay',
    scope: 'logs:write',
    effect: 'change',
    async handle(context, req, res, [id]) {
      const removed = await scoringOrFail(context, req, res)?.remove(id!);
      if (removed === undefined) return;
      if ('refused' in removed) return failScoring(req, res, removed);
      json(res, 200, { ...ruleObject(removed, undefined), deleted_at: new Date().toISOString() });
    },
  },
  {
    method: 'POST',
    path: '/v1/project_score/test',
    does: 'scores past records with a rule that need not be stored, and stores nothing: a rule, and `start`, `end`, `limit` (at most 50)',
    scope: 'logs:read',
    effect: 'read',
    async handle(context, req, res) {
      const scoring = scoringOrFail(context, req, res);
      const body = scoring && (await jsonBody(req, res));
      if (body === undefined) return;
      const fields = fieldsOf(body.value);
      const rule = ruleOrFail({ ...fields, name: fields['name'] ?? 'test' }, req, res);
      const project = rule && projectOrFailRule(context, fields, rule, req, res);
      const asked = project && testOrFail(fields, req, res);
      if (asked === undefined) return;
      answerTest(await scoring!.test(project!.id, rule!, asked.range, asked.limit), req, res);
    },
  },
  {
    method: 'POST',
    path: `${ONE}/test`,
    does: 'scores past records with a stored rule, and stores nothing: `start`, `end`, `limit` (at most 50)',
    scope: 'logs:read',
    effect: 'read',
    async handle(context, req, res, [id]) {
      const scoring = scoringOrFail(context, req, res);
      const body = scoring && (await jsonBody(req, res));
      const asked = body && testOrFail(fieldsOf(body.value), req, res);
      if (asked === undefined) return;
      const rule = scoring!.rule(id!);
      if (rule === undefined) return failNoRule(req, res, id!);
      answerTest(await scoring!.test(rule.projectId, rule, asked.range, asked.limit), req, res);
    },
  },
  {
    method: 'POST',
    path: `${ONE}/backfill`,
    does: 'begins to score the records that are stored now: `start` and `end`, or all',
    scope: 'logs:write',
    effect: 'change',
    async handle(context, req, res, [id]) {
      const scoring = scoringOrFail(context, req, res);
      const body = scoring && (await jsonBody(req, res));
      if (body === undefined) return;
      const range = readRange(fieldsOf(body.value));
      if (typeof range === 'string') return failRequest(req, res, range);
      const begun = await scoring!.beginBackfill(id!, range);
      if ('refused' in begun) return failScoring(req, res, begun);
      json(res, 200, backfillObject(begun, 0));
    },
  },
  {
    method: 'GET',
    path: `${ONE}/backfill`,
    does: 'returns how far the last backfill of a rule has come',
    scope: 'logs:read',
    handle(context, req, res, [id]) {
      const scoring = scoringOrFail(context, req, res);
      if (scoring === undefined) return;
      const state = scoring.state(id!);
      if (state?.backfill) return json(res, 200, backfillObject(state.backfill, state.backfillProgress));
      fail(req, res, 'unknown_record', id!.slice(0, 100), { text: 'No backfill of such a rule' });
    },
  },
  {
    method: 'DELETE',
    path: `${ONE}/backfill`,
    does: 'ends the backfill of a rule; the scores that are stored stay',
    scope: 'logs:write',
    effect: 'change',
    async handle(context, req, res, [id]) {
      const scoring = scoringOrFail(context, req, res);
      const ended = await scoring?.cancelBackfill(id!);
      if (ended === undefined) return;
      if ('refused' in ended) return failScoring(req, res, ended);
      json(res, 200, backfillObject(ended, scoring!.state(id!)?.backfillProgress ?? 0));
    },
  },
];

const failNoRule = (req: IncomingMessage, res: ServerResponse, id: string): void =>
  fail(req, res, 'unknown_record', id.slice(0, 100), { text: 'No such rule' });
