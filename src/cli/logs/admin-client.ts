// The admin door of a running weir, asked over HTTP. Must stay true: every way to fail has one exit code of the contract
// (contracts/baseten.md 8.2) and one sentence.
import { catalogue, describe, type Failure } from '../../core/errors.ts';
import { CLIENT } from '../../config/config.ts';

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

/** Why it cannot be answered. */
export class AdminError extends Error {
  readonly code: number;
  /** Asking again later may help. */
  readonly isPassing: boolean;

  constructor(message: string, code: number, isPassing: boolean, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.isPassing = isPassing;
  }
}

const codeOf = (status: number): number => {
  if (status === 401 || status === 403) return CODES.auth;
  if (status === 404) return CODES.notFound;
  return status >= 500 || status === 429 ? CODES.server : CODES.validation;
};

interface Asked {
  readonly url: string;
  readonly key: string;
  /** The variable that the key may have come from. */
  readonly keyVariable?: string | undefined;
}

/** Asks for `/v1/logs`; throws a Refusal for every answer that is not 200. */
export async function ask(
  { url, key, keyVariable = CLIENT.key }: Asked,
  parameters: readonly (readonly [string, string])[],
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<Response> {
  const query = new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value]));
  const given = key === '' ? headers : { ...headers, authorization: `Bearer ${key}` };
  let response: Response;
  try {
    response = await fetch(`${url}/v1/logs?${query.toString()}`, {
      headers: given,
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    throw new AdminError(`cannot reach weir at ${url}: ${describe(error)}`, CODES.failed, true, {
      cause: error,
    });
  }
  const { status } = response;
  const type = response.headers.get('content-type') ?? 'no content type';
  const isDataPort = cameFromDataPort(response.headers);
  if (status === 200 && !isDataPort && type.startsWith(headers['accept'] ?? 'text/csv')) return response;
  const said =
    isDataPort || status === 200
      ? `${plainUrl(response)} answered ${status} (${type})`
      : await wordsOf(response);
  const code = isDataPort || status === 200 ? CODES.notFound : codeOf(status);
  const isPassing = !isDataPort && (status >= 500 || status === 429);
  throw new AdminError(
    `${said}${cureOf(response, isDataPort, key === '' ? undefined : keyVariable)}`,
    code,
    isPassing,
  );
}

const plainUrl = ({ url }: Response): string => url.split('?', 1)[0]!;

/** True for causes of refusals that only weir's data port has. */
const isOfDataPort = (cause: string): boolean =>
  ['no_replica', 'queue_full', 'queue_timeout', 'at_capacity'].includes(cause) ||
  (Object.hasOwn(catalogue, cause) && catalogue[cause as Failure].origin === 'replica');

/** True if the answer came from weir's data port: a replica's, or a refusal. The admin port sends an id only with errors. */
function cameFromDataPort(headers: Headers): boolean {
  const cause = headers.get('x-weir-cause');
  return headers.has('x-baseten-request-id') && (cause === null || isOfDataPort(cause));
}

/** The end of an error text that says what to do about an answer. `keyVariable`: the variable of the key that was sent, if any. */
function cureOf({ status, headers }: Response, isDataPort: boolean, keyVariable: string | undefined): string {
  const place = `give the URL of weir's admin port with --url or ${CLIENT.url} (by default http://127.0.0.1:9464)`;
  if (isDataPort) return `: this is weir's data port; ${place}`;
  if (status === 401)
    return keyVariable === undefined
      ? `; give a key with the scope logs:read with --key or ${CLIENT.key}`
      : `; check the key in --key or ${keyVariable}`;
  return status === 200 || (status === 404 && !headers.has('x-weir-cause')) ? `; ${place}` : '';
}

async function wordsOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return error;
  } catch (error) {
    // Somebody else answered in weir's place: a proxy, a login page.
    if (!(error instanceof SyntaxError)) throw error;
  }
  return `${plainUrl(response)} answered ${response.status}`;
}

/** A record as the admin door gives it; of its fields, what is shown as text. */
export interface LogEntry {
  readonly timestamp: string;
  readonly message: string;
  readonly kind?: string;
  readonly level?: string;
  readonly replica?: string;
  readonly request_id?: string;
  readonly duration_ms?: number;
}

export interface LogPage {
  readonly logs: readonly LogEntry[];
  readonly cursor?: string;
}
