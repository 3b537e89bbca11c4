// Routes of stored scorers, code and judges, in the form of Braintrust's functions: /v1/function.
// Invariant: no response has the value of a judge's header.
// Source: docs/contracts/scoring.md 4.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseStoredScorer, type StoredScorer } from '../../../telemetry/scoring/scoring.ts';
import { noteMade } from '../audit.ts';
import { fail, failProblems, json, queryOf, type Endpoint } from '../endpoint.ts';
import { jsonBody } from '../read-body.ts';
import { pageOf } from './object-list.ts';
import { failRequest, fieldsOf, textField } from './project-json.ts';
import { failScoring, functionObject, HIDDEN, scoringOrFail, type WithScoring } from './score-json.ts';

const ONE = '/v1/function/{id}';
/** Fields of a request that say where the scorer belongs, and those that only responses have. */
const NOT_OF_SCORER: ReadonlySet<string> = new Set([
  'project_id',
  'function_type',
  'function_data',
  'id',
  'created',
  'org_id',
  'log_id',
  'tags',
  'metadata',
]);

/** The scorer in a request. Sends an error response and returns `undefined` if it is wrong. */
function scorerOrFail(
  fields: Readonly<Record<string, unknown>>,
  req: IncomingMessage,
  res: ServerResponse,
): StoredScorer | undefined {
  const own = Object.fromEntries(Object.entries(fields).filter(([name]) => !NOT_OF_SCORER.has(name)));
  const read = parseStoredScorer(own);
  if (!('problems' in read)) return read;
  failProblems(req, res, 'Invalid scorer', read.problems);
  return undefined;
}

/** The fields of a scorer after a change. A secret stays, unless the receiver changes, since it was set for that only. */
function changedFields(
  scorer: StoredScorer,
  { header_value: given, ...fields }: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { header_value: secret, ...before } = { header_value: undefined, ...scorer };
  const keeps = given === undefined || given === HIDDEN;
  const isMoved = fields['url'] !== undefined && scorer.kind === 'judge' && fields['url'] !== scorer.url;
  const value = keeps ? (isMoved ? undefined : secret) : given;
  return { ...before, ...fields, ...(value === undefined ? {} : { header_value: value }) };
}

const create = (method: 'POST' | 'PUT'): Endpoint<WithScoring> => ({
  method,
  path: '/v1/function',
  does:
    method === 'POST'
      ? 'stores a scorer, `{"project_id", "kind": "code" or "judge", "name", "slug", …}`, or returns the one of that slug'
      : 'stores a scorer, or replaces the one of that slug',
  scope: 'admin',
  effect: 'change',
  async handle(context, req, res) {
    const scoring = scoringOrFail(context, req, res);
    const body = scoring && (await jsonBody(req, res));
    if (body === undefined) return;
    const fields = fieldsOf(body.value);
    const projectId = textField(fields['project_id']) ?? null;
    if (projectId !== null && context.projects.get(projectId) === undefined)
      return fail(req, res, 'unknown_record', projectId.slice(0, 100), { text: 'No such project' });
    const scorer = scorerOrFail(fields, req, res);
    if (scorer === undefined) return;
    const stored = await scoring!.putFunction(projectId, scorer, method === 'PUT');
    if ('refused' in stored) return failScoring(req, res, stored);
    noteMade(res, `scorer ${stored.id}`);
    json(res, 200, functionObject(stored));
  },
});

export const functionEndpoints: readonly Endpoint<WithScoring>[] = [
  create('POST'),
  create('PUT'),
  {
    method: 'GET',
    path: '/v1/function',
    does: 'returns the stored scorers, the newest first: `project_id`, `project_name`, `function_name`, `slug`, `ids`, `limit`, `starting_after`, `ending_before`',
    scope: 'logs:read',
    handle(context, req, res) {
      const scoring = scoringOrFail(context, req, res);
      if (scoring === undefined) return;
      const query = queryOf(req);
      const [projectId, projectName, slug] = ['project_id', 'project_name', 'slug'].map(
        (name) => query.get(name) ?? '',
      );
      const all = scoring.functions
        .filter(
          (one) =>
            (projectId === '' || one.projectId === projectId) &&
            (slug === '' || one.scorer.slug === slug) &&
            (projectName === '' || context.projects.get(one.projectId ?? '')?.name === projectName),
        )
        .map((one) => ({ id: one.id, name: one.scorer.name, one }));
      const page = pageOf(all, query, ['function_name']);
      if (typeof page === 'string') return failRequest(req, res, page);
      json(res, 200, { objects: page.map(({ one }) => functionObject(one)) });
    },
  },
  {
    method: 'GET',
    path: ONE,
    does: 'returns a stored scorer; the header value of a judge is shown as `***`',
    scope: 'logs:read',
    handle(context, req, res, [id]) {
      const scoring = scoringOrFail(context, req, res);
      if (scoring === undefined) return;
      const stored = scoring.function(id!);
      if (stored) json(res, 200, functionObject(stored));
      else failNoScorer(req, res, id!);
    },
  },
  {
    method: 'PATCH',
    path: ONE,
    does: 'changes fields of a stored scorer; rules that use it go on with the new one',
    scope: 'admin',
    effect: 'change',
    async handle(context, req, res, [id]) {
      const scoring = scoringOrFail(context, req, res);
      const body = scoring && (await jsonBody(req, res));
      if (body === undefined) return;
      const known = scoring!.function(id!);
      if (known === undefined) return failNoScorer(req, res, id!);
      const fields = fieldsOf(body.value);
      const scorer = scorerOrFail(changedFields(known.scorer, fields), req, res);
      if (scorer === undefined) return;
      const changed = await scoring!.changeFunction(id!, scorer);
      if ('refused' in changed) return failScoring(req, res, changed);
      json(res, 200, functionObject(changed));
    },
  },
  {
    method: 'DELETE',
    path: ONE,
    does: 'removes a stored scorer that no rule uses',
    scope: 'admin',
    effect: 'change',
    async handle(context, req, res, [id]) {
      const removed = await scoringOrFail(context, req, res)?.removeFunction(id!);
      if (removed === undefined) return;
      if ('refused' in removed) return failScoring(req, res, removed);
      json(res, 200, { ...functionObject(removed), deleted_at: new Date().toISOString() });
    },
  },
];

const failNoScorer = (req: IncomingMessage, res: ServerResponse, id: string): void =>
  fail(req, res, 'unknown_record', id.slice(0, 100), { text: 'No such scorer' });
