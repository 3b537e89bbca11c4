// Who speaks for the replicas of a deployment: the API server, health checks, or the supervised child.
import { describe, expect, it } from 'vitest';
import { CommonLabels } from '../../../../src/telemetry/metrics/families/labels.ts';
import {
  podFamilies,
  type Checked,
  type PodSources,
} from '../../../../src/telemetry/metrics/families/pods.ts';

const common = new CommonLabels(
  { id: 'm', name: 'n' },
  ['one', 'two'].map((id) => ({ options: { id, environment: '', rollout_phase: '' as const } })),
);

const checked = (...replicas: { isReady: boolean; wasProbed: boolean }[]): Checked => ({
  replicas,
  count: (state) => replicas.filter(({ isReady }) => isReady === (state === 'ready')).length,
});

const pods = { restarts: 7, readiness: { true: 3, false: 2, unknown: 1 }, active: 3, starting: 2, all: 6 };

function values(sources: Partial<PodSources>): Record<string, number> {
  const pool = {
    deployments: [
      checked({ isReady: true, wasProbed: true }, { isReady: false, wasProbed: true }),
      checked({ isReady: false, wasProbed: false }),
    ],
  };
  const families = podFamilies(common, pool, {
    followed: undefined,
    figures: () => undefined,
    childRestarts: undefined,
    ...sources,
  });
  const found: Record<string, number> = {};
  for (const family of families)
    for (const sample of family.samples())
      if ('value' in sample)
        found[
          [family.name.replace('baseten_', ''), sample.labels['deployment_id'], sample.labels['condition']]
            .filter(Boolean)
            .join(' ')
        ] = sample.value;
  return found;
}

describe('the families of pods', () => {
  it('come from health checks where nothing else is known, and tell no restarts then', () => {
    expect(values({})).toEqual({
      'pod_readiness one true': 1,
      'pod_readiness one false': 1,
      'pod_readiness one unknown': 0,
      'pod_readiness two true': 0,
      'pod_readiness two false': 0,
      'pod_readiness two unknown': 1,
      'replicas_active one': 1,
      'replicas_active two': 0,
      'replicas_starting one': 1,
      'replicas_starting two': 1,
    });
  });

  it('come from Kubernetes for the deployment that it is asked for', () => {
    const seen = values({ followed: 1, figures: () => pods });
    expect(seen).toMatchObject({
      'container_restarts_total two': 7,
      'pod_readiness one true': 1,
      'pod_readiness two true': 3,
      'pod_readiness two false': 2,
      'pod_readiness two unknown': 1,
      'replicas_active two': 3,
      'replicas_starting two': 2,
    });
    expect(seen).not.toHaveProperty(['container_restarts_total one']);
  });

  it('tell the child’s restarts for the first deployment, and both where the child runs in a pod', () => {
    expect(values({ childRestarts: (index: number) => (index === 0 ? 2 : undefined) })).toMatchObject({
      'container_restarts_total one': 2,
    });
    const both = { followed: 0, childRestarts: (index: number) => (index === 0 ? 2 : undefined) };
    expect(values({ ...both, figures: () => pods })).toMatchObject({ 'container_restarts_total one': 9 });
    expect(values(both)).not.toHaveProperty(['container_restarts_total one']);
  });
});
