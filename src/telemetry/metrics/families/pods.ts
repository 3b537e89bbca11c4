// The families of replicas as a whole: how many, in what state, how often started again (contracts/baseten.md 4.2).
// Must stay true: the API server speaks for the pods where it was heard lately, health checks where not, and restarts
// are told by those alone who count them: a figure that two sources took turns at would look like a counter's reset.
import type { PodCondition, PodFigures } from '../../../collectors/kubernetes/kubernetes.ts';
import type { Family } from '../family.ts';
import { COMMON_LABELS, type CommonLabels } from './labels.ts';

/** Who knows of pods and processes. */
export interface PodSources {
  /** The deployment whose pods Kubernetes is asked for, by its index. */
  readonly followed: number | undefined;
  /** What the API server says of them; `undefined` while nothing recent is known. */
  readonly figures: () => PodFigures | undefined;
  /** How often the supervised process was started again, where there is one; it is the first deployment's. */
  readonly childRestarts: ((deployment: number) => number | undefined) | undefined;
}

/** What health checks know of the replicas of a deployment. */
export interface Checked {
  readonly replicas: readonly { readonly isReady: boolean; readonly wasProbed: boolean }[];
  count(state: 'ready' | 'starting'): number;
}

const CONDITIONS: readonly PodCondition[] = ['true', 'false', 'unknown'];

/** The condition of replicas by health checks: a check that failed or got no answer is a no, as a kubelet has it. */
function readinessOf({ replicas }: Checked): Record<PodCondition, number> {
  const counts = { true: 0, false: 0, unknown: 0 };
  for (const { isReady, wasProbed } of replicas) counts[isReady ? 'true' : wasProbed ? 'false' : 'unknown']++;
  return counts;
}

export function podFamilies(
  common: CommonLabels,
  pool: { readonly deployments: readonly Checked[] },
  { followed, figures, childRestarts }: PodSources,
): Family[] {
  const podsOf = (index: number) => (index === followed ? figures() : undefined);
  const restartsOf = (index: number): number | undefined => {
    const own = childRestarts?.(index);
    if (index !== followed) return own;
    const pods = figures();
    return pods && pods.restarts + (own ?? 0);
  };
  return [
    {
      name: 'baseten_container_restarts_total',
      type: 'counter',
      help: 'Restarts of the model’s containers as Kubernetes counts them, and of the process that weir supervises.',
      labels: COMMON_LABELS,
      samples: () =>
        common.each((index) => restartsOf(index) ?? NaN).filter(({ value }) => !Number.isNaN(value)),
    },
    {
      name: 'baseten_pod_readiness',
      type: 'gauge',
      help: 'Pods by their Ready condition in Kubernetes; elsewhere replicas by their health checks, unknown: not asked yet.',
      labels: [...COMMON_LABELS, 'condition'],
      samples: () =>
        Array.from({ length: common.count }, (_, index) => {
          const readiness = podsOf(index)?.readiness ?? readinessOf(pool.deployments[index]!);
          return CONDITIONS.map((condition) => ({
            labels: common.with(index, { condition }),
            value: readiness[condition],
          }));
        }).flat(),
    },
    {
      name: 'baseten_replicas_active',
      type: 'gauge',
      help: 'Replicas that are ready; pods that are being deleted are none.',
      labels: COMMON_LABELS,
      samples: () => common.each((index) => podsOf(index)?.active ?? pool.deployments[index]!.count('ready')),
    },
    {
      name: 'baseten_replicas_starting',
      type: 'gauge',
      help: 'Replicas that have not been ready since they were started; pods that wait for a place too.',
      labels: COMMON_LABELS,
      samples: () =>
        common.each((index) => podsOf(index)?.starting ?? pool.deployments[index]!.count('starting')),
    },
  ];
}
