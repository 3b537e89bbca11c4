// Finds the replicas that the command of `weir run` serves.
import { isLoopback } from '../../core/loopback.ts';

interface Replica {
  readonly id: string;
  readonly url: { readonly host: string; readonly href: string };
}

interface Deployment {
  readonly replicas: readonly Replica[];
}

/** Replicas of the supervised process in the configuration. */
export interface Supervised {
  /** Index of the deployment; -1 if none is configured. */
  readonly deployment: number;
  /** URLs of the replicas, as in `ReplicaUrl.href`. */
  readonly urls: ReadonlySet<string>;
}

/** A replica in the form that records use. */
export interface NamedReplica {
  readonly deployment: string;
  readonly environment: string;
  readonly replica: string;
}

/**
 * The replicas on this machine of the first deployment that has any, since one command may start several servers.
 * If no replica is on this machine: all replicas of the first deployment.
 */
export function supervised(deployments: readonly Deployment[]): Supervised {
  const isHere = ({ url }: Replica) => isLoopback(url.host);
  const local = deployments.findIndex(({ replicas }) => replicas.some(isHere));
  const deployment = local === -1 ? Math.min(0, deployments.length - 1) : local;
  const replicas = deployments[deployment]?.replicas ?? [];
  const here = local === -1 ? replicas : replicas.filter(isHere);
  return { deployment, urls: new Set(here.map(({ url }) => url.href)) };
}

/** The first supervised replica among these deployments; `undefined` if there is none. */
export function replicaOf(
  { urls }: Supervised,
  deployments: readonly (Deployment & { readonly id: string; readonly environment: string })[],
): NamedReplica | undefined {
  for (const { id, environment, replicas } of deployments) {
    const replica = replicas.find(({ url }) => urls.has(url.href));
    if (replica) return { deployment: id, environment, replica: replica.id };
  }
  return undefined;
}
