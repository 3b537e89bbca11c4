// Routes of replicas: state, drain and resume.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pool } from '../../../data-plane/replicas/pool.ts';
import { isAdmin } from '../auth.ts';
import { fail, json, type Endpoint } from '../endpoint.ts';
import type { WithKeys } from './keys.ts';

/** Modules of these routes. */
export interface WithPool {
  readonly pool: Pool;
}

export const replicaEndpoints: readonly Endpoint<WithPool & WithKeys>[] = [
  {
    method: 'GET',
    path: '/v1/replicas',
    does: 'returns all replicas: state, outstanding requests, and the problem of the last probe; their URLs only for keys with the scope admin',
    scope: 'logs:read',
    handle: ({ pool, keys }, req, res) => json(res, 200, { deployments: pool.snapshot(isAdmin(keys, req)) }),
  },
  {
    method: 'POST',
    path: '/v1/replicas/{deployment}/{replica}/drain',
    does: 'sends no further requests to a replica; running requests continue (see `outstanding`)',
    scope: 'admin',
    effect: 'change',
    handle: ({ pool }, req, res, params) =>
      change(req, res, params, (id, replica) => pool.drain(id, replica)),
  },
  {
    method: 'POST',
    path: '/v1/replicas/{deployment}/{replica}/resume',
    does: 'ends the drain; the replica gets requests again after its next successful probe',
    scope: 'admin',
    effect: 'change',
    handle: ({ pool }, req, res, params) =>
      change(req, res, params, (id, replica) => pool.resume(id, replica)),
  },
];

/** Applies a change to one replica and sends the response. */
function change(
  req: IncomingMessage,
  res: ServerResponse,
  [deployment, replica]: readonly string[],
  apply: (deployment: string, replica: string) => boolean,
): void {
  if (apply(deployment!, replica!)) json(res, 200, { deployment, replica });
  else fail(req, res, 'unknown_target', `replica ${replica} of deployment ${deployment}`);
}
