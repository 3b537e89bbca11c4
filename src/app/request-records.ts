// What is recorded of the exchanges of a data thread: samples traces, captures and follows bodies, and hands ended
// exchanges to the log store and the access log.
import type { Config } from '../config/config.ts';
import type { DeploymentIdentity } from '../core/deployment-identity.ts';
import type { Exchange, Exchanges, Observer } from '../core/exchange/exchange.ts';
import type { CapturePolicy } from '../telemetry/logs/logs.ts';
import type { RequestSampling } from '../telemetry/tracing/request-sampling.ts';
import type { TraceSubject } from '../telemetry/tracing/tracing.ts';

type DeploymentAt = (index: number) => DeploymentIdentity | undefined;

/** Where exchanges are recorded. */
export interface RecordTarget {
  /** Records an ended exchange in the log store and in the access log. */
  ended(exchange: Exchange, deployment: DeploymentIdentity | undefined): void;
  /** Writes its line of the access log only. */
  logged(exchange: Exchange, deployment: DeploymentIdentity | undefined): void;
  /** Tells the replica of a running exchange, for log lines that name it. */
  routed(exchange: Exchange, deployment: DeploymentIdentity): void;
}

/** Whether log lines may name a running request, whose replica is not clear from where the line comes from. */
export type NamedRequests = 'never' | 'always' | 'with several replicas';

export class RequestRecords {
  readonly #config: Pick<Config, 'llm' | 'trace' | 'log'>;
  readonly #capture: CapturePolicy;
  readonly #tracing: RequestSampling;
  readonly #target: RecordTarget;
  readonly #named: NamedRequests;
  #hasSeveralReplicas: boolean;

  constructor(
    config: Pick<Config, 'llm' | 'trace' | 'log' | 'deployments'>,
    capture: CapturePolicy,
    tracing: RequestSampling,
    named: NamedRequests,
    target: RecordTarget,
  ) {
    this.#config = config;
    this.#capture = capture;
    this.#tracing = tracing;
    this.#target = target;
    this.#named = named;
    this.#hasSeveralReplicas = hasSeveralReplicas(config.deployments);
  }

  /** Samples traces, and captures and follows bodies of exchanges from now on. */
  attach(exchanges: Exchanges): void {
    const capture = this.#capture;
    if (this.#config.llm.follow) exchanges.followWith({ wants: (target) => capture.follows(target) });
    if (this.#config.trace.enabled) exchanges.sample(this.#tracing.sampler);
    if (capture.mayCaptureBodies) exchanges.captureWith(capture);
  }

  /** Observers that sample, store and log exchanges, in the order in which they must be called. */
  observers(deploymentAt: DeploymentAt): Observer[] {
    const { isOn } = this.#capture;
    const observers: Observer[] = [];
    if (this.#config.trace.enabled) observers.push(this.#tracing.observer);
    const { access } = this.#config.log;
    const target = this.#target;
    if (isOn || access)
      observers.push({
        closed: (exchange) => {
          const deployment = deploymentAt(exchange.recordedAs);
          if (isOn && this.#capture.modeOf(exchange.target) !== 'off') target.ended(exchange, deployment);
          else if (access) target.logged(exchange, deployment);
        },
      });
    if (isOn && this.#named !== 'never')
      observers.push({
        routed: (exchange) => {
          if (this.#named === 'with several replicas' && !this.#hasSeveralReplicas) return;
          const deployment = deploymentAt(exchange.deployment);
          if (deployment) target.routed(exchange, deployment);
        },
        closed: () => undefined,
      });
    return observers;
  }

  /** Applies a changed configuration. */
  update(deployments: readonly { readonly replicas: readonly unknown[] }[]): void {
    this.#hasSeveralReplicas = hasSeveralReplicas(deployments);
  }
}

const hasSeveralReplicas = (deployments: readonly { readonly replicas: readonly unknown[] }[]): boolean =>
  deployments.reduce((count, { replicas }) => count + replicas.length, 0) > 1;

export const traceSubject = ({ model, ingress, trace }: Config): TraceSubject => ({
  modelId: model.id,
  scheme: ingress.tls.cert === '' ? 'http' : 'https',
  genAi: trace.gen_ai,
});
