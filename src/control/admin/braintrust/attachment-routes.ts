// Attachments: URLs for upload and download, and the uploads and downloads themselves, which need no key.
// Invariant: a content is sent so that no browser runs or shows it as a page, whatever its uploader says it is.
// Source: docs/contracts/braintrust.md 6.
import { pipeline } from 'node:stream/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { UrlSigner } from '../../../core/url-signer.ts';
import type { Attachments, UploadProblem } from '../../../telemetry/projects/projects.ts';
import { clientUrl } from '../client-url.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { isClosed } from '../logs/paged-search.ts';
import { jsonBody } from '../read-body.ts';
import { failRequest, fieldsOf, textField, type WithProjects } from './project-json.ts';

/** Modules of these routes. */
export interface WithAttachments extends WithProjects {
  readonly urls: UrlSigner;
  /** Maximum size of an attachment, in bytes. */
  readonly maxAttachmentBytes: number;
}

/** Path of the content of a stored file. */
const CONTENT = '/attachment/content/';
/** Parameter of a signed upload with the maximum size. */
const MAX_BYTES = 'max_bytes';
/** How long a signed URL can be used, in milliseconds. */
const VALID_MS = 3_600_000;
const MAX_TEXT = 1024;
/** Media types that a browser shows without running anything in them. */
const SHOWN =
  /^(?:image\/(?:png|jpeg|gif|webp|avif)|audio\/[\w.+-]+|video\/[\w.+-]+|text\/plain|application\/json)$/;
const OTHER_TYPE = 'application/octet-stream';

/** What an upload may not be, as text and as failure. */
const PROBLEMS = {
  too_large: ['too_large', 'The file is larger than allowed'],
  incomplete: ['bad_request', 'The file ended before its size in Content-Length'],
  busy: ['queue_full', 'Too many files are being received; try again later'],
  full: ['storage_full', 'The disk is full'],
  failed: ['storage_failed', 'The file cannot be written'],
} as const satisfies Record<UploadProblem, readonly [string, string]>;

/** Sends an error response and returns false if attachments are off. */
function isOnOrFail({ isOn }: Attachments, req: IncomingMessage, res: ServerResponse): boolean {
  if (!isOn)
    fail(req, res, 'unknown_record', 'see projects.max_attachments and logs.capture', {
      text: 'Attachments are not stored',
    });
  return isOn;
}

/** Absolute URL for an upload (`PUT`) or a download (`GET`) of a file. */
export function signedContentUrl(
  { urls }: Pick<WithAttachments, 'urls'>,
  req: IncomingMessage,
  method: 'GET' | 'PUT',
  id: string,
  params: Readonly<Record<string, string>>,
): string {
  const path = `${CONTENT}${id}`;
  return `${clientUrl(req)}${path}?${urls.sign({ method, path }, Date.now() + VALID_MS, params)}`;
}

/** The limit of an upload, as a parameter that its signature covers. */
export const uploadLimit = (maxBytes: number): Readonly<Record<string, string>> => ({
  [MAX_BYTES]: String(maxBytes),
});

const keyProblem = (key: unknown): string =>
  typeof key === 'string' && key !== '' && key.length <= MAX_TEXT
    ? ''
    : `key: must be a text of 1 to ${MAX_TEXT} characters`;

function statusOf({ attachments }: WithAttachments, id: string): object {
  if (attachments.get(id)) return { upload_status: 'done' };
  const problem = attachments.problemOf(id);
  return problem === undefined
    ? { upload_status: 'uploading' }
    : { upload_status: 'error', error_message: problem };
}

export const attachmentEndpoints: readonly Endpoint<WithAttachments>[] = [
  {
    method: 'POST',
    path: '/attachment',
    does: 'returns a signed URL to upload an attachment: `{"key", "filename", "content_type"}`',
    scope: 'logs:write',
    effect: 'store',
    async handle(context, req, res) {
      if (!isOnOrFail(context.attachments, req, res)) return;
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const { key } = fieldsOf(body.value);
      const problem = keyProblem(key);
      if (problem !== '') return failRequest(req, res, problem);
      const id = context.attachments.idOf(key as string);
      const limit = uploadLimit(context.maxAttachmentBytes);
      json(res, 200, { signedUrl: signedContentUrl(context, req, 'PUT', id, limit), headers: {} });
    },
  },
  {
    method: 'GET',
    path: '/attachment',
    does: 'returns a signed URL to download the attachment with the `key`, and whether its upload is done',
    scope: 'logs:read',
    handle(context, req, res) {
      if (!isOnOrFail(context.attachments, req, res)) return;
      const query = queryOf(req);
      const problem = keyProblem(query.get('key'));
      if (problem !== '') return failRequest(req, res, problem);
      const id = context.attachments.idOf(query.get('key')!);
      const params = Object.fromEntries(
        ['filename', 'content_type'].map((name) => [name, (query.get(name) ?? '').slice(0, MAX_TEXT)]),
      );
      json(res, 200, {
        downloadUrl: signedContentUrl(context, req, 'GET', id, params),
        status: statusOf(context, id),
      });
    },
  },
  {
    method: 'POST',
    path: '/attachment/status',
    does: 'notes how the upload of an attachment ended for its client',
    scope: 'logs:write',
    effect: 'store',
    async handle(context, req, res) {
      if (!isOnOrFail(context.attachments, req, res)) return;
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const { key, status } = fieldsOf(body.value);
      const problem = keyProblem(key);
      if (problem !== '') return failRequest(req, res, problem);
      const { upload_status: state, error_message: message } = fieldsOf(status);
      if (state === 'error')
        context.attachments.failed(
          context.attachments.idOf(key as string),
          (textField(message) ?? '').slice(0, MAX_TEXT),
        );
      json(res, 200, {});
    },
  },
  {
    method: 'PUT',
    path: `${CONTENT}{id}`,
    does: 'stores the bytes of an attachment; the URL is signed',
    scope: 'open',
    effect: 'store',
    async handle(context, req, res, [id]) {
      if (!isSigned(context, req, res)) return;
      const limit = Number(queryOf(req).get(MAX_BYTES));
      const length = req.headers['content-length'];
      let stored;
      try {
        const declared = length === undefined ? undefined : Number(length);
        stored = await context.attachments.upload(id!, req, limit, declared);
      } catch (error) {
        if (!isClosed(res) && !req.destroyed) throw error;
        return void res.destroy();
      }
      if ('problem' in stored) {
        const [failure, text] = PROBLEMS[stored.problem];
        return fail(req, res, failure, '', { text });
      }
      json(res, 200, { size: stored.bytes, sha256: stored.sha256 });
    },
  },
  {
    method: 'GET',
    path: `${CONTENT}{id}`,
    does: 'sends the bytes of an attachment; the URL is signed',
    scope: 'open',
    async handle(context, req, res, [id]) {
      if (!isSigned(context, req, res)) return;
      const file = context.attachments.get(id!);
      if (file === undefined)
        return fail(req, res, 'unknown_record', '', {
          text: 'No such attachment: it was not uploaded, or it has been deleted',
        });
      const query = queryOf(req);
      res.writeHead(200, {
        'Content-Type': shownType(query.get('content_type') ?? ''),
        'Content-Length': file.bytes,
        'Content-Disposition': disposition(query.get('filename') ?? ''),
        'X-Content-Type-Options': 'nosniff',
        'Content-Security-Policy': "default-src 'none'; sandbox",
        'Cache-Control': 'private, max-age=3600',
        ETag: `"${file.sha256}"`,
      });
      if (req.method === 'HEAD') return void res.end();
      try {
        await pipeline(context.attachments.read(id!), res);
      } catch (error) {
        // The client has left.
        if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
      }
    },
  },
];

/** Checks the signature of a request's URL. Sends an error response and returns false if it must not be used. */
function isSigned({ urls }: WithAttachments, req: IncomingMessage, res: ServerResponse): boolean {
  const method = req.method === 'HEAD' ? 'GET' : req.method!;
  const problem = urls.check({ method, path: req.url!.split('?', 1)[0]! }, queryOf(req), Date.now());
  if (problem !== undefined)
    fail(req, res, 'forbidden', `its signature is ${problem}`, { text: 'This URL cannot be used' });
  return problem === undefined;
}

const shownType = (type: string): string => (SHOWN.test(type) ? type : OTHER_TYPE);

/** RFC 6266: the name in ASCII, and in UTF-8. */
function disposition(filename: string): string {
  const name = filename === '' ? 'attachment' : filename.toWellFormed();
  const ascii = name.replace(/[^\w. -]/g, '_');
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, encodeByte)}`;
}

const encodeByte = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
