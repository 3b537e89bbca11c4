// Routes of keys: create, list, remove.
// Invariant: a key is in one response only, that of the request that created it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readNewKey } from '../../../core/keys/api-key.ts';
import type { KeyStore } from '../../../core/keys/key-store.ts';
import { callerName, noteMade } from '../audit.ts';
import { jsonBody } from '../read-body.ts';
import { fail, json, type Endpoint } from '../endpoint.ts';

/** Modules of these routes. */
export interface WithKeys {
  readonly keys: KeyStore;
}

export const keyEndpoints: readonly Endpoint<WithKeys>[] = [
  {
    method: 'GET',
    path: '/v1/keys',
    does: 'returns all keys: id, name, scopes, expiry, restrictions and limits, `last_used_at` to the minute after a restart, `made_by`; never the key itself',
    scope: 'admin',
    handle: ({ keys }, _, res) => json(res, 200, { keys: keys.list() }),
  },
  {
    method: 'POST',
    path: '/v1/keys',
    does: 'creates a key from `{"name", "scopes": […], "expires_at"?}`, for the data server also `deployments`, `environments`, `routes` and `limits`; only this response shows the key',
    scope: 'admin',
    effect: 'change',
    async handle({ keys }, req, res) {
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const nowMs = Date.now();
      const wanted = readNewKey(body.value, nowMs);
      if (Array.isArray(wanted)) return refuse(req, res, wanted.join('; '));
      const made = await keys.create(wanted, nowMs, callerName(keys, req));
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
