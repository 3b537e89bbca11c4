// The admin door of a running weir, asked over HTTP. Must stay true: every way to fail has one exit code of the contract
// (contracts/baseten.md 8.2) and one sentence.
import { describe } from '../../base/errors.ts';

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
export class Refusal extends Error {
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

/** Asks for `/v1/logs`; throws a Refusal for every answer that is not 200. */
export async function ask(
  { url, key }: { readonly url: string; readonly key: string },
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
    throw new Refusal(`cannot reach weir at ${url}: ${describe(error)}`, CODES.failed, true, {
      cause: error,
    });
  }
  if (response.status === 200) return response;
  const said = await wordsOf(response);
  const { status } = response;
  throw new Refusal(said, codeOf(status), status >= 500 || status === 429);
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
  return `${response.url.split('?', 1)[0]} answered ${response.status}`;
}

/** A record as the admin door gives it; of its fields, what is shown as text. */
export interface LogObject {
  readonly timestamp: string;
  readonly message: string;
  readonly replica?: string;
}

export interface Page {
  readonly logs: readonly LogObject[];
  readonly cursor?: string;
}
