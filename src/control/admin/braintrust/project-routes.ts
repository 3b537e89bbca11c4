// Routes of projects: /v1/project.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Project } from '../../../telemetry/projects/projects.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { noteMade } from '../audit.ts';
import { jsonBody } from '../read-body.ts';
import { pageOf } from './object-list.ts';
import {
  failChange,
  failRequest,
  fieldsOf,
  nameProblem,
  projectObject,
  textField,
  type WithProjects,
} from './project-json.ts';

/** Both return the project that is there: a project has nothing but a name. */
const create = (method: 'POST' | 'PUT'): Endpoint<WithProjects> => ({
  method,
  path: '/v1/project',
  does: 'returns the project named `name`, which is made if there is none',
  scope: 'logs:write',
  effect: 'change',
  async handle({ projects }, req, res) {
    const body = await jsonBody(req, res);
    if (body === undefined) return;
    const { name, org_name: org } = fieldsOf(body.value);
    const problem = nameProblem('name', name);
    if (problem !== '') return failRequest(req, res, problem);
    const orgId = projects.organizations.find((one) => one.name === org)?.id;
    if (orgId === undefined && textField(org) !== undefined)
      return failRequest(req, res, 'org_name: there is no such organization; see projects.organizations');
    const { project, isNew } = projects.register(name as string, orgId);
    if (isNew) noteMade(res, `project ${project.id}`);
    json(res, 200, projectObject(project));
  },
});

/** The project of a path. Sends an error response and returns `undefined` if there is none. */
export function projectOrFail(
  { projects }: WithProjects,
  req: IncomingMessage,
  res: ServerResponse,
  id: string,
): Project | undefined {
  const project = projects.get(id);
  if (project === undefined) fail(req, res, 'unknown_record', id.slice(0, 100), { text: 'No such project' });
  return project;
}

export const projectEndpoints: readonly Endpoint<WithProjects>[] = [
  create('POST'),
  create('PUT'),
  {
    method: 'GET',
    path: '/v1/project',
    does: 'returns the projects, the newest first: `name` or `project_name`, `org_name`, `ids`, `limit`, `starting_after`, `ending_before`',
    scope: 'logs:read',
    handle({ projects }, req, res) {
      const query = queryOf(req);
      const org = query.get('org_name') ?? '';
      const orgId = projects.organizations.find(({ name }) => name === org)?.id;
      const all = org === '' ? projects.all : projects.all.filter((project) => project.orgId === orgId);
      const page = pageOf(all, query, ['name', 'project_name']);
      if (typeof page === 'string') return failRequest(req, res, page);
      json(res, 200, { objects: page.map(projectObject) });
    },
  },
  {
    method: 'GET',
    path: '/v1/project/{id}',
    does: 'returns a project',
    scope: 'logs:read',
    handle(context, req, res, [id]) {
      const project = projectOrFail(context, req, res, id!);
      if (project) json(res, 200, projectObject(project));
    },
  },
  {
    method: 'PATCH',
    path: '/v1/project/{id}',
    does: 'changes the `name` of a project; its id stays',
    scope: 'logs:write',
    effect: 'change',
    async handle(context, req, res, [id]) {
      const project = projectOrFail(context, req, res, id!);
      const body = project && (await jsonBody(req, res));
      if (body === undefined) return;
      const { name = project!.name } = fieldsOf(body.value);
      const problem = nameProblem('name', name);
      if (problem !== '') return failRequest(req, res, problem);
      const changed = await context.projects.rename(id!, name as string);
      if (typeof changed === 'string') return failChange(req, res, changed, `project ${id}`);
      json(res, 200, projectObject(changed));
    },
  },
  {
    method: 'DELETE',
    path: '/v1/project/{id}',
    does: 'removes a project and its tags from the lists; its rows stay for `logs.retention`',
    scope: 'logs:write',
    effect: 'change',
    async handle({ projects }, req, res, [id]) {
      const removed = await projects.remove(id!);
      if (typeof removed === 'string') return failChange(req, res, removed, `project ${id}`);
      json(res, 200, { ...projectObject(removed), deleted_at: new Date().toISOString() });
    },
  },
];
