// Routes of keys: create, list, remove.
// Invariant: a key is in one response only, that of the request that created it.
import { parseDate } from '../../../core/time.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { unknownName } from '../../../core/nearest-name.ts';
import { noteMade } from '../audit.ts';
import { jsonBody } from '../read-body.ts';
import { fail, json, type Endpoint } from '../endpoint.ts';
import type { KeyStore, NewKey } from '../key-store.ts';
import { SCOPES, type KeyScope } from '../scopes.ts';

/** Modules of these routes. */
export interface WithKeys {
  readonly keys: KeyStore;
}

const FIELDS = ['name', 'scopes', 'expires_at'];
const LONGEST_NAME = 100;

export const keyEndpoints: readonly Endpoint<WithKeys>[] = [
  {
    method: 'GET',
    path: '/v1/keys',
    does: 'returns all keys: id, name, scopes and expiry, never the key itself',
    scope: 'admin',
    handle: ({ keys }, _, res) => json(res, 200, { keys: keys.list() }),
  },
  {
    method: 'POST',
    path: '/v1/keys',
    does: 'creates a key from `{"name", "scopes": […], "expires_at"?}`; only this response shows the key',
    scope: 'admin',
    effect: 'change',
    async handle({ keys }, req, res) {
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const nowMs = Date.now();
      const wanted = parseKey(body.value, nowMs);
      if (Array.isArray(wanted)) return refuse(req, res, wanted.join('; '));
      const made = await keys.create(wanted, nowMs);
      if (typeof made === 'string') return refuse(req, res, made);
      noteMade(res, `key ${made.object.id}`);
      json(res, 201, { ...made.object, key: made.key });
    },
  },
  {
    method: 'DELETE',
    path: '/v1/keys/{id}',
    does: 'removes a key, with immediate effect',
    scope: 'admin',
    effect: 'change',
    async handle({ keys }, req, res, [id]) {
      const problem = await keys.remove(id!);
      if (problem === undefined) return fail(req, res, 'unknown_record', `key ${id!.slice(0, 100)}`);
      if (problem !== '') return refuse(req, res, problem);
      res.writeHead(204).end();
    },
  },
];

const refuse = (req: IncomingMessage, res: ServerResponse, detail: string): void =>
  fail(req, res, 'bad_request', detail, { text: 'Invalid key request' });

/** Parses the body of a new key. Returns all its problems if it is not valid. */
function parseKey(value: unknown, nowMs: number): NewKey | string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return ['the body must be an object such as {"name": "grafana", "scopes": ["logs:read"]}'];
  const { name, scopes, expires_at: expires, ...others } = value as Record<string, unknown>;
  const problems = Object.keys(others).map((key) => {
    return unknownName('field', key, FIELDS);
  });
  if (typeof name !== 'string' || name.trim() === '' || name.length > LONGEST_NAME)
    problems.push(`name: must be a string of 1 to ${LONGEST_NAME} characters`);
  const known = Array.isArray(scopes) && scopes.every((scope) => SCOPES.includes(scope as KeyScope));
  if (!known || scopes.length === 0) problems.push(`scopes: must be a list of ${SCOPES.join(', ')}`);
  let expiresMs: number | undefined;
  if (expires !== undefined && expires !== null) {
    expiresMs = typeof expires === 'string' ? parseDate(expires) : undefined;
    if (expiresMs === undefined || expiresMs <= nowMs)
      problems.push('expires_at: must be a time in the future, such as 2030-01-01T00:00:00Z');
  }
  if (problems.length > 0) return problems;
  return { name: name as string, scopes: [...new Set(scopes as KeyScope[])], expiresMs };
}
