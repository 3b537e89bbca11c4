// Routes of downloads that run as jobs: begin, progress, stop, and the file by a signed URL.
// Invariant: a key sees the downloads that it has begun, an admin's key all. The file needs a signature of this weir.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { UrlSigner } from '../../../core/url-signer.ts';
import { nowNs } from '../../../core/time.ts';
import type { DownloadMade } from '../answers/download-answers.ts';
import { noteMade } from '../audit.ts';
import { clientUrl } from '../client-url.ts';
import type { DownloadJob } from '../downloads/download-job.ts';
import type { Downloads } from '../downloads/downloads.ts';
import { sendJobFile } from '../downloads/send-job-file.ts';
import { fail, json, queryOf, type Endpoint, type ParamProblem } from '../endpoint.ts';
import { columnsProblem, FORMATS, type Format } from '../logs/record-formats.ts';
import { readSearchParams, type SearchParams } from '../logs/search-params.ts';
import { failSignature } from '../portkey/export-file.ts';
import { callerOf } from '../portkey/find-export.ts';
import { jsonBody } from '../read-body.ts';
import type { WithKeys } from './keys.ts';
import { downloadQuery, failCaptureOff, failQuery, failTarget, logsOrFail, type WithSearch } from './logs.ts';

/** Modules of these routes. */
export interface WithDownloads extends WithSearch, WithKeys {
  /** `undefined`: logs.capture is off. */
  readonly downloads: Downloads | undefined;
  readonly urls: UrlSigner;
}

const PATH = '/v1/logs/downloads';
const ONE = `${PATH}/{id}`;
const scope = 'logs:read';
/** Parameters of GET /v1/logs that are not common to all log routes. */
const OWN = ['model_id', 'direction', 'limit', 'cursor'];
/** Time in which the URL must be used first. */
const BEGIN_MS = 60_000;

const filePath = (id: string): string => `${PATH}/${encodeURIComponent(id)}/file`;
const signed = (id: string) => ({ method: 'GET', path: filePath(id) });

export const downloadEndpoints: readonly Endpoint<WithDownloads>[] = [
  {
    method: 'POST',
    path: PATH,
    does: 'begins a download of the records that `{"format", "columns"?, …}` finds, with the parameters of `GET /v1/logs` as further fields; returns `id`, `total` and a `url` that needs no key and must be begun within 60 s',
    scope,
    effect: 'change',
    handle: create,
  },
  {
    method: 'GET',
    path: ONE,
    does: 'returns the progress of a download: `state` (`running`, `finished`, `failed`, `stopped`), `rows`, `bytes`, `total`',
    scope,
    handle(context, req, res, [id]) {
      const job = findOrFail(context, req, res, id!);
      if (job) json(res, 200, job.progress);
    },
  },
  {
    method: 'DELETE',
    path: ONE,
    does: 'stops a download and deletes its file; a client that reads it is cut off',
    scope,
    effect: 'change',
    async handle(context, req, res, [id]) {
      const job = findOrFail(context, req, res, id!);
      if (!job) return;
      await context.downloads!.remove(job);
      res.writeHead(204).end();
    },
  },
  {
    method: 'GET',
    path: `${ONE}/file`,
    does: 'returns the file of a download while it is written, for its signed URL; with `Range`, a part of it once it is complete',
    scope: 'open',
    handle: sendFileOf,
  },
];

/** What a body asks for, or all its problems. */
function readRequest(value: unknown):
  | {
      readonly params: SearchParams;
      readonly format: Format;
      readonly columns: readonly string[] | undefined;
    }
  | readonly (string | ParamProblem)[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return ['the body must be an object such as {"format": "csv", "q": "level:error", "since": "1h"}'];
  const { format: wanted, columns, ...rest } = value as Record<string, unknown>;
  const problems: (string | ParamProblem)[] = [];
  const format = FORMATS.find((one) => one === wanted);
  if (format === undefined) problems.push(`format: must be one of ${FORMATS.join(', ')}`);
  const areNames = Array.isArray(columns) && columns.every((name) => typeof name === 'string');
  const ofColumns = areNames ? columnsProblem(columns) : 'columns: must be a list of names';
  if (columns !== undefined && ofColumns !== undefined) problems.push(ofColumns);
  const query = new URLSearchParams();
  for (const [name, given] of Object.entries(rest))
    for (const one of Array.isArray(given) ? given : [given])
      if (['string', 'number', 'boolean'].includes(typeof one)) query.append(name, String(one));
      else problems.push(`${name}: must be a text or a number`);
  const params = readSearchParams(query, OWN, nowNs());
  if ('problems' in params) return [...problems, ...params.problems];
  if (problems.length > 0 || format === undefined) return problems;
  return { params, format, columns: columns as readonly string[] | undefined };
}

async function create(context: WithDownloads, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { downloads, keys, urls, modelId, limitsDownloads } = context;
  const logs = logsOrFail(context, req, res);
  if (!logs || !downloads) return;
  const body = await jsonBody(req, res);
  if (body === undefined) return;
  const read = readRequest(body.value);
  if (!('params' in read)) return failQuery(req, res, read);
  const model = read.params.own('model_id');
  if (model !== undefined && model !== modelId)
    return failTarget(req, res, `model ${JSON.stringify(model.slice(0, 100))}`);
  const query = downloadQuery(logs, limitsDownloads, read.params);
  if (!('node' in query)) return failQuery(req, res, query);
  const { owner } = callerOf(keys, req);
  const job = await downloads.create({ owner, format: read.format, columns: read.columns, query });
  if (job === undefined)
    return fail(req, res, 'rate_limited', 'wait for one to end, or stop one', {
      text: 'Too many downloads run',
    });
  const { id, total } = job.facts;
  const expiresMs = Math.ceil((Date.now() + BEGIN_MS) / 1000) * 1000;
  const url = `${clientUrl(req)}${filePath(id)}?${urls.sign(signed(id), expiresMs)}`;
  noteMade(res, `download ${id}`);
  const made: DownloadMade = { id, total, url, expires_at: new Date(expiresMs).toISOString() };
  json(res, 201, made);
}

async function sendFileOf(
  { downloads, urls }: WithDownloads,
  req: IncomingMessage,
  res: ServerResponse,
  [id]: readonly string[],
): Promise<void> {
  const job = downloads?.get(id!);
  const problem = urls.check(signed(id!), queryOf(req), Date.now());
  // A download that was begun in time goes on after a break.
  const goesOn = problem === 'expired' && job?.hasBegun === true && req.headers.range !== undefined;
  if (problem !== undefined && !goesOn) return failSignature(problem, 'a new download', req, res);
  if (!downloads) return failCaptureOff(req, res);
  if (job === undefined) return failUnknown(req, res);
  const done = job.read();
  try {
    if (!(await sendJobFile(job, req, res))) failUnknown(req, res, job);
  } finally {
    done();
  }
}

function findOrFail(
  { downloads, keys }: WithDownloads,
  req: IncomingMessage,
  res: ServerResponse,
  id: string,
): DownloadJob | undefined {
  const job = downloads?.get(id);
  const { owner, seesAll } = callerOf(keys, req);
  if (job !== undefined && (seesAll || job.facts.owner === owner)) return job;
  if (downloads) failUnknown(req, res);
  else failCaptureOff(req, res);
  return undefined;
}

const failUnknown = (req: IncomingMessage, res: ServerResponse, job?: DownloadJob): void =>
  fail(req, res, 'unknown_record', job?.progress.error ?? '', {
    text:
      job === undefined
        ? 'No such download, or it was not used for 15 minutes'
        : `The download ${job.state === 'stopped' ? 'was stopped' : 'has failed'}`,
  });
