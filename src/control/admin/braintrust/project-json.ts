// Projects and tags as Braintrust's API shows them, and what its requests say about them.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PROJECT_LIMITS } from '../../../telemetry/projects/projects.ts';
import type {
  Attachments,
  ChangeProblem,
  Project,
  Projects,
  ProjectTag,
} from '../../../telemetry/projects/projects.ts';
import { fail } from '../endpoint.ts';
import type { WithLogs } from '../routes/logs.ts';

/** Modules of Braintrust's routes. */
export interface WithProjects extends WithLogs {
  readonly projects: Projects;
  readonly attachments: Attachments;
}

const iso = (ms: number): string => new Date(ms).toISOString();

export const projectObject = ({ id, name, orgId, createdMs }: Project): object => ({
  id,
  name,
  org_id: orgId,
  created: iso(createdMs),
  user_id: null,
  deleted_at: null,
  settings: null,
});

export const tagObject = ({
  id,
  projectId,
  name,
  color,
  description,
  position,
  createdMs,
}: ProjectTag): object => ({
  id,
  project_id: projectId,
  name,
  color,
  description,
  position,
  created: iso(createdMs),
  user_id: null,
});

/** A JSON value as an object; empty for another value. */
export const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};

/** The text of a field; `undefined` if it is absent, empty or no text. */
export const textField = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** What is wrong with a name; '' if it is right. */
export const nameProblem = (what: string, name: unknown): string =>
  typeof name === 'string' && name !== '' && name.length <= PROJECT_LIMITS.name
    ? ''
    : `${what}: must be a text of 1 to ${PROJECT_LIMITS.name} characters`;

export const failRequest = (req: IncomingMessage, res: ServerResponse, detail: string): void =>
  fail(req, res, 'bad_request', detail, { text: 'Invalid request' });

const TEXTS: Readonly<Record<Exclude<ChangeProblem, 'unknown' | 'unwritten'>, string>> = {
  name_taken: 'this name is in use',
  too_many: `a project has at most ${PROJECT_LIMITS.tags} tags`,
};

/** Sends the error response of a change that was not made. `what`: what was to be changed, with its id. */
export function failChange(
  req: IncomingMessage,
  res: ServerResponse,
  problem: ChangeProblem,
  what: string,
): void {
  if (problem === 'unknown')
    return fail(req, res, 'unknown_record', what.slice(0, 120), { text: 'No such object' });
  if (problem === 'unwritten')
    return fail(req, res, 'storage_failed', '', {
      text: 'The change cannot be written to disk yet; it is tried again',
    });
  failRequest(req, res, TEXTS[problem]);
}
