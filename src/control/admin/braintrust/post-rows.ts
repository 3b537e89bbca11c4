// Routes that store rows of projects: those of the SDK's loggers, and inserts and feedback of the REST API.
// Invariant: a row that cannot be stored is refused alone, in a response of 200, since the SDK drops all rows of a body
// that is refused.
// Source: docs/contracts/braintrust.md 4.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { transactionOf, type LogStore, type RowsResult } from '../../../telemetry/logs/logs.ts';
import { fail, failProblems, json, type Endpoint } from '../endpoint.ts';
import { bodyMemory, bytesBody, failCrowded, jsonBody } from '../read-body.ts';
import { logsOrFail } from '../routes/logs.ts';
import { signedContentUrl, uploadLimit, type WithAttachments } from './attachment-routes.ts';
import { feedbackRows } from './feedback-rows.ts';
import { failRequest, fieldsOf, textField, type WithProjects } from './project-json.ts';

/** Of a body with rows. The SDK sends batches of at most 3 MiB, and a larger row alone. */
const MAX_BODY_BYTES = 32 * 1024 ** 2;
/** Of rows that are uploaded to a signed URL. */
const MAX_OVERFLOW_BYTES = 64 * 1024 ** 2;
/** A body that names an upload instead of rows is not longer. */
const REFERENCE_BYTES = 4096;
const REFERENCE = 'logs3_overflow';

type Stored = Extract<RowsResult, { ids: unknown }>;

/** A large body is stored in parts, so that the first ones may be stored already. */
const RESEND = 'a part of the rows may be stored; the same body can be sent again';

/**
 * Stores rows and lists their projects. Sends an error response and returns `undefined` if not all could be stored.
 * `project`: of rows that name none.
 */
async function storeRows(
  { projects }: WithProjects,
  logs: LogStore,
  bytes: Uint8Array,
  project: string | undefined,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Stored | undefined> {
  const result = await logs.postRows({ bytes, project });
  if ('ids' in result) {
    for (const id of result.projects) projects.open(id);
    return result;
  }
  if ('invalid' in result) failRequest(req, res, result.invalid);
  else if (result.problem === 'queue_full')
    fail(req, res, 'queue_full', RESEND, {
      text: 'Rows arrive faster than they can be stored; try again later',
    });
  else
    fail(req, res, 'storage_failed', RESEND, {
      text: result.problem === 'store_full' ? 'The disk is full' : 'The log store cannot be written',
    });
  return undefined;
}

/** Id of the stored file of an upload with rows. */
const overflowId = ({ attachments }: WithProjects, key: string): string =>
  attachments.idOf(`overflow/${key}`);

/** The key of the upload that a body names; `undefined` if the body has the rows themselves. */
function referenceIn(body: Buffer): string | undefined {
  if (body.length > REFERENCE_BYTES || !body.includes(REFERENCE)) return undefined;
  try {
    const { type, key } = fieldsOf(fieldsOf(JSON.parse(body.toString()))['rows']);
    return type === REFERENCE ? (textField(key) ?? '') : undefined;
  } catch (error) {
    // The recorder says what is wrong with it.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The rows that were uploaded with a key. Sends an error response and returns `undefined` if there are none. */
async function uploaded(
  context: WithProjects,
  key: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Buffer | undefined> {
  const id = overflowId(context, key);
  const file = context.attachments.get(id);
  if (file === undefined) failRequest(req, res, 'rows.key: no rows were uploaded with this key');
  else if (!bodyMemory(res)(2 * file.bytes)) failCrowded(req, res);
  else return buffer(context.attachments.read(id));
  return undefined;
}

export const rowEndpoints: readonly Endpoint<WithAttachments>[] = [
  {
    method: 'POST',
    path: '/logs3',
    does: 'stores rows of projects, `{"rows": […]}`, merges those with `_is_merge`, and lists the rows that it refuses; responds after they are stored',
    scope: 'logs:write',
    effect: 'store',
    async handle(context, req, res) {
      const logs = logsOrFail(context, req, res);
      const body = logs && (await bytesBody(req, res, MAX_BODY_BYTES));
      if (body === undefined) return;
      const key = referenceIn(body);
      const bytes = key === undefined ? body : await uploaded(context, key, req, res);
      if (bytes === undefined) return;
      const stored = await storeRows(context, logs!, bytes, undefined, req, res);
      if (stored === undefined) return;
      if (key !== undefined) await context.attachments.remove(overflowId(context, key));
      const { ids, seq, rejected } = stored;
      json(res, 200, { ids, xact_id: transactionOf(seq), rejected });
    },
  },
  {
    method: 'POST',
    path: '/logs3/overflow',
    does: 'returns a signed URL for rows that are too large for a body, and the key that `POST /logs3` takes in place of them',
    scope: 'logs:write',
    effect: 'store',
    async handle(context, req, res) {
      if (!context.attachments.isOn)
        return fail(req, res, 'unknown_record', 'see projects.max_attachments and logs.capture', {
          text: 'Rows cannot be uploaded',
        });
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const key = randomUUID();
      const limit = uploadLimit(MAX_OVERFLOW_BYTES);
      json(res, 200, {
        method: 'PUT',
        signedUrl: signedContentUrl(context, req, 'PUT', overflowId(context, key), limit),
        headers: {},
        key,
      });
    },
  },
  {
    method: 'POST',
    path: '/v1/project_logs/{id}/insert',
    does: 'stores rows of a project, `{"events": […]}`; those without ids get some',
    scope: 'logs:write',
    effect: 'store',
    async handle(context, req, res, [id]) {
      const logs = logsOrFail(context, req, res);
      if (!logs || !isProjectOrFail(context, req, res, id!)) return;
      const body = await bytesBody(req, res, MAX_BODY_BYTES);
      const stored = body && (await storeRows(context, logs, body, id, req, res));
      if (stored === undefined) return;
      const { ids, rejected } = stored;
      if (ids.length === 0 && rejected.length > 0) return failRows(req, res, 'events', rejected);
      json(res, 200, { row_ids: ids, ...(rejected.length > 0 ? { rejected } : {}) });
    },
  },
  {
    method: 'POST',
    path: '/v1/project_logs/{id}/feedback',
    does: 'adds scores, expected outputs, tags and comments to rows: `{"feedback": [{"id", …}]}`',
    scope: 'logs:write',
    effect: 'store',
    async handle(context, req, res, [id]) {
      const logs = logsOrFail(context, req, res);
      if (!logs || !isProjectOrFail(context, req, res, id!)) return;
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const read = feedbackRows(body.value, new Date());
      if ('problems' in read) return failProblems(req, res, 'Invalid feedback', read.problems);
      const bytes = Buffer.from(JSON.stringify({ rows: read.rows }));
      const stored = await storeRows(context, logs, bytes, id, req, res);
      if (stored === undefined) return;
      if (stored.rejected.length > 0) return failRows(req, res, 'feedback', stored.rejected);
      json(res, 200, { status: 'success' });
    },
  },
];

/** Lists the project of a path if it is new. Sends an error response and returns false for a text that is not an id. */
function isProjectOrFail(
  { projects }: WithProjects,
  req: IncomingMessage,
  res: ServerResponse,
  id: string,
): boolean {
  const isProject = projects.open(id) !== undefined;
  if (!isProject) fail(req, res, 'unknown_record', id.slice(0, 100), { text: 'No such project' });
  return isProject;
}

const failRows = (
  req: IncomingMessage,
  res: ServerResponse,
  list: string,
  rejected: Stored['rejected'],
): void =>
  failProblems(
    req,
    res,
    'Rows were refused',
    rejected.map(({ index, reason }) => `${list}[${index}]: ${reason}`),
  );
