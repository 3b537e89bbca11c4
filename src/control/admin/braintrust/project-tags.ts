// Routes of the tags that projects describe: /v1/project_tag.
import { EARLIEST_NS, LATEST_NS } from '../../../core/time.ts';
import { parseQuery, type LogStore } from '../../../telemetry/logs/logs.ts';
import { PROJECT_LIMITS, type ProjectTag, type TagChange } from '../../../telemetry/projects/projects.ts';
import type { RecordTotal } from '../answers/download-answers.ts';
import { isClosed } from '../logs/paged-search.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { noteMade } from '../audit.ts';
import { jsonBody } from '../read-body.ts';
import { pageOf } from './object-list.ts';
import {
  failChange,
  failRequest,
  fieldsOf,
  nameProblem,
  tagObject,
  textField,
  type WithProjects,
} from './project-json.ts';

/** The fields of a tag in a request, or what is wrong with them. */
function readTag(value: unknown): TagChange | string {
  const { name, color, description, position } = fieldsOf(value);
  const change: { -readonly [K in keyof TagChange]: TagChange[K] } = {};
  if (name !== undefined) {
    const problem = nameProblem('name', name);
    if (problem !== '') return problem;
    change.name = name as string;
  }
  for (const [field, text] of Object.entries({ color, description, position })) {
    if (text === undefined) continue;
    if (text !== null && typeof text !== 'string') return `${field}: must be a text or null`;
    if (text !== null && text.length > PROJECT_LIMITS.description)
      return `${field}: must have at most ${PROJECT_LIMITS.description} characters`;
    change[field as 'color' | 'description' | 'position'] = text;
  }
  return change;
}

/** Time for the counts of all tags of a list, in milliseconds. */
const COUNT_MS = 2000;

/** Counts the records that `tags:NAME` finds, one tag after the other, since all share a reader. */
async function countTags(logs: LogStore, tags: readonly ProjectTag[]): Promise<RecordTotal[]> {
  const endMs = performance.now() + COUNT_MS;
  const counts: RecordTotal[] = [];
  for (const { name } of tags) {
    const query = parseQuery(`tags:${JSON.stringify(name)}`);
    if ('problems' in query) {
      counts.push({ count: 0, is_exact: false });
      continue;
    }
    const { matched, isPartial } = await logs.group(
      {
        node: query.node,
        fromNs: EARLIEST_NS,
        toNs: LATEST_NS,
        by: [],
        measures: [],
      },
      { timeoutMs: Math.max(0, endMs - performance.now()) },
    );
    counts.push({ count: matched, is_exact: !isPartial });
  }
  return counts;
}

const create = (method: 'POST' | 'PUT'): Endpoint<WithProjects> => ({
  method,
  path: '/v1/project_tag',
  does:
    method === 'POST'
      ? 'makes a tag from `{"project_id", "name", "color"?, "description"?, "position"?}`, or returns the one of that name'
      : 'makes a tag, or replaces the one of that name',
  scope: 'logs:write',
  effect: 'change',
  async handle({ projects }, req, res) {
    const body = await jsonBody(req, res);
    if (body === undefined) return;
    const tag = readTag(body.value);
    if (typeof tag === 'string') return failRequest(req, res, tag);
    const { name } = tag;
    if (name === undefined) return failRequest(req, res, nameProblem('name', name));
    const projectId = textField(fieldsOf(body.value)['project_id']) ?? '';
    const made = await projects.makeTag(projectId, { ...tag, name }, method === 'PUT');
    if (typeof made === 'string') return failChange(req, res, made, `project ${projectId}`);
    noteMade(res, `tag ${made.id}`);
    json(res, 200, tagObject(made));
  },
});

export const projectTagEndpoints: readonly Endpoint<WithProjects>[] = [
  create('POST'),
  create('PUT'),
  {
    method: 'GET',
    path: '/v1/project_tag',
    does: 'returns the tags, the newest first: `project_id`, `project_name`, `project_tag_name`, `ids`, `limit`, `starting_after`, `ending_before`; with `with=count`, the records of each tag',
    scope: 'logs:read',
    async handle({ projects, logs }, req, res) {
      const query = queryOf(req);
      const projectId = query.get('project_id') ?? '';
      const projectName = query.get('project_name') ?? '';
      const all = projects.tags.filter(
        (tag) =>
          (projectId === '' || tag.projectId === projectId) &&
          (projectName === '' || projects.get(tag.projectId)?.name === projectName),
      );
      const page = pageOf(all, query, ['name', 'project_tag_name']);
      if (typeof page === 'string') return failRequest(req, res, page);
      const asked = query.get('with') ?? '';
      if (asked !== '' && asked !== 'count') return failRequest(req, res, 'with: must be count');
      const counts = asked === 'count' && logs ? await countTags(logs, page) : undefined;
      if (isClosed(res)) return;
      json(res, 200, {
        objects: page.map((tag, i) => ({ ...tagObject(tag), ...(counts && { count: counts[i] }) })),
      });
    },
  },
  {
    method: 'GET',
    path: '/v1/project_tag/{id}',
    does: 'returns a tag',
    scope: 'logs:read',
    handle({ projects }, req, res, [id]) {
      const tag = projects.tag(id!);
      if (tag === undefined)
        return fail(req, res, 'unknown_record', id!.slice(0, 100), { text: 'No such tag' });
      json(res, 200, tagObject(tag));
    },
  },
  {
    method: 'PATCH',
    path: '/v1/project_tag/{id}',
    does: 'changes `name`, `color`, `description` and `position` of a tag',
    scope: 'logs:write',
    effect: 'change',
    async handle({ projects }, req, res, [id]) {
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const change = readTag(body.value);
      if (typeof change === 'string') return failRequest(req, res, change);
      const changed = await projects.changeTag(id!, change);
      if (typeof changed === 'string') return failChange(req, res, changed, `tag ${id}`);
      json(res, 200, tagObject(changed));
    },
  },
  {
    method: 'DELETE',
    path: '/v1/project_tag/{id}',
    does: 'removes a tag; rows keep it',
    scope: 'logs:write',
    effect: 'change',
    async handle({ projects }, req, res, [id]) {
      const removed = await projects.removeTag(id!);
      if (typeof removed === 'string') return failChange(req, res, removed, `tag ${id}`);
      json(res, 200, tagObject(removed));
    },
  },
];
