// The routes of keys: make, list, remove. Must stay true: a key is in one answer only, the one to the request that made it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { nearest } from '../../../core/nearest-name.ts';
import { jsonBody } from '../read-body.ts';
import { fail, json, type Endpoint } from '../endpoint.ts';
import type { KeyStore, WantedKey } from '../key-store.ts';
import { readTime } from '../logs/time.ts';
import { SCOPES, type KeyScope } from '../scopes.ts';

/** What these routes need to know. */
export interface WithKeys {
  readonly keys: KeyStore;
}

const FIELDS = ['name', 'scopes', 'expires_at'];
const LONGEST_NAME = 100;

export const keyEndpoints: readonly Endpoint<WithKeys>[] = [
  {
    method: 'GET',
    path: '/v1/keys',
    does: 'every key: its id, name, scopes and when it expires, never the key itself',
    scope: 'admin',
    answer: ({ keys }, _, res) => json(res, 200, { keys: keys.list() }),
  },
  {
    method: 'POST',
    path: '/v1/keys',
    does: 'makes a key: `{"name", "scopes": […], "expires_at"?}`; it is shown in this answer and never again',
    scope: 'admin',
    async answer({ keys }, req, res) {
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const nowMs = Date.now();
      const wanted = read(body.value, nowMs);
      if (Array.isArray(wanted)) return refuse(req, res, wanted.join('; '));
      const made = await keys.create(wanted, nowMs);
      if (typeof made === 'string') return refuse(req, res, made);
      json(res, 201, { ...made.shown, key: made.key });
    },
  },
  {
    method: 'DELETE',
    path: '/v1/keys/{id}',
    does: 'removes a key: it is good for nothing from now on',
    scope: 'admin',
    async answer({ keys }, req, res, [id]) {
      const problem = await keys.remove(id!);
      if (problem === undefined) return fail(req, res, 'unknown_record', `key ${id!.slice(0, 100)}`);
      if (problem !== '') return refuse(req, res, problem);
      res.writeHead(204).end();
    },
  },
];

const refuse = (req: IncomingMessage, res: ServerResponse, detail: string): void =>
  fail(req, res, 'bad_request', detail, { text: 'This key cannot be' });

/** What a body asks for, or all that is wrong with it. */
function read(value: unknown, nowMs: number): WantedKey | string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return ['the body must be an object such as {"name": "grafana", "scopes": ["logs:read"]}'];
  const { name, scopes, expires_at: expires, ...others } = value as Record<string, unknown>;
  const problems = Object.keys(others).map((key) => {
    const near = nearest(key, FIELDS);
    return `${key.slice(0, 80)} is no part of a key${near === undefined ? '' : `; did you mean ${near}?`}`;
  });
  if (typeof name !== 'string' || name.trim() === '' || name.length > LONGEST_NAME)
    problems.push(`name: must be a text of 1 to ${LONGEST_NAME} characters`);
  const known = Array.isArray(scopes) && scopes.every((scope) => SCOPES.includes(scope as KeyScope));
  if (!known || scopes.length === 0) problems.push(`scopes: must be a list of ${SCOPES.join(', ')}`);
  let expiresMs: number | undefined;
  if (expires !== undefined && expires !== null) {
    const ns = typeof expires === 'string' && /[^\d]/.test(expires) ? readTime(expires) : undefined;
    if (ns === undefined || Number(ns / 1_000_000n) <= nowMs)
      problems.push('expires_at: must be a time to come, such as 2030-01-01T00:00:00Z');
    else expiresMs = Number(ns / 1_000_000n);
  }
  if (problems.length > 0) return problems;
  return { name: name as string, scopes: [...new Set(scopes as KeyScope[])], expiresMs };
}
