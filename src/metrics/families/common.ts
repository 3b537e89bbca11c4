// The labels that every baseten_* family carries. Must stay true: exactly the contract's (contracts/baseten.md 4.2).
import type { Labels } from '../family.ts';

export const COMMON = ['model_id', 'model_name', 'deployment_id', 'environment', 'rollout_phase'] as const;

/** Who a deployment is, for labels. */
export interface DeploymentLabels {
  readonly id: string;
  readonly environment: string;
  /** auto: stable in an environment, empty outside one. */
  readonly rollout_phase: 'auto' | 'stable' | 'promoting' | '';
}

/** The common labels of each deployment, in the order of the configuration. */
export function commonLabels(
  model: { readonly id: string; readonly name: string },
  deployments: readonly DeploymentLabels[],
): Labels[] {
  return deployments.map(({ id, environment, rollout_phase }) => ({
    model_id: model.id,
    model_name: model.name,
    deployment_id: id,
    environment,
    rollout_phase: rollout_phase === 'auto' ? (environment === '' ? '' : 'stable') : rollout_phase,
  }));
}

/** Labels built once and kept: a scrape must not build the same ones again. */
export function cached(base: readonly Labels[]) {
  const known = base.map(() => new Map<string, Labels>());
  return (deployment: number, extra: Labels): Labels => {
    const key = Object.values(extra).join('\n');
    let labels = known[deployment]!.get(key);
    if (labels === undefined) known[deployment]!.set(key, (labels = { ...base[deployment], ...extra }));
    return labels;
  };
}
