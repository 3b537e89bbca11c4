// The labels that every baseten_* family carries. Must stay true: exactly the contract's (contracts/baseten.md 4.2).
import type { DeploymentIdentity } from '../../../core/deployment-identity.ts';
import type { Labels } from '../family.ts';

export const COMMON_LABELS = [
  'model_id',
  'model_name',
  'deployment_id',
  'environment',
  'rollout_phase',
] as const;

/** Who a deployment is, for labels. */
export interface DeploymentLabels extends DeploymentIdentity {
  /** auto: stable in an environment, empty outside one. */
  readonly rollout_phase: 'auto' | 'stable' | 'promoting' | '';
}

interface Known {
  readonly options: DeploymentLabels;
  readonly labels: Labels;
  readonly extended: Map<string, Labels>;
}

/**
 * The labels of each deployment, by its index. Built once and kept until the deployment's options change: a scrape must
 * not build the same ones again.
 */
export class CommonLabels {
  readonly #model: { readonly id: string; readonly name: string };
  readonly #deployments: readonly { readonly options: DeploymentLabels }[];
  readonly #known: Known[] = [];

  constructor(
    model: { readonly id: string; readonly name: string },
    deployments: readonly { readonly options: DeploymentLabels }[],
  ) {
    this.#model = model;
    this.#deployments = deployments;
  }

  /** The common labels of a deployment. */
  of(deployment: number): Labels {
    return this.#of(deployment).labels;
  }

  /** The same and more. */
  with(deployment: number, extra: Labels): Labels {
    const { labels, extended } = this.#of(deployment);
    const key = Object.values(extra).join('\n');
    let joined = extended.get(key);
    if (joined === undefined) extended.set(key, (joined = { ...labels, ...extra }));
    return joined;
  }

  /** The id of a deployment, or '' for the index of none. */
  id(deployment: number): string {
    return this.#deployments[deployment]?.options.id ?? '';
  }

  /** One sample for each deployment. */
  each(value: (deployment: number) => number): { labels: Labels; value: number }[] {
    return this.#deployments.map((_, index) => ({ labels: this.of(index), value: value(index) }));
  }

  /** The same with the id as the only label, as weir's own families have it. */
  eachById(value: (deployment: number) => number): { labels: Labels; value: number }[] {
    return this.#deployments.map(({ options }, index) => ({
      labels: { deployment_id: options.id },
      value: value(index),
    }));
  }

  get count(): number {
    return this.#deployments.length;
  }

  #of(deployment: number): Known {
    const { options } = this.#deployments[deployment]!;
    const known = this.#known[deployment];
    if (known?.options === options) return known;
    const { id, environment, rollout_phase } = options;
    const labels = {
      model_id: this.#model.id,
      model_name: this.#model.name,
      deployment_id: id,
      environment,
      rollout_phase: rollout_phase === 'auto' ? (environment === '' ? '' : 'stable') : rollout_phase,
    };
    return (this.#known[deployment] = { options, labels, extended: new Map() });
  }
}
