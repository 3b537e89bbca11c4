// weir's own families about each replica. The contract's, about all of a deployment, are in pods.ts.
// Must stay true: a state is read from the pool at the moment of the scrape.
import type { Pool } from '../../pool/pool.ts';
import type { Family } from '../family.ts';

export function replicaFamilies(
  pool: Pick<Pool, 'deployments'>,
  connections: () => { active: number; idle: number },
): Family[] {
  const perReplica = (value: (replica: Pool['deployments'][number]['replicas'][number]) => number) => () =>
    pool.deployments.flatMap(({ options, replicas }) =>
      replicas.map((replica) => ({
        labels: { deployment_id: options.id, replica: replica.id },
        value: value(replica),
      })),
    );
  return [
    {
      name: 'weir_replica_ready',
      type: 'gauge',
      help: '1 while the replica takes requests, else 0.',
      labels: ['deployment_id', 'replica'],
      samples: perReplica((replica) => (replica.isReady ? 1 : 0)),
    },
    {
      name: 'weir_replica_outstanding_requests',
      type: 'gauge',
      help: 'Requests that the replica holds now.',
      labels: ['deployment_id', 'replica'],
      samples: perReplica((replica) => replica.outstanding),
    },
    {
      name: 'weir_replica_connections',
      type: 'gauge',
      help: 'Connections from weir to replicas, in use or kept for the next request.',
      labels: ['state'],
      samples: () => Object.entries(connections()).map(([state, value]) => ({ labels: { state }, value })),
    },
  ];
}
