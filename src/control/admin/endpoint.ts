// Routes of the admin API: their type, dispatch, and helpers for responses.
// Invariant: an unauthorized request does not learn which routes exist, and a failed route ends in one response.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from '../../core/errors.ts';
import type { AdminScope } from '../../core/keys/scopes.ts';
import { nearest } from '../../core/nearest-name.ts';
import { requestId } from '../../core/request-id.ts';
import { errorResponse, sendError, type ErrorResponse } from '../../protocol/http/error-response.ts';
import { changeOf, type AdminChange, type AdminCaller } from './audit.ts';
import { isSameOrigin, type Guard } from './auth.ts';

export { json } from './json-answer.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** An error response in weir's form. */
interface AdminError {
  readonly failure: Failure;
  readonly status: number;
  /** The whole text. */
  readonly message: string;
  /** Id of this request of the admin API. */
  readonly requestId: string;
  /** Name of the parameter or field that is wrong; empty if none is. */
  readonly param: string;
}

/**
 * Returns the body of an error response, and headers besides weir's own (name, value, …). `undefined`: the response of
 * this request has weir's form.
 */
export type ErrorForm = (
  error: AdminError,
  req: IncomingMessage,
) => { readonly body: object; readonly headers?: readonly string[] } | undefined;

/** The forms of the requests whose route has one. */
const forms = new WeakMap<IncomingMessage, ErrorForm>();

/** Sets the form of the error response of a request whose route has several kinds of clients. */
export const setErrorForm = (req: IncomingMessage, form: ErrorForm): void => void forms.set(req, form);

/**
 * What a route does that is not a GET: `read` looks something up; `store` takes in records, which tell of themselves;
 * `change` alters what weir does or keeps, and is written to the log store with who asked for it.
 */
type Effect = 'read' | 'store' | 'change';

type Effective =
  | { readonly method: 'GET'; readonly effect?: 'read' }
  | { readonly method: Exclude<Method, 'GET'>; readonly effect: Effect };

/** `Context`: the modules that the route uses. */
export type Endpoint<Context> = Effective & RouteOf<Context>;

interface RouteOf<Context> {
  /** `{name}` matches one segment. A path with fewer of them takes precedence. */
  readonly path: string;
  /** What the route does, for the reference: a verb phrase. */
  readonly does: string;
  /** Scope that a key needs. */
  readonly scope: AdminScope;
  /** Form of its error responses, for clients that expect another one than weir's. */
  readonly errors?: ErrorForm;
  /** `params`: decoded values of `{…}` in the path, in order. */
  handle(
    context: Context,
    req: IncomingMessage,
    res: ServerResponse,
    params: readonly string[],
  ): void | Promise<void>;
}

/** What is wrong with a parameter, or with a part of a text in it. */
export interface ParamProblem {
  readonly param?: string | undefined;
  readonly problem: string;
  /** Index of the part in the text, in UTF-16 code units. */
  readonly at?: number;
  /** 0: something is missing at `at`. */
  readonly length?: number;
  /** Text to write in its place. */
  readonly suggestion?: string;
}

/**
 * Sends the error response of a failure. `text` replaces its message; `param` names what is wrong, if the form has it;
 * `problems` are in weir's form only.
 */
export function fail(
  req: IncomingMessage,
  res: ServerResponse,
  failure: Failure,
  detail = '',
  {
    allow = '',
    text,
    param = '',
    problems,
  }: { allow?: string; text?: string; param?: string; problems?: readonly ParamProblem[] } = {},
): void {
  const id = requestId(Date.now());
  const response = errorResponse(failure, id, { detail, text, allow });
  const body = JSON.parse(response.body) as { error: string };
  const { status } = response;
  const formed =
    forms.get(req)?.({ failure, status, message: body.error, requestId: id, param }, req) ??
    (problems && { body: { ...body, problems } });
  sendError(req, res, formed === undefined ? response : withBody(response, formed));
}

/** An error response with the body of another form. */
function withBody(
  response: ErrorResponse,
  { body: object, headers: others = [] }: NonNullable<ReturnType<ErrorForm>>,
): ErrorResponse {
  const body = JSON.stringify(object);
  const headers = [...response.headers, ...others];
  headers[headers.indexOf('Content-Length') + 1] = String(Buffer.byteLength(body));
  return { status: response.status, headers, body };
}

/** Maximum problems in one response. */
const MOST_PROBLEMS = 10;

/** A problem as text. The place counts from 1 there. */
const problemText = ({ param, problem, at }: ParamProblem): string =>
  `${param === undefined ? '' : `${param}${at === undefined ? '' : ` at character ${at + 1}`}: `}${problem}`;

/** A problem from its text, which begins with `name: ` if it is about one parameter. */
function readProblem(text: string): ParamProblem {
  const [, param, problem] = /^([\w.-]+): ([^]+)$/.exec(text) ?? [];
  return problem === undefined ? { problem: text } : { param, problem };
}

/** Sends the error response of a request with these problems. `text`: what is wrong as a whole. */
export function failProblems(
  req: IncomingMessage,
  res: ServerResponse,
  text: string,
  problems: readonly (string | ParamProblem)[],
): void {
  const others = problems.length - MOST_PROBLEMS;
  const listed = problems
    .slice(0, MOST_PROBLEMS)
    .map((one) => (typeof one === 'string' ? readProblem(one) : one));
  const texts = [...listed.map(problemText), ...(others > 0 ? [`and ${others} more`] : [])];
  fail(req, res, 'bad_request', texts.join('; '), { text, problems: listed });
}

/** Query of a request. */
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

/** Values of the parameters of a pattern; `undefined` if the path does not match. */
function match(pattern: string, path: string): string[] | undefined {
  const [expected, given] = [pattern.split('/'), path.split('/')];
  if (expected.length !== given.length) return undefined;
  const params: string[] = [];
  for (const [i, part] of expected.entries())
    if (part.startsWith('{')) {
      const value = decoded(given[i]!);
      if (value === undefined || value === '') return undefined;
      params.push(value);
    } else if (part !== given[i]) return undefined;
  return params;
}

/** The routes of a path for all methods, of the pattern with the fewest parameters. */
function routesOf<Context>(endpoints: readonly Endpoint<Context>[], path: string) {
  const matches = endpoints.flatMap((endpoint) => {
    const params = match(endpoint.path, path);
    return params === undefined ? [] : [{ endpoint, params }];
  });
  const fewest = Math.min(...matches.map(({ params }) => params.length));
  return matches.filter(({ params }) => params.length === fewest);
}

/**
 * Path of a request as routes have it. Clients that join URLs send `//`, and those whose base URL has no `/v1` leave it
 * out (docs/contracts/portkey.md 1); a redirect would lose the body of a POST.
 */
function routePath(url: string): string {
  const path = url.split('?', 1)[0]!.replace(/\/{2,}/g, '/');
  return /^\/(?:logs|feedback)(?:\/|$)/.test(path) ? `/v1${path}` : path;
}

/** What the server learns of the requests that are dispatched. */
export interface DispatchReports {
  /** An unexpected error of a route. */
  failed(route: string, error: unknown): void;
  changed(change: AdminChange): void;
  callerOf(req: IncomingMessage): AdminCaller;
}

/** Authorizes a request and runs its route. */
export async function dispatch<Context>(
  endpoints: readonly Endpoint<Context>[],
  context: Context,
  guard: Guard,
  reports: DispatchReports,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const routes = routesOf(endpoints, routePath(req.url!));
  const method = req.method === 'HEAD' ? 'GET' : req.method;
  const found = routes.find(({ endpoint }) => endpoint.method === method);
  const form = (found ?? routes[0])?.endpoint.errors;
  if (form !== undefined) forms.set(req, form);
  // Before 404 and 405, since only a request with a key may learn which routes exist.
  const refusal = guard.authorize(req, (found ?? routes[0])?.endpoint.scope ?? 'any');
  if (refusal !== undefined) return fail(req, res, refusal.failure, refusal.detail);
  if (routes.length === 0) {
    const near = nearest(
      routePath(req.url!),
      endpoints.map(({ path }) => path),
    );
    const hint = near === undefined ? 'docs/reference/http-api.md lists the routes' : `did you mean ${near}?`;
    return fail(req, res, 'unknown_route', hint);
  }
  if (found === undefined) {
    const methods = routes.map(({ endpoint }) => (endpoint.method === 'GET' ? 'GET, HEAD' : endpoint.method));
    return fail(req, res, 'method_not_allowed', '', { allow: methods.join(', ') });
  }
  if (method !== 'GET' && !isSameOrigin(req))
    return fail(req, res, 'forbidden', 'the request is from a web page of another origin');
  const caller = found.endpoint.effect === 'change' ? reports.callerOf(req) : undefined;
  try {
    await found.endpoint.handle(context, req, res, found.params);
  } catch (error) {
    reports.failed(`${req.method} ${found.endpoint.path}`, error);
    // A started response is cut, so that it does not look complete.
    if (!res.headersSent) fail(req, res, 'internal');
    else if (!res.writableEnded) res.destroy();
  }
  const change = caller && changeOf(caller, req, res);
  if (change !== undefined) reports.changed(change);
}
