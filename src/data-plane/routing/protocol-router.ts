// Where what comes in goes, with regard to what the replicas speak. Hot path.
// Must stay true: a deployment is asked in its own protocol alone: HTTP or gRPC.
import type { RouteDecision } from '../proxy/proxy.ts';
import { Router, type CallRoute, type CallTarget, type Route, type RouteResult } from './route.ts';

/** The id of a model that was given none. */
const NO_MODEL = 'local';

/** A deployment as the door sees it. */
export type ServedProtocol = RouteResult & {
  readonly options: { readonly replicas: readonly { url: { protocol: string } }[] };
};

/** Scheme of the replicas of each deployment, by index; empty where they differ, as http and https may. */
function schemes(deployments: readonly ServedProtocol[]): string[] {
  const byIndex: string[] = [];
  for (const { index, options } of deployments) {
    const [first, ...others] = new Set(options.replicas.map(({ url }) => url.protocol));
    byIndex[index] = others.length === 0 ? first! : '';
  }
  return byIndex;
}

const isForCalls = (scheme: string | undefined): boolean => scheme === 'grpc:' || scheme === 'grpcs:';

export class ProtocolRouter {
  readonly #modelId: string;
  readonly #wantsBodies: (target: string) => boolean;
  #router: Router;
  #schemes: readonly string[];

  /** `deployments` must not be empty. `wantsBodies`: somebody wants a copy of what goes to this target. */
  constructor(
    modelId: string,
    deployments: readonly ServedProtocol[],
    wantsBodies: (target: string) => boolean,
  ) {
    this.#modelId = modelId;
    this.#wantsBodies = wantsBodies;
    this.#router = new Router(deployments);
    this.#schemes = schemes(deployments);
  }

  /** True where some deployment serves more than gRPC. */
  get servesRequests(): boolean {
    return this.#schemes.some((scheme) => scheme !== undefined && !isForCalls(scheme));
  }

  /** Requests from now on are routed by this list. */
  reroute(deployments: readonly ServedProtocol[]): void {
    this.#router = new Router(deployments);
    this.#schemes = schemes(deployments);
  }

  /**
   * What the fast lane may take: what goes to replicas that speak plain HTTP, and whose bodies nobody wants a copy of.
   * Our own routes are the full lane's.
   */
  plain(method: string, target: string): RouteDecision | undefined {
    const route = this.#router.route(method, target, false);
    const isPlain = route.kind === 'forward' && this.#schemes[route.deployment] === 'http:';
    return isPlain && !this.#wantsBodies(target) ? route : undefined;
  }

  /** Where an HTTP request goes; `isUpgrade`: one to become a WebSocket. */
  request(method: string, target: string, isUpgrade: boolean): Route {
    const route = this.#router.route(method, target, isUpgrade);
    const { deployment } = route as { readonly deployment?: number };
    if (deployment === undefined || route.kind === 'wake' || route.kind === 'refuse') return route;
    if (!isForCalls(this.#schemes[deployment])) return route;
    const detail = 'this deployment serves gRPC alone';
    return { kind: 'refuse', failure: 'wrong_protocol', detail, deployment };
  }

  /** Where a gRPC call goes. `baseten-model-id` only has to be ours, where we know what that is. */
  call(target: CallTarget): CallRoute {
    const { modelId } = target;
    const isOurs = modelId === this.#modelId || modelId === `model-${this.#modelId}`;
    if (modelId !== undefined && this.#modelId !== NO_MODEL && !isOurs)
      return { kind: 'refuse', failure: 'unknown_target', detail: `model ${JSON.stringify(modelId)}` };
    const route = this.#router.call(target);
    if (route.kind === 'refuse' || isForCalls(this.#schemes[route.deployment])) return route;
    const { deployment } = route;
    const detail = 'this deployment serves HTTP, not gRPC';
    return { kind: 'refuse', failure: 'wrong_protocol', detail, deployment };
  }
}
