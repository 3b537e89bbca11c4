// What Braintrust's SDK asks before it logs: organizations, projects and the version of the server.
// Invariant: these routes answer from memory and do not depend on the log store or the disk. The SDK asks once, and
// without an answer it drops all rows of its process.
// Source: docs/contracts/braintrust.md 3.
import { version } from '../../../core/version.ts';
import { clientUrl } from '../client-url.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { smallJsonBody } from '../read-body.ts';
import { failRequest, fieldsOf, projectObject, textField, type WithProjects } from './project-json.ts';

/** Modules of these routes. */
export interface WithLogin extends WithProjects {
  /** URL of the data server for a client that reaches weir by this host name. */
  readonly dataUrl: (host: string) => string;
}

export const loginEndpoints: readonly Endpoint<WithLogin>[] = [
  {
    method: 'POST',
    path: '/api/apikey/login',
    does: 'returns the organizations, and the URL that rows are sent to: that of this request',
    scope: 'any',
    effect: 'read',
    handle({ projects, dataUrl }, req, res) {
      const url = clientUrl(req);
      json(res, 200, {
        org_info: projects.organizations.map(({ id, name }) => ({
          id,
          name,
          api_url: url,
          git_metadata: null,
          is_universal_api: true,
          proxy_url: dataUrl(new URL(url).hostname.replace(/^\[|\]$/g, '')),
          realtime_url: url.replace(/^http/, 'ws'),
        })),
      });
    },
  },
  {
    method: 'POST',
    path: '/api/project/register',
    does: 'returns the project named `project_name`, which is made if there is none; a name has the same id for ever',
    scope: 'logs:write',
    effect: 'store',
    async handle({ projects }, req, res) {
      const body = await smallJsonBody(req, res);
      if (body === undefined) return;
      const { project_name: given, org_id: org } = fieldsOf(body.value);
      const name = textField(given);
      if (name === undefined) return failRequest(req, res, 'project_name: must be a text');
      const { project, isNew } = projects.register(name, textField(org));
      json(res, 200, { project: projectObject(project), found_existing: !isNew });
    },
  },
  {
    method: 'GET',
    path: '/api/project',
    does: 'returns the project with the `id`, which is made if there is none',
    scope: 'logs:write',
    handle({ projects }, req, res) {
      const query = queryOf(req);
      const id = query.get('id') ?? query.get('project_id') ?? '';
      const project = projects.open(id);
      if (project === undefined)
        return failRequest(req, res, 'id: must have 1 to 64 letters, digits, dashes and underscores');
      const object = projectObject(project);
      json(res, 200, { ...object, project: object });
    },
  },
  {
    method: 'POST',
    path: '/api/project/get',
    does: 'returns the projects with the `id` or the `name`',
    scope: 'any',
    effect: 'read',
    async handle({ projects }, req, res) {
      const body = await smallJsonBody(req, res);
      if (body === undefined) return;
      const { id, name, project_name: alias = name } = fieldsOf(body.value);
      const found =
        textField(id) === undefined ? projects.find(textField(alias) ?? '') : projects.get(textField(id)!);
      json(res, 200, found ? [projectObject(found)] : []);
    },
  },
  {
    method: 'GET',
    path: '/version',
    does: 'returns the version of weir',
    scope: 'any',
    // Without `logs3_payload_max_bytes` the SDK sends all rows to POST /logs3, whatever their size.
    handle: (_, __, res) => json(res, 200, { version: `${version}-weir`, commit: version }),
  },
  {
    method: 'GET',
    path: '/ping',
    does: 'answers that weir is there',
    scope: 'any',
    handle: (_, __, res) => json(res, 200, {}),
  },
  {
    method: 'POST',
    path: '/api/ai_secret/get',
    does: 'answers 404, since weir keeps no keys of model providers',
    scope: 'any',
    effect: 'read',
    handle: (_, req, res) =>
      fail(req, res, 'unknown_record', '', { text: 'weir keeps no keys of model providers' }),
  },
];
