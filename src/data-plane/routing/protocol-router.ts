// Routes requests of the data server, and refuses those whose protocol the deployment does not serve. Hot path.
// Invariant: a deployment gets requests only in the protocols of its replicas: HTTP, gRPC, or both over HTTP/2.
import type { FastDecision } from '../proxy/proxy.ts';
import { PathRouter } from './path-router.ts';
import type { CallRoute, CallTarget, RoutableDeployment, Route, WebCallRoute } from './route.ts';
import { IS_TARGET } from './target-path.ts';

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

/** Schemes of replicas that the fast lane connects to. */
const FAST = new Set(['http:', 'h2c:', 'h2:']);

const isGrpc = (scheme: string | undefined): boolean => scheme === 'grpc:' || scheme === 'grpcs:';

/** Replicas that serve HTTP over HTTP/2 may serve gRPC on the same port. They get its calls as they are. */
const takesCalls = (scheme: string | undefined): boolean =>
  isGrpc(scheme) || scheme === 'h2c:' || scheme === 'h2:';

export class ProtocolRouter {
  readonly #modelId: string;
  #router: PathRouter;
  #schemes: readonly string[];
  #servesGrpc: boolean;

  /** `deployments` must not be empty. */
  constructor(modelId: string, deployments: readonly ServedDeployment[]) {
    this.#modelId = modelId;
    this.#router = new PathRouter(deployments);
    this.#schemes = schemes(deployments);
    this.#servesGrpc = this.#schemes.some(isGrpc);
  }

  /** True if some deployment serves HTTP. */
  get servesHttp(): boolean {
    return this.#schemes.some((scheme) => scheme !== undefined && !isGrpc(scheme));
  }

  /** True if some deployment serves gRPC. */
  get servesGrpc(): boolean {
    return this.#servesGrpc;
  }

  /** Replaces the deployments for all further requests. */
  reroute(deployments: readonly ServedDeployment[]): void {
    this.#router = new PathRouter(deployments);
    this.#schemes = schemes(deployments);
    this.#servesGrpc = this.#schemes.some(isGrpc);
  }

  /**
   * Routes a request of the fast lane. Returns `undefined` for a request that the full lane must serve: one to replicas
   * that do not serve plain HTTP, or one of weir's own routes other than submissions.
   */
  routeFast(method: string, target: string): FastDecision | undefined {
    const route = this.#router.route(method, target, false);
    if (route.kind === 'forward') return FAST.has(this.#schemes[route.deployment]!) ? route : undefined;
    if (route.kind === 'async_predict') return isGrpc(this.#schemes[route.deployment]) ? undefined : route;
    return undefined;
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

  /**
   * Routes a gRPC-Web call, which is a POST. If the path names no target, the metadata does, as for gRPC. Returns
   * `undefined` for what is an HTTP request like any other: one to a deployment that serves HTTP, or to `wake`.
   */
  routeWebCall(path: string, target: CallTarget): WebCallRoute | undefined {
    if (!this.servesGrpc) return undefined;
    const route = this.#router.route('POST', path, false);
    if (route.kind === 'wake') return undefined;
    const isNamed = target.environment !== undefined || target.deployment !== undefined;
    if (route.kind === 'forward' && isNamed && !IS_TARGET.test(path)) {
      const call = this.routeCall(target);
      return call.kind === 'call' ? { ...call, path: route.path } : call;
    }
    const { deployment } = route as { readonly deployment?: number };
    if (deployment !== undefined && !isGrpc(this.#schemes[deployment])) return undefined;
    if (route.kind === 'forward') return this.#otherModel(target) ?? { ...route, kind: 'call' };
    if (route.kind === 'refuse') return route;
    const detail = 'this deployment serves gRPC, and this route is for HTTP';
    return {
      kind: 'refuse',
      failure: 'wrong_protocol',
      detail,
      ...(deployment !== undefined && { deployment }),
    };
  }

  /** Refuses a call whose `baseten-model-id` is not the configured model id, if one is configured. */
  #otherModel({ modelId }: CallTarget): Extract<CallRoute, { kind: 'refuse' }> | undefined {
    if (modelId === undefined || this.#modelId === NO_MODEL) return undefined;
    if (modelId === this.#modelId || modelId === `model-${this.#modelId}`) return undefined;
    return { kind: 'refuse', failure: 'unknown_target', detail: `model ${JSON.stringify(modelId)}` };
  }

  /** Routes a gRPC call. Without a target it goes to the default deployment. */
  routeCall(target: CallTarget): CallRoute {
    const refused = this.#otherModel(target);
    if (refused !== undefined) return refused;
    const route = this.#router.routeCall(target);
    if (route.kind === 'refuse' || takesCalls(this.#schemes[route.deployment])) return route;
    const { deployment } = route;
    const detail = 'this deployment serves HTTP, the request is gRPC';
    return { kind: 'refuse', failure: 'wrong_protocol', detail, deployment };
  }
}
