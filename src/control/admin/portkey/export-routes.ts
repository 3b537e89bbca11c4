// Routes of Portkey's export API: create, list, retrieve, update, start, cancel, download, and the file.
// Source: docs/contracts/portkey.md 5.
import type { KeyStore } from '../../../core/keys/key-store.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from '../../../core/errors.ts';
import { unknownName } from '../../../core/nearest-name.ts';
import type { UrlSigner } from '../../../core/url-signer.ts';
import { isObject, type JsonObject } from '../../../protocol/llm/json-values.ts';
import {
  EXPORT_STATES,
  type ExportJob,
  type ExportRefusal,
  type Exports,
} from '../../../telemetry/exports/exports.ts';
import { fail, queryOf, type Endpoint } from '../endpoint.ts';
import { noteMade } from '../audit.ts';
import { failCaptureOff, failQuery } from '../routes/logs.ts';
import { readExport } from './asked-export.ts';
import { deniedNames } from './export-columns.ts';
import { fileUrl, hasSignature, sendFile } from './export-file.ts';
import { exportJson, previewJson } from './export-json.ts';
import { callerOf, findExport, unknownExport } from './find-export.ts';
import { valueBody } from './members.ts';
import { portkeyErrors, sendObject } from './portkey-errors.ts';

/** Modules of these routes. */
export interface WithExports {
  /** `undefined`: logs.capture is off. */
  readonly exports: Exports | undefined;
  /** Names of fields that may not be exported. */
  readonly deniedFields: readonly string[];
  readonly urls: UrlSigner;
  readonly keys: KeyStore;
}

/** A job and its body stay in memory, and a list has up to a hundred of them. */
const MAX_BODY_BYTES = 128 * 1024;
const MAX_PAGE = 100;
const PATH = '/v1/logs/exports';
const scope = 'logs:read';
const errors = portkeyErrors;

const FAILURES: Readonly<Record<ExportRefusal['refused'], Failure>> = {
  not_found: 'unknown_record',
  wrong_state: 'wrong_state',
  too_many: 'rate_limited',
  no_room: 'storage_full',
  invalid: 'bad_request',
};

export const exportEndpoints: readonly Endpoint<WithExports>[] = [
  {
    method: 'POST',
    path: PATH,
    does: 'creates an export of requests, as `{"filters", "requested_data"?, "format"?, "description"?}`; it is a draft until it is started',
    scope,
    effect: 'change',
    errors,
    async handle(context, req, res) {
      const exports = exportsOrFail(context, req, res);
      const asked = exports && (await askedExport(context, exports, req, res));
      if (!exports || !asked) return;
      const { owner } = callerOf(context.keys, req);
      respondCreated(await exports.create({ owner, ...asked }), req, res);
    },
  },
  {
    method: 'GET',
    path: PATH,
    does: 'lists exports, newest first; `page_size` (1 to 100) and `current_page` (from 0), `status`',
    scope,
    errors,
    handle(context, req, res) {
      const exports = exportsOrFail(context, req, res);
      if (!exports) return;
      const page = readPage(queryOf(req));
      if (typeof page === 'string') return failQuery(req, res, [page]);
      const { owner, seesAll } = callerOf(context.keys, req);
      const all = exports
        .list(seesAll ? undefined : owner)
        .filter(({ state }) => page.state === undefined || state === page.state);
      const data = all
        .slice(page.from, page.to)
        .map((job) => exportJson(job, (id) => context.keys.nameOf(id)));
      sendObject(res, 200, { object: 'list', total: all.length, data });
    },
  },
  {
    method: 'GET',
    path: `${PATH}/field-restrictions`,
    does: 'lists the fields that may not be exported (`admin.denied_export_fields`)',
    scope,
    errors,
    handle({ deniedFields }, _, res) {
      const denied = deniedNames(deniedFields);
      sendObject(res, 200, { object: 'field-restrictions', denied_fields: denied, deniedFields: denied });
    },
  },
  {
    method: 'POST',
    path: `${PATH}/preview`,
    does: 'says what an export with this body would have, and makes none: number of records, size, and the first 100 rows without bodies',
    scope,
    effect: 'read',
    errors,
    async handle(context, req, res) {
      const exports = exportsOrFail(context, req, res);
      const asked = exports && (await askedExport(context, exports, req, res));
      if (!exports || !asked) return;
      const previewed = await exports.preview(asked.query);
      if ('refused' in previewed) failRefused(previewed, req, res);
      else sendObject(res, 200, previewJson(previewed, asked.query));
    },
  },
  {
    method: 'GET',
    path: `${PATH}/{id}`,
    does: 'returns an export with its status: `draft`, `in_progress`, `success`, `failure` or `stopped`',
    scope,
    errors,
    handle(context, req, res, [id]) {
      const found = findOrFail(context, req, res, id!);
      if (found)
        sendObject(
          res,
          200,
          exportJson(found.job, (key) => context.keys.nameOf(key)),
        );
    },
  },
  {
    method: 'PUT',
    path: `${PATH}/{id}`,
    does: 'replaces filters and fields of an export that is a draft, has failed or was stopped; it is a draft then',
    scope,
    effect: 'change',
    errors,
    async handle(context, req, res, [id]) {
      const exports = exportsOrFail(context, req, res);
      const body = exports && (await objectBody(req, res));
      const found = body && findOrFail(context, req, res, id!, body);
      const asked = found && readAsked(context, found.exports, body, req, res);
      if (asked) respondCreated(await found.exports.update(found.job.id, asked), req, res);
    },
  },
  {
    method: 'POST',
    path: `${PATH}/{id}/start`,
    does: 'starts an export, or starts it again after it has failed or was stopped',
    scope,
    effect: 'change',
    errors,
    handle: (context, req, res, [id]) =>
      change(context, req, res, id!, 'Export started', (exports, job) => exports.begin(job)),
  },
  {
    method: 'POST',
    path: `${PATH}/{id}/cancel`,
    does: 'stops an export that runs',
    scope,
    effect: 'change',
    errors,
    handle: (context, req, res, [id]) =>
      change(context, req, res, id!, 'Export cancelled', (exports, job) => exports.cancel(job)),
  },
  {
    method: 'GET',
    path: `${PATH}/{id}/download`,
    does: 'returns the URL of the file of an export, which needs no key and can be used for `export_jobs.url_lifetime`',
    scope,
    errors,
    handle(context, req, res, [id]) {
      const found = findOrFail(context, req, res, id!);
      if (!found) return;
      const file = found.exports.file(found.job.id);
      if ('refused' in file) return failRefused(file, req, res);
      const { urlLifetimeMs } = found.exports.limits;
      const url = fileUrl(context.urls, found.job.id, Date.now() + urlLifetimeMs, req);
      sendObject(res, 200, { signed_url: url, url });
    },
  },
  {
    method: 'GET',
    path: `${PATH}/{id}/file`,
    does: 'returns the file of an export, whole or a `Range` of it, for a signed URL of its download',
    scope: 'open',
    errors,
    async handle(context, req, res, [id]) {
      if (!hasSignature(context.urls, id!, req, res)) return;
      const exports = exportsOrFail(context, req, res);
      if (!exports) return;
      const file = exports.file(id!);
      if ('refused' in file) return failRefused(file, req, res);
      await sendFile(file, id!, req, res);
    },
  },
];

function exportsOrFail(
  { exports }: WithExports,
  req: IncomingMessage,
  res: ServerResponse,
): Exports | undefined {
  if (!exports) failCaptureOff(req, res);
  return exports;
}

async function objectBody(req: IncomingMessage, res: ServerResponse): Promise<JsonObject | undefined> {
  const body = await valueBody(req, res, MAX_BODY_BYTES);
  if (body === undefined || isObject(body.value)) return body?.value as JsonObject | undefined;
  fail(req, res, 'bad_request', '', { text: 'The body is not a JSON object' });
  return undefined;
}

async function askedExport(
  context: WithExports,
  exports: Exports,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Exclude<ReturnType<typeof readExport>, { problem: string }> | undefined> {
  const body = await objectBody(req, res);
  return body && readAsked(context, exports, body, req, res);
}

function readAsked(
  { deniedFields }: WithExports,
  { limits: { maxRows } }: Exports,
  body: JsonObject,
  req: IncomingMessage,
  res: ServerResponse,
): Exclude<ReturnType<typeof readExport>, { problem: string }> | undefined {
  const asked = readExport(body, { maxRows, denied: deniedFields });
  if (!('problem' in asked)) return asked;
  fail(req, res, 'bad_request', '', { text: `${asked.key} ${asked.problem}`, param: asked.key });
  return undefined;
}

/** The export of a request that its key may see. Sends an error response and returns `undefined` without one. */
function findOrFail(
  context: WithExports,
  req: IncomingMessage,
  res: ServerResponse,
  id: string,
  body?: JsonObject,
): { readonly exports: Exports; readonly job: ExportJob } | undefined {
  const exports = exportsOrFail(context, req, res);
  const job = exports && findExport(exports, callerOf(context.keys, req), id, body);
  if (job) return { exports, job };
  if (exports) fail(req, res, 'unknown_record', '', { text: unknownExport(id), param: 'exportId' });
  return undefined;
}

async function change(
  context: WithExports,
  req: IncomingMessage,
  res: ServerResponse,
  id: string,
  message: string,
  run: (exports: Exports, id: string) => Promise<ExportJob | ExportRefusal>,
): Promise<void> {
  const body = await objectBody(req, res);
  const found = body && findOrFail(context, req, res, id, body);
  if (!found) return;
  const changed = await run(found.exports, found.job.id);
  if ('refused' in changed) return failRefused(changed, req, res);
  sendObject(res, 200, { message, object: 'export' });
}

function respondCreated(result: ExportJob | ExportRefusal, req: IncomingMessage, res: ServerResponse): void {
  if ('refused' in result) return failRefused(result, req, res);
  noteMade(res, `export ${result.id}`);
  sendObject(res, 200, { id: result.id, total: result.total, object: 'export' });
}

const failRefused = ({ refused, message }: ExportRefusal, req: IncomingMessage, res: ServerResponse): void =>
  fail(req, res, FAILURES[refused], '', { text: message });

const PARAMS = ['workspace_id', 'page_size', 'current_page', 'status'];

interface ListPage {
  readonly from: number;
  readonly to: number;
  readonly state: string | undefined;
}

/** Which exports are listed; a text is the problem. A weir has one workspace, so `workspace_id` has no meaning. */
function readPage(query: URLSearchParams): ListPage | string {
  for (const name of query.keys()) if (!PARAMS.includes(name)) return unknownName('parameter', name, PARAMS);
  const number = (name: string, fallback: number): number => {
    const text = query.get(name) ?? '';
    return text === '' ? fallback : /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  };
  const size = number('page_size', MAX_PAGE);
  if (!(size >= 1 && size <= MAX_PAGE)) return `page_size: must be a whole number from 1 to ${MAX_PAGE}`;
  const page = number('current_page', 0);
  if (!(page >= 0)) return 'current_page: must be a whole number from 0';
  const given = query.get('status') ?? undefined;
  const state = given === 'failed' ? 'failure' : given;
  if (state !== undefined && !EXPORT_STATES.some((known) => known === state))
    return `status: ${unknownName('state', state, EXPORT_STATES)}`;
  return { from: page * size, to: (page + 1) * size, state };
}
