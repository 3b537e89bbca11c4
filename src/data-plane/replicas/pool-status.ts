// Describes the state of the pool for operators.
import type { Deployment } from './deployment.ts';
import type { Replica } from './replica.ts';

/** Maximum number of replicas that `whyNotReady` names. */
const MAX_REASONS = 5;

/**
 * Says why no replica takes requests: `r0 connection refused (127.0.0.1:8000), last probe 2 s ago`. Names at most
 * MAX_REASONS replicas.
 */
export function whyNotReady(deployments: readonly Deployment[]): string {
  const known = deployments.filter(({ isGone }) => !isGone);
  const all = known.flatMap((deployment) =>
    deployment.replicas.map((replica) => {
      const name = known.length > 1 ? `${deployment.options.id}/${replica.id}` : replica.id;
      const sinceMs = deployment.replicaSet.sinceProbeMs(replica);
      const probe = sinceMs === undefined ? '' : `, last probe ${Math.round(sinceMs / 1000)} s ago`;
      return `${name} ${reasonOf(deployment, replica)}${probe}`;
    }),
  );
  if (all.length === 0) return 'no replica is configured';
  const more = all.length - MAX_REASONS;
  return all.slice(0, MAX_REASONS).join('; ') + (more > 0 ? `; and ${more} more` : '');
}

function reasonOf(deployment: Deployment, replica: Replica): string {
  const problem = deployment.replicaSet.problemOf(replica);
  const isFailing = replica.state === 'starting' || replica.state === 'down';
  return isFailing && problem !== '' ? problem : `is ${replica.state}`;
}

/** Returns every deployment and replica as the admin API shows them. `hasUrls`: with the addresses of replicas. */
export function poolSnapshot(deployments: readonly Deployment[], hasUrls: boolean): unknown[] {
  return deployments
    .filter(({ isGone, replicas }) => !isGone || replicas.length > 0)
    .map(({ options, replicas, replicaSet, waiting }) => ({
      id: options.id,
      environment: options.environment,
      traffic_weight: options.traffic_weight,
      concurrency_target: options.concurrency_target,
      waiting,
      replicas: replicas.map((replica) => ({
        id: replica.id,
        ...(hasUrls && { url: replica.url.href }),
        // Only if the host name was resolved here: the address of this replica.
        ...(hasUrls && replica.url.host !== replica.url.name && { address: replica.url.host }),
        state: replica.state,
        since: new Date(performance.timeOrigin + replica.changedMs).toISOString(),
        alive: replica.isAlive,
        outstanding: replica.outstanding,
        broken_in_a_row: replica.failures,
        leaving: replica.isLeaving,
        problem: replicaSet.problemOf(replica),
      })),
    }));
}
