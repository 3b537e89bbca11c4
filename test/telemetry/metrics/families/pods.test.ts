// The replica counts of a deployment, from Kubernetes, from probes, and from the supervised process.
import { describe, expect, it } from 'vitest';
import { DeploymentLabels } from '../../../../src/telemetry/metrics/deployment-labels.ts';
import type { PodSource } from '../../../../src/telemetry/metrics/metric-sources.ts';
import {
  podFamilies,
  type PodFamilySources,
  type ProbedDeployment,
} from '../../../../src/telemetry/metrics/families/pods.ts';

const labels = new DeploymentLabels(
  { id: 'm', name: 'n' },
  ['one', 'two'].map((id) => ({ options: { id, environment: '', rollout_phase: '' as const } })),
);

const probed = (...replicas: { isReady: boolean; wasProbed: boolean }[]): ProbedDeployment => ({
  replicas,
  count: (state) => replicas.filter(({ isReady }) => isReady === (state === 'ready')).length,
});

const pods = { restarts: 7, readiness: { true: 3, false: 2, unknown: 1 }, active: 3, starting: 2, all: 6 };

function values(source: Partial<PodSource>): Record<string, number> {
  const pool = {
    deployments: [
      probed({ isReady: true, wasProbed: true }, { isReady: false, wasProbed: true }),
      probed({ isReady: false, wasProbed: false }),
    ],
  };
  const none = () => undefined;
  const pods = { followed: undefined, figures: none, childRestarts: none, ...source };
  const sources: PodFamilySources = { labels, pool, pods };
  const found: Record<string, number> = {};
  for (const family of podFamilies)
    for (const sample of family.samples(sources))
      if ('value' in sample)
        found[
          [family.name.replace('baseten_', ''), sample.labels['deployment_id'], sample.labels['condition']]
            .filter(Boolean)
            .join(' ')
        ] = sample.value;
  return found;
}

describe('pod families', () => {
  it('take readiness from probes outside Kubernetes, and have no restarts there', () => {
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

  it('take the values of the followed deployment from Kubernetes', () => {
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

  it('count the restarts of the supervised process, and add those of its pod in Kubernetes', () => {
    expect(values({ childRestarts: (index: number) => (index === 0 ? 2 : undefined) })).toMatchObject({
      'container_restarts_total one': 2,
    });
    const both = { followed: 0, childRestarts: (index: number) => (index === 0 ? 2 : undefined) };
    expect(values({ ...both, figures: () => pods })).toMatchObject({ 'container_restarts_total one': 9 });
    expect(values(both)).not.toHaveProperty(['container_restarts_total one']);
  });
});
