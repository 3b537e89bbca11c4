// weir's own families about each replica. The contract's, about all of a deployment, are in pods.ts.
// Must stay true: a state is read from the pool at the moment of the scrape; one series per name, also while a replica
// that left the configuration and its namesake that came both still hold requests.
import type { Pool, Replica } from '../../../data-plane/replicas/pool.ts';
import type { Family, Sample } from '../family.ts';

const PER_REPLICA = ['deployment_id', 'replica'];
const STATES = ['starting', 'ready', 'down', 'ejected', 'draining'] as const;

export function replicaFamilies(
  pool: Pick<Pool, 'deployments'>,
  connections: () => { active: number; idle: number },
): Family[] {
  const perReplica = (value: (namesakes: readonly Replica[]) => number) => (): Sample[] =>
    pool.deployments.flatMap(({ options, replicas }) =>
      Array.from(byName(replicas), ([replica, namesakes]) => ({
        labels: { deployment_id: options.id, replica },
        value: value(namesakes),
      })),
    );
  return [
    {
      name: 'weir_replica_ready',
      type: 'gauge',
      help: '1 while the replica takes requests, else 0.',
      labels: PER_REPLICA,
      samples: perReplica((namesakes) => Number(namesakes.some((replica) => replica.isReady))),
    },
    {
      name: 'weir_replica_state',
      type: 'gauge',
      help: '1 for the state that the replica is in, 0 for the others.',
      labels: [...PER_REPLICA, 'state'],
      samples: () =>
        STATES.flatMap((state) =>
          perReplica((namesakes) => Number(namesakes.at(-1)!.state === state))().map(({ labels, value }) => ({
            labels: { ...labels, state },
            value,
          })),
        ),
    },
    {
      name: 'weir_replica_alive',
      type: 'gauge',
      help: '0 once liveness probes, or the time to become ready, have failed; else 1.',
      labels: PER_REPLICA,
      samples: perReplica((namesakes) => Number(namesakes.at(-1)!.isAlive)),
    },
    {
      name: 'weir_replica_outstanding_requests',
      type: 'gauge',
      help: 'Requests that the replica holds now.',
      labels: PER_REPLICA,
      samples: perReplica((namesakes) => namesakes.reduce((sum, { outstanding }) => sum + outstanding, 0)),
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

/** Replicas of one name, the one of the configuration last. */
function byName(replicas: readonly Replica[]): Map<string, Replica[]> {
  const named = new Map<string, Replica[]>();
  for (const replica of replicas) named.set(replica.id, [...(named.get(replica.id) ?? []), replica]);
  return named;
}
