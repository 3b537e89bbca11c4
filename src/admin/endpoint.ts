// One route of the admin API: what it is, how its request is found and read, and how it is answered.
// Must stay true: nobody who may not use a route learns that it is there, a body is bounded before it is read, and a
// mistake in it is said in words.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from '../base/errors.ts';
import { requestId } from '../base/ids.ts';
import { errorMessage, sendError } from '../http/reply.ts';
import { isAllowed, isOwnPage } from './auth.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** `Shown` is what the route needs to know. */
export interface Endpoint<Shown> {
  readonly method: Method;
  /** `{name}` stands for one segment. */
  readonly path: string;
  readonly does: string;
  /** Open to everyone; others need the key, or loopback when no key is set. */
  readonly isOpen: boolean;
  /** `names` are what stands for `{…}` in the path, as it is in there. */
  answer(
    shown: Shown,
    req: IncomingMessage,
    res: ServerResponse,
    names: readonly string[],
  ): void | Promise<void>;
}

/** Answers with JSON for people and programs. */
export const json = (res: ServerResponse, status: number, body: unknown): void => {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(`${JSON.stringify(body, null, 2)}\n`);
};

/** Answers with a row of the catalogue. `text` stands in the place of its message. */
export function fail(
  req: IncomingMessage,
  res: ServerResponse,
  failure: Failure,
  detail = '',
  { allow = '', text }: { allow?: string; text?: string } = {},
): void {
  const message = errorMessage(failure, requestId(Date.now()), { detail, text, allow });
  if (failure === 'unauthorized') message.headers.push('WWW-Authenticate', 'Bearer');
  sendError(req, res, message);
}

/** What the names in a pattern stand for in a path, or `undefined` where it does not fit. */
function match(pattern: string, path: string): string[] | undefined {
  if (pattern === path) return [];
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return undefined;
  const names: string[] = [];
  for (const [i, part] of wanted.entries())
    if (part.startsWith('{') && given[i] !== '') names.push(given[i]!);
    else if (part !== given[i]) return undefined;
  return names;
}

/** Finds the route of a request and has it answered. */
export async function dispatch<Shown>(
  endpoints: readonly Endpoint<Shown>[],
  shown: Shown,
  key: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const path = req.url!.split('?', 1)[0]!;
  const there = endpoints.flatMap((endpoint) => {
    const names = match(endpoint.path, path);
    return names === undefined ? [] : [{ endpoint, names }];
  });
  // Which routes there are is told to those alone who may use them.
  if (there[0]?.endpoint.isOpen !== true && !isAllowed(req, key))
    return fail(req, res, 'unauthorized', key === '' ? 'without admin.key set, only from loopback' : '');
  if (there.length === 0) {
    const paths = [...new Set(endpoints.map((endpoint) => endpoint.path))];
    return fail(req, res, 'unknown_route', `there is ${paths.join(', ')}`);
  }
  const method = req.method === 'HEAD' ? 'GET' : req.method;
  const found = there.find(({ endpoint }) => endpoint.method === method);
  if (found === undefined) {
    const methods = there.map(({ endpoint }) => (endpoint.method === 'GET' ? 'GET, HEAD' : endpoint.method));
    return fail(req, res, 'method_not_allowed', '', { allow: methods.join(', ') });
  }
  if (method !== 'GET' && !isOwnPage(req))
    return fail(req, res, 'unauthorized', 'not from a web page of somebody else');
  try {
    await found.endpoint.answer(shown, req, res, found.names);
  } catch {
    if (res.headersSent) res.destroy();
    else fail(req, res, 'internal');
  }
}

const MAX_BODY_BYTES = 1024 ** 2;

/** The JSON that a request has for a body; `undefined` where it has been answered with what is wrong with it. */
export async function jsonBody(
  req: IncomingMessage,
  res: ServerResponse,
): Promise<{ value: unknown } | undefined> {
  const type = (req.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  // Also what keeps a web page of somebody else from sending it without asking first.
  if (type !== 'application/json') {
    fail(req, res, 'wrong_protocol', `the body must be JSON, with Content-Type: application/json`);
    return undefined;
  }
  if (req.headers['content-encoding'] !== undefined) {
    fail(req, res, 'wrong_protocol', 'the body must not be packed (Content-Encoding)');
    return undefined;
  }
  const bytes = await bytesOf(req, MAX_BODY_BYTES);
  if (bytes === undefined) {
    if (req.destroyed) res.destroy();
    else fail(req, res, 'too_large', `the body may have ${MAX_BODY_BYTES} bytes`);
    return undefined;
  }
  try {
    return { value: JSON.parse(bytes.toString('utf8')) as unknown };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    fail(req, res, 'bad_request', `the body is no JSON: ${error.message}`);
    return undefined;
  }
}

/** The whole body; `undefined` when it is longer than `limit`, or its sender has left. */
function bytesOf(req: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    if (Number(req.headers['content-length'] ?? 0) > limit) return resolve(undefined);
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) resolve(undefined);
      else chunks.push(chunk);
    });
    req.on('end', () => resolve(Buffer.concat(chunks)));
    req.on('close', () => resolve(undefined));
    req.on('error', () => resolve(undefined));
  });
}
