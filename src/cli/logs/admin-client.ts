// Calls the admin API of a running weir.
// Invariant: every failure has one exit code of the contract (docs/contracts/serving.md 8.2) and a message of one sentence.
import { catalogue, describe, type Failure } from '../../core/errors.ts';
import { CAUSE_HEADER_LOWER, ID_HEADER_LOWER } from '../../core/header-names.ts';
import { readSocketPath, socketPathIn } from '../../core/address.ts';
import { isUntrusted } from '../../protocol/http/tls-errors.ts';
import { CLIENT, OLD_CLIENT } from '../../config/config.ts';
import type { ClientTls } from '../client-tls.ts';
import type { LogsArguments } from './flags.ts';
import { requestAdmin, type AdminResponse, type AdminRequestBody } from './admin-request.ts';

/** Exit codes of weir logs. */
export const CODES = {
  ok: 0,
  failed: 1,
  usage: 2,
  auth: 3,
  notFound: 4,
  validation: 5,
  server: 6,
  interrupted: 130,
} as const;

/** A call that failed, with the exit code of weir logs. */
export class AdminError extends Error {
  readonly code: number;
  /** True if a retry may succeed. */
  readonly isTemporary: boolean;

  constructor(message: string, code: number, isTemporary: boolean, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.isTemporary = isTemporary;
  }
}

const codeOf = (status: number): number => {
  if (status === 401 || status === 403) return CODES.auth;
  if (status === 404) return CODES.notFound;
  return status >= 500 || status === 429 ? CODES.server : CODES.validation;
};

/** A search, and what its calls need. */
export type LogsTarget = LogsArguments & { readonly tls: ClientTls };

/** Where the admin API is, and what to send there. */
export interface AdminAccess {
  /** URL of the admin server, without a slash at the end. */
  readonly url: string;
  /** Empty: none. */
  readonly key: string;
  /** The variable of OLD_CLIENT that the key came from; `undefined`: the flag or the variable of CLIENT. */
  readonly keyVariable?: string | undefined;
}

function urlProblems(url: string): string[] {
  const socketPath = socketPathIn(url);
  if (socketPath !== undefined) {
    const read = readSocketPath(socketPath);
    return 'problem' in read ? [`--url: is ${JSON.stringify(url)}: ${read.problem}`] : [];
  }
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return [];
  const like = 'http://127.0.0.1:9464 or unix:/run/weir.sock';
  return [`--url: is ${JSON.stringify(url)}, must be a URL such as ${like}`];
}

/**
 * The target of the flags `--url` and `--key`, else of the variables. `env` may have the variables of CLIENT or
 * OLD_CLIENT. An invalid URL is added to `problems`.
 */
export function adminAccess(
  flags: { readonly url?: string | undefined; readonly key?: string | undefined },
  env: NodeJS.ProcessEnv,
  problems: string[],
): AdminAccess {
  const fromEnv = (name: 'url' | 'key'): string => env[CLIENT[name]] || env[OLD_CLIENT[name]] || '';
  const url = (flags.url ?? (fromEnv('url') || 'http://127.0.0.1:9464')).replace(/\/+$/, '');
  problems.push(...urlProblems(url));
  const isOld = flags.key === undefined && !env[CLIENT.key] && env[OLD_CLIENT.key];
  return { url, key: flags.key ?? fromEnv('key'), keyVariable: isOld ? OLD_CLIENT.key : undefined };
}

/** The same, with what TLS needs. */
export type AdminTarget = AdminAccess & { readonly tls: ClientTls };

/** Sends a request to the admin API. Throws an AdminError if it cannot be reached. */
async function send(
  { url, tls, key }: AdminTarget,
  path: string,
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal,
  content?: AdminRequestBody,
): Promise<AdminResponse> {
  const given = key === '' ? headers : { ...headers, authorization: `Bearer ${key}` };
  try {
    return await requestAdmin(url, path, given, tls, signal, content);
  } catch (error) {
    const hint = isUntrusted(error) ? '; give the file of the certificate authority with --ca-file' : '';
    throw new AdminError(`cannot reach weir at ${url}: ${describe(error)}${hint}`, CODES.failed, true, {
      cause: error,
    });
  }
}

/** Calls a route with JSON. Resolves to its JSON; `undefined` for an empty response. Throws an AdminError if it fails. */
export async function callAdmin(
  target: AdminTarget,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const text = body && JSON.stringify(body);
  const headers = text === undefined ? {} : { 'content-type': 'application/json' };
  const response = await send(target, path, headers, undefined, { method, text });
  if (response.status === 204) return undefined;
  const isDataPort = cameFromDataPort(response.headers);
  if (response.status < 300 && !isDataPort) return JSON.parse(await response.text()) as unknown;
  const problem = isDataPort
    ? `${response.url} responded with ${response.status}`
    : await errorTextOf(response);
  const hint = hintFor(
    response,
    isDataPort,
    target.key === '' ? undefined : (target.keyVariable ?? CLIENT.key),
    'admin',
  );
  throw new AdminError(`${problem}${hint}`, isDataPort ? CODES.notFound : codeOf(response.status), false);
}

/** Calls GET /v1/logs. Throws an AdminError for every response that is not a 200 of weir. */
export async function getLogs(
  target: AdminTarget,
  parameters: readonly (readonly [string, string])[],
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<AdminResponse> {
  const query = new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value]));
  const { key, keyVariable = CLIENT.key } = target;
  const path = `/v1/logs?${query.toString()}`;
  const response = await send(target, path, headers, signal);
  const { status } = response;
  const type = response.headers['content-type'] ?? 'no content type';
  const isDataPort = cameFromDataPort(response.headers);
  if (status === 200 && !isDataPort && type.startsWith(headers['accept'] ?? 'text/csv')) return response;
  const problem =
    isDataPort || status === 200
      ? `${response.url} responded with ${status} (${type})`
      : await errorTextOf(response);
  const code = isDataPort || status === 200 ? CODES.notFound : codeOf(status);
  const isTemporary = !isDataPort && (status >= 500 || status === 429);
  throw new AdminError(
    `${problem}${hintFor(response, isDataPort, key === '' ? undefined : keyVariable, 'logs:read')}`,
    code,
    isTemporary,
  );
}

/** True for causes that only responses of the data server have. */
const isOfDataPort = (cause: string): boolean =>
  ['no_replica', 'queue_full', 'queue_timeout', 'at_capacity'].includes(cause) ||
  (Object.hasOwn(catalogue, cause) && catalogue[cause as Failure].origin === 'replica');

/** True if the response came from the data server of a weir. The admin server sends an id only with its errors. */
function cameFromDataPort(headers: AdminResponse['headers']): boolean {
  const cause = headers[CAUSE_HEADER_LOWER];
  return headers[ID_HEADER_LOWER] !== undefined && (cause === undefined || isOfDataPort(String(cause)));
}

/**
 * End of the error text: what to do. `keyVariable`: the variable of the key that was sent, if one was sent. `scope`: that a
 * key needs.
 */
function hintFor(
  { status, headers }: AdminResponse,
  isDataPort: boolean,
  keyVariable: string | undefined,
  scope: string,
): string {
  const advice = `give the URL of weir's admin server with --url or ${CLIENT.url} (default: http://127.0.0.1:9464)`;
  if (isDataPort) return `: this is weir's data server; ${advice}`;
  if (status === 401)
    return keyVariable === undefined
      ? `; give a key with the scope ${scope} with --key or ${CLIENT.key}`
      : `; check the key in --key or ${keyVariable}`;
  return status === 200 || (status === 404 && headers[CAUSE_HEADER_LOWER] === undefined) ? `; ${advice}` : '';
}

/** The message in the body of an error response. */
async function errorTextOf(response: AdminResponse): Promise<string> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return error;
  } catch (error) {
    // Not JSON, so not from weir: for example from a proxy.
    if (!(error instanceof SyntaxError)) throw error;
  }
  return `${response.url} responded with ${response.status}`;
}

/** A record in a response of the admin API. These fields are shown in text output. */
export interface LogEntry {
  readonly timestamp: string;
  readonly message: string;
  readonly kind?: string;
  readonly level?: string;
  readonly replica?: string;
  readonly request_id?: string;
  readonly duration_ms?: number;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

export interface LogPage {
  readonly logs: readonly LogEntry[];
  readonly cursor?: string;
}
