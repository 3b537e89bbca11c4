// Label sets of deployments, built once and reused by every scrape.
// Invariant: every baseten_* family carries exactly COMMON_LABELS (docs/contracts/serving.md 4.2).
import type { DeploymentIdentity } from '../../core/deployment-identity.ts';

export type Labels = Readonly<Record<string, string>>;

export const COMMON_LABELS = [
  'model_id',
  'model_name',
  'deployment_id',
  'environment',
  'rollout_phase',
] as const;

/** Settings of a deployment that become labels. */
export interface LabeledDeployment extends DeploymentIdentity {
  /** auto: `stable` in an environment, empty outside one. */
  readonly rollout_phase: 'auto' | 'stable' | 'promoting' | '';
}

/** Label sets that were built from one version of a deployment's options. */
interface CachedLabels {
  readonly options: LabeledDeployment;
  readonly labels: Labels;
  /** Label sets with further labels, by the names and values of these. */
  readonly extended: Map<string, Labels>;
}

/** Deployments are named by their index in the pool. Label sets are rebuilt when a deployment's options change. */
export class DeploymentLabels {
  readonly #model: { readonly id: string; readonly name: string };
  readonly #deployments: readonly { readonly options: LabeledDeployment }[];
  readonly #cache: CachedLabels[] = [];

  constructor(
    model: { readonly id: string; readonly name: string },
    deployments: readonly { readonly options: LabeledDeployment }[],
  ) {
    this.#model = model;
    this.#deployments = deployments;
  }

  /** The common labels of a deployment. */
  of(deployment: number): Labels {
    return this.#cached(deployment).labels;
  }

  /** The common labels and further ones. */
  with(deployment: number, extra: Labels): Labels {
    const { labels, extended } = this.#cached(deployment);
    const key = Object.entries(extra).join('\n');
    let joined = extended.get(key);
    if (joined === undefined) extended.set(key, (joined = { ...labels, ...extra }));
    return joined;
  }

  /** The id of a deployment; empty if there is no deployment with this index. */
  id(deployment: number): string {
    return this.#deployments[deployment]?.options.id ?? '';
  }

  /** One sample per deployment, with the common labels. */
  each(value: (deployment: number) => number): { labels: Labels; value: number }[] {
    return this.#deployments.map((_, index) => ({ labels: this.of(index), value: value(index) }));
  }

  /** One sample per deployment, with `deployment_id` as its only label. */
  eachById(value: (deployment: number) => number): { labels: Labels; value: number }[] {
    return this.#deployments.map(({ options }, index) => ({
      labels: { deployment_id: options.id },
      value: value(index),
    }));
  }

  get count(): number {
    return this.#deployments.length;
  }

  #cached(deployment: number): CachedLabels {
    const { options } = this.#deployments[deployment]!;
    const cached = this.#cache[deployment];
    if (cached?.options === options) return cached;
    const { id, environment, rollout_phase } = options;
    const labels = {
      model_id: this.#model.id,
      model_name: this.#model.name,
      deployment_id: id,
      environment,
      rollout_phase: rollout_phase === 'auto' ? (environment === '' ? '' : 'stable') : rollout_phase,
    };
    return (this.#cache[deployment] = { options, labels, extended: new Map() });
  }
}
