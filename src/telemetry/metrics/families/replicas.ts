// Families of single replicas. Families that count all replicas of a deployment are in pods.ts.
// Invariant: one series per replica id, also while a replica that was replaced and its successor share an id.
import type { Pool, Replica } from '../../../data-plane/replicas/pool.ts';
import type { Family, Sample } from '../family.ts';
import type { MetricSources } from '../metric-sources.ts';

const PER_REPLICA = ['deployment_id', 'replica'];
const STATES = ['starting', 'ready', 'down', 'ejected', 'draining'] as const;

/** Replicas with the same id. The last one is that of the configuration. */
function byId(replicas: readonly Replica[]): Map<string, Replica[]> {
  const groups = new Map<string, Replica[]>();
  for (const replica of replicas) groups.set(replica.id, [...(groups.get(replica.id) ?? []), replica]);
  return groups;
}

const samplesOf = (pool: Pool, valueOf: (sameId: readonly Replica[]) => number): Sample[] =>
  pool.deployments.flatMap(({ options, replicas }) =>
    Array.from(byId(replicas), ([replica, sameId]) => ({
      labels: { deployment_id: options.id, replica },
      value: valueOf(sameId),
    })),
  );
const perReplica =
  (valueOf: (sameId: readonly Replica[]) => number) =>
  ({ pool }: MetricSources): Sample[] =>
    samplesOf(pool, valueOf);

export const replicaFamilies: readonly Family[] = [
  {
    name: 'weir_replica_ready',
    type: 'gauge',
    help: '1 if the replica takes requests, else 0.',
    labels: PER_REPLICA,
    samples: perReplica((sameId) => Number(sameId.some((replica) => replica.isReady))),
  },
  {
    name: 'weir_replica_state',
    type: 'gauge',
    help: '1 for the current state of the replica, 0 for the other states.',
    labels: [...PER_REPLICA, 'state'],
    samples: ({ pool }) =>
      STATES.flatMap((state) =>
        samplesOf(pool, (sameId) => Number(sameId.at(-1)!.state === state)).map(({ labels, value }) => ({
          labels: { ...labels, state },
          value,
        })),
      ),
  },
  {
    name: 'weir_replica_alive',
    type: 'gauge',
    help: '0 if the replica failed its liveness probe or did not become ready in time, else 1.',
    labels: PER_REPLICA,
    samples: perReplica((sameId) => Number(sameId.at(-1)!.isAlive)),
  },
  {
    name: 'weir_replica_outstanding_requests',
    type: 'gauge',
    help: 'Requests in flight at the replica.',
    labels: PER_REPLICA,
    samples: perReplica((sameId) => sameId.reduce((sum, { outstanding }) => sum + outstanding, 0)),
  },
  {
    name: 'weir_replica_connections',
    type: 'gauge',
    help: 'Open connections from weir to replicas, active or idle.',
    labels: ['state'],
    samples: ({ replicaConnections }) =>
      Object.entries(replicaConnections()).map(([state, value]) => ({ labels: { state }, value })),
  },
];
