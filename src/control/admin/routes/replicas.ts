// Routes of the replicas: what they are doing, and taking one out for a while.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pool } from '../../../data-plane/replicas/pool.ts';
import { fail, json, type Endpoint } from '../endpoint.ts';

/** What these routes need to know. */
export interface WithPool {
  readonly pool: Pool;
}

export const replicaEndpoints: readonly Endpoint<WithPool>[] = [
  {
    method: 'GET',
    path: '/v1/replicas',
    does: 'every replica: state, outstanding requests, what its last probe said',
    scope: 'admin',
    answer: ({ pool }, _, res) => json(res, 200, { deployments: pool.snapshot() }),
  },
  {
    method: 'POST',
    path: '/v1/replicas/{deployment}/{replica}/drain',
    does: 'gives a replica no more requests; those that it holds may end (see `outstanding`)',
    scope: 'admin',
    answer: ({ pool }, req, res, names) => actOn(req, res, names, (its, name) => pool.drain(its, name)),
  },
  {
    method: 'POST',
    path: '/v1/replicas/{deployment}/{replica}/resume',
    does: 'undoes that: the replica is asked whether it is ready, and gets requests again',
    scope: 'admin',
    answer: ({ pool }, req, res, names) => actOn(req, res, names, (its, name) => pool.resume(its, name)),
  },
];

/** Answers what became of an act on one replica. */
function actOn(
  req: IncomingMessage,
  res: ServerResponse,
  [deployment, replica]: readonly string[],
  act: (deployment: string, replica: string) => boolean,
): void {
  if (act(deployment!, replica!)) json(res, 200, { deployment, replica });
  else fail(req, res, 'unknown_target', `replica ${replica} of deployment ${deployment}`);
}
