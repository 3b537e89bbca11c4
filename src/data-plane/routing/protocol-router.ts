// Routes requests of the data server, and refuses those whose protocol the deployment does not serve. Hot path.
// Invariant: a deployment gets requests only in the protocol of its replicas: HTTP or gRPC.
import type { RouteDecision } from '../proxy/proxy.ts';
import { PathRouter } from './path-router.ts';
import type { CallRoute, CallTarget, RoutableDeployment, Route } from './route.ts';

/** The default model id, which says that none was configured. */
const NO_MODEL = 'local';

/** The part of a deployment that the data server needs. */
export type ServedDeployment = RoutableDeployment & {
  readonly options: { readonly replicas: readonly { url: { protocol: string } }[] };
};

/** The scheme of each deployment's replicas, by index; empty if it has several, such as http and https. */
function schemes(deployments: readonly ServedDeployment[]): string[] {
  const byIndex: string[] = [];
  for (const { index, options } of deployments) {
    const [first, ...others] = new Set(options.replicas.map(({ url }) => url.protocol));
    byIndex[index] = others.length === 0 ? first! : '';
  }
  return byIndex;
}

const isGrpc = (scheme: string | undefined): boolean => scheme === 'grpc:' || scheme === 'grpcs:';

export class ProtocolRouter {
  readonly #modelId: string;
  #router: PathRouter;
  #schemes: readonly string[];

  /** `deployments` must not be empty. */
  constructor(modelId: string, deployments: readonly ServedDeployment[]) {
    this.#modelId = modelId;
    this.#router = new PathRouter(deployments);
    this.#schemes = schemes(deployments);
  }

  /** True if some deployment serves HTTP. */
  get servesHttp(): boolean {
    return this.#schemes.some((scheme) => scheme !== undefined && !isGrpc(scheme));
  }

  /** Replaces the deployments for all further requests. */
  reroute(deployments: readonly ServedDeployment[]): void {
    this.#router = new PathRouter(deployments);
    this.#schemes = schemes(deployments);
  }

  /**
   * Routes a request of the fast lane. Returns `undefined` for a request that the full lane must serve: one of weir's
   * own routes, or one to replicas that do not serve plain HTTP.
   */
  routeFast(method: string, target: string): RouteDecision | undefined {
    const route = this.#router.route(method, target, false);
    return route.kind === 'forward' && this.#schemes[route.deployment] === 'http:' ? route : undefined;
  }

  /** Routes an HTTP request. `isUpgrade`: it is a WebSocket upgrade. */
  routeHttp(method: string, target: string, isUpgrade: boolean): Route {
    const route = this.#router.route(method, target, isUpgrade);
    const { deployment } = route as { readonly deployment?: number };
    if (deployment === undefined || route.kind === 'wake' || route.kind === 'refuse') return route;
    if (!isGrpc(this.#schemes[deployment])) return route;
    const detail = 'this deployment serves gRPC, the request is HTTP';
    return { kind: 'refuse', failure: 'wrong_protocol', detail, deployment };
  }

  /** Routes a gRPC call. `baseten-model-id` must be the configured model id, if one is configured. */
  routeCall(target: CallTarget): CallRoute {
    const { modelId } = target;
    const isConfigured = modelId === this.#modelId || modelId === `model-${this.#modelId}`;
    if (modelId !== undefined && this.#modelId !== NO_MODEL && !isConfigured)
      return { kind: 'refuse', failure: 'unknown_target', detail: `model ${JSON.stringify(modelId)}` };
    const route = this.#router.routeCall(target);
    if (route.kind === 'refuse' || isGrpc(this.#schemes[route.deployment])) return route;
    const { deployment } = route;
    const detail = 'this deployment serves HTTP, the request is gRPC';
    return { kind: 'refuse', failure: 'wrong_protocol', detail, deployment };
  }
}
