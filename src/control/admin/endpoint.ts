// One route of the admin API: what it is, how its request is found, and how it is answered.
// Must stay true: nobody who may not use a route learns that it is there, and whatever goes wrong in it ends in one answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from '../../core/errors.ts';
import { requestId } from '../../core/request-id.ts';
import { errorMessage, sendError } from '../../protocol/http/reply.ts';
import { isOwnPage, type Guard } from './auth.ts';
import type { AdminScope } from './scopes.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** `Shown` is what the route needs to know. */
export interface Endpoint<Shown> {
  readonly method: Method;
  /** `{name}` stands for one segment; a path without one goes before a path with it. */
  readonly path: string;
  readonly does: string;
  /** What a key must be good for. */
  readonly scope: AdminScope;
  /** `names` are what stands for `{…}` in the path, decoded. */
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

/** The part of a request's target behind the `?`. */
export function queryOf(req: IncomingMessage): URLSearchParams {
  const at = req.url!.indexOf('?');
  return new URLSearchParams(at === -1 ? '' : req.url!.slice(at + 1));
}

const decoded = (segment: string): string | undefined => {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
};

/** What the names in a pattern stand for in a path, or `undefined` where it does not fit. */
function match(pattern: string, path: string): string[] | undefined {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return undefined;
  const names: string[] = [];
  for (const [i, part] of wanted.entries())
    if (part.startsWith('{')) {
      const name = decoded(given[i]!);
      if (name === undefined || name === '') return undefined;
      names.push(name);
    } else if (part !== given[i]) return undefined;
  return names;
}

/** The routes of a path, by all methods; those of the pattern with the fewest names. */
function routesOf<Shown>(endpoints: readonly Endpoint<Shown>[], path: string) {
  const there = endpoints.flatMap((endpoint) => {
    const names = match(endpoint.path, path);
    return names === undefined ? [] : [{ endpoint, names }];
  });
  const fewest = Math.min(...there.map(({ names }) => names.length));
  return there.filter(({ names }) => names.length === fewest);
}

/** Finds the route of a request and has it answered. */
export async function dispatch<Shown>(
  endpoints: readonly Endpoint<Shown>[],
  shown: Shown,
  guard: Guard,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const there = routesOf(endpoints, req.url!.split('?', 1)[0]!);
  const method = req.method === 'HEAD' ? 'GET' : req.method;
  const found = there.find(({ endpoint }) => endpoint.method === method);
  // Which routes there are is told to those alone who have a key, and to those what another key might do.
  const verdict = guard.ask(req, (found ?? there[0])?.endpoint.scope ?? 'any');
  if (verdict !== undefined) return fail(req, res, verdict.failure, verdict.detail);
  if (there.length === 0) {
    const paths = [...new Set(endpoints.map((endpoint) => endpoint.path))];
    return fail(req, res, 'unknown_route', `there is ${paths.join(', ')}`);
  }
  if (found === undefined) {
    const methods = there.map(({ endpoint }) => (endpoint.method === 'GET' ? 'GET, HEAD' : endpoint.method));
    return fail(req, res, 'method_not_allowed', '', { allow: methods.join(', ') });
  }
  if (method !== 'GET' && !isOwnPage(req))
    return fail(req, res, 'forbidden', 'not from a web page of somebody else');
  try {
    await found.endpoint.answer(shown, req, res, found.names);
  } catch (error) {
    guard.broke(req.method!, found.endpoint.path, error);
    // What has begun as an answer must not end like a whole one; what was ended says itself what was wrong.
    if (!res.headersSent) fail(req, res, 'internal');
    else if (!res.writableEnded) res.destroy();
  }
}
