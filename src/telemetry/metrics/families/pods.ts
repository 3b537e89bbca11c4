// Families that count the replicas of a deployment: restarts, readiness, active, starting (docs/contracts/serving.md 4.2).
// Invariant: readiness comes from Kubernetes while that is recent, else from probes; restarts come from one source
// only, since a counter with alternating sources looks reset.
import type { PodCondition } from '../../../collectors/kubernetes/kubernetes.ts';
import { COMMON_LABELS, type DeploymentLabels } from '../deployment-labels.ts';
import type { Family } from '../family.ts';
import type { PodSource } from '../metric-sources.ts';

/** A deployment with the results of its probes. */
export interface ProbedDeployment {
  readonly replicas: readonly { readonly isReady: boolean; readonly wasProbed: boolean }[];
  count(state: 'ready' | 'starting'): number;
}

/** What these families read. */
export interface PodFamilySources {
  readonly labels: DeploymentLabels;
  readonly pool: { readonly deployments: readonly ProbedDeployment[] };
  readonly pods: PodSource;
}

const CONDITIONS: readonly PodCondition[] = ['true', 'false', 'unknown'];

/** Readiness by probes. A failed or unanswered probe counts as `false`, as it does for a kubelet. */
function probedReadiness({ replicas }: ProbedDeployment): Record<PodCondition, number> {
  const counts = { true: 0, false: 0, unknown: 0 };
  for (const { isReady, wasProbed } of replicas) counts[isReady ? 'true' : wasProbed ? 'false' : 'unknown']++;
  return counts;
}

const podsOf = ({ followed, figures }: PodSource, deployment: number) =>
  deployment === followed ? figures() : undefined;

function restartsOf({ followed, figures, childRestarts }: PodSource, deployment: number): number | undefined {
  const ofChild = childRestarts(deployment);
  if (deployment !== followed) return ofChild;
  const pods = figures();
  return pods && pods.restarts + (ofChild ?? 0);
}

export const podFamilies: readonly Family<PodFamilySources>[] = [
  {
    name: 'baseten_container_restarts_total',
    type: 'counter',
    help: 'Restarts of the model’s containers as Kubernetes counts them, and of the process that weir supervises.',
    labels: COMMON_LABELS,
    samples: ({ labels, pods }) =>
      labels.each((index) => restartsOf(pods, index) ?? NaN).filter(({ value }) => !Number.isNaN(value)),
  },
  {
    name: 'baseten_pod_readiness',
    type: 'gauge',
    help: 'Pods by their Ready condition in Kubernetes. Outside Kubernetes: replicas by their last probe; unknown means not probed yet.',
    labels: [...COMMON_LABELS, 'condition'],
    samples: ({ labels, pool, pods }) =>
      pool.deployments.flatMap((deployment, index) => {
        const readiness = podsOf(pods, index)?.readiness ?? probedReadiness(deployment);
        return CONDITIONS.map((condition) => ({
          labels: labels.with(index, { condition }),
          value: readiness[condition],
        }));
      }),
  },
  {
    name: 'baseten_replicas_active',
    type: 'gauge',
    help: 'Replicas that are ready. Pods that are being deleted do not count.',
    labels: COMMON_LABELS,
    samples: ({ labels, pool, pods }) =>
      labels.each((index) => podsOf(pods, index)?.active ?? pool.deployments[index]!.count('ready')),
  },
  {
    name: 'baseten_replicas_starting',
    type: 'gauge',
    help: 'Replicas that have not been ready since they started, including pods that are not scheduled yet.',
    labels: COMMON_LABELS,
    samples: ({ labels, pool, pods }) =>
      labels.each((index) => podsOf(pods, index)?.starting ?? pool.deployments[index]!.count('starting')),
  },
];
