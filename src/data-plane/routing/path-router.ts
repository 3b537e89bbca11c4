// Routes a request by its method and path. Hot path.
// Invariant: a path that names a target goes to that target or is refused, in any spelling; a path that names none is
// forwarded unchanged.
// Source: docs/contracts/serving.md 1.1 and 1.2.
import { disguisedTarget, notAllowed, unknownRoute, unknownTarget } from './route-refusals.ts';
import {
  ROUTE_NAMES,
  type CallRoute,
  type CallTarget,
  type RoutableDeployment,
  type Route,
} from './route.ts';
import { disguised, IS_TARGET, TARGET } from './target-path.ts';
import { WeightedPicker, type Share } from './weighted-picker.ts';

type RouteName = (typeof ROUTE_NAMES)[number];

/** A target prefix or nothing, then a route: its name, or `sync` and the rest of the path. */
const ROUTE = new RegExp(`^(?:${TARGET})?\\/(?:(${ROUTE_NAMES.join('|')})|sync(\\/[^?]*))(\\?.*)?$`);

/** First letters of weir's routes and target prefixes: production, predict, development, deployment, … */
const FIRST_LETTERS = 'pdeswar';

/** Ids are opaque. The log API accepts up to 256 characters. */
const ASYNC_REQUEST = /^\/async_request\/([^/?]{1,256})(\/result)?(?:\?.*)?$/;

export class PathRouter {
  readonly #byIndex = new Map<number, RoutableDeployment>();
  readonly #byId = new Map<string, WeightedPicker>();
  readonly #byEnvironment = new Map<string, WeightedPicker>();
  readonly #default: WeightedPicker;
  /** The last path that named no target and none of weir's routes: most requests have the same one. */
  #lastForwarded = '';

  /** `deployments` must not be empty. */
  constructor(deployments: readonly RoutableDeployment[]) {
    const shares = new Map<string, Share[]>();
    for (const deployment of deployments) {
      const { id, environment, traffic_weight: weight } = deployment.options;
      this.#byIndex.set(deployment.index, deployment);
      this.#byId.set(id, new WeightedPicker([{ deployment: deployment.index, weight: 1 }], () => true));
      const others = shares.get(environment) ?? [];
      shares.set(environment, [...others, { deployment: deployment.index, weight }]);
    }
    const hasReady = (index: number) => this.#byIndex.get(index)!.hasReady;
    for (const [environment, list] of shares)
      if (environment !== '') this.#byEnvironment.set(environment, new WeightedPicker(list, hasReady));
    const first = deployments[0]!;
    this.#default =
      this.#byEnvironment.get('production') ??
      this.#byEnvironment.get(first.options.environment) ??
      new WeightedPicker([{ deployment: first.index, weight: 1 }], hasReady);
  }

  /** Routes a request target in origin form. `isUpgrade`: it is a WebSocket upgrade. */
  route(method: string, target: string, isUpgrade: boolean): Route {
    if (target === this.#lastForwarded) return this.#forward(this.#default, target);
    // The first letter rules out most paths of model servers.
    const isCandidate = FIRST_LETTERS.includes(target.charAt(1));
    const match = isCandidate ? ROUTE.exec(target) : null;
    if (match === null) return this.#other(method, target, isUpgrade, isCandidate);
    const [, shortcut, environment = shortcut, id, name, synced, query = ''] = match;
    const picker = this.#target(environment, id);
    if (picker === undefined) return unknownTarget(environment, id);
    if (synced !== undefined) return this.#forward(picker, synced + query);
    const isBare = environment === undefined && id === undefined;
    const own = this.#own(name as RouteName, method, isUpgrade, picker, query);
    // Without a target, the model's server may have such a path itself, for other methods.
    return own.kind === 'refuse' && isBare ? this.#forward(picker, target) : own;
  }

  /** Routes one of weir's own routes. Refuses it if the method or the protocol is wrong. */
  #own(name: RouteName, method: string, isUpgrade: boolean, picker: WeightedPicker, query: string): Route {
    const deployment = picker.peek();
    const settings = this.#byIndex.get(deployment)!.options;
    switch (name) {
      case 'websocket':
        if (isUpgrade) return { kind: 'forward', deployment, path: settings.websocket_path + query, picker };
        return {
          kind: 'refuse',
          failure: 'bad_request',
          detail: 'this route accepts only WebSocket upgrades',
          deployment,
        };
      case 'async_queue_status':
        if (method === 'GET' && !isUpgrade) return { kind: name, deployment, picker };
        return notAllowed(name, 'GET', deployment);
      case 'wake':
        return method === 'POST' && !isUpgrade
          ? { kind: name, deployment }
          : notAllowed(name, 'POST', deployment);
      case 'async_predict':
      case 'async_run_remote':
        if (method === 'POST' && !isUpgrade) return { kind: 'async_predict', deployment, picker };
        return notAllowed(name, 'POST', deployment);
      case 'predict':
      case 'run_remote':
        // A CORS preflight of a browser: the model's server responds to it (RFC 9110 9.3.7).
        if ((method === 'POST' || method === 'OPTIONS') && !isUpgrade)
          return { kind: 'forward', deployment, path: settings.predict_path + query, picker };
        return notAllowed(name, 'POST, OPTIONS', deployment);
    }
  }

  /** Routes all other paths: to an asynchronous request, to a refusal, or to the model's server. */
  #other(method: string, target: string, isUpgrade: boolean, isCandidate: boolean): Route {
    if (isCandidate) {
      if (target.startsWith('/async_request/') && !isUpgrade) {
        const route = asyncRequest(method, target);
        if (route !== undefined) return route;
      }
      const named = IS_TARGET.exec(target);
      if (named !== null) {
        const [prefix, shortcut, environment = shortcut, id] = named;
        const picker = this.#target(environment, id);
        if (picker === undefined) return unknownTarget(environment, id);
        return unknownRoute(target, prefix, picker.peek());
      }
    }
    const meant = disguised(target);
    if (meant !== undefined) return disguisedTarget(meant);
    this.#lastForwarded = target;
    return this.#forward(this.#default, target);
  }

  /** Routes a gRPC call. Without a target in its metadata it goes to the default deployment. */
  routeCall({ environment, deployment: id }: CallTarget): CallRoute {
    const picker = this.#target(environment, id);
    if (picker === undefined) return unknownTarget(environment, id);
    return { kind: 'call', deployment: picker.peek(), picker };
  }

  #forward(picker: WeightedPicker, path: string): Route {
    return { kind: 'forward', deployment: picker.peek(), path, picker };
  }

  /** The picker of a target; `undefined` if the target is unknown. */
  #target(environment: string | undefined, id: string | undefined): WeightedPicker | undefined {
    if (id !== undefined) return this.#byId.get(id);
    return environment === undefined ? this.#default : this.#byEnvironment.get(environment);
  }
}

/** Routes a path of one asynchronous request; `undefined` if the path is another one. */
function asyncRequest(method: string, target: string): Route | undefined {
  const match = ASYNC_REQUEST.exec(target);
  if (match === null) return undefined;
  const isResult = match[2] !== undefined;
  if (method === 'GET' || (method === 'DELETE' && !isResult))
    return { kind: 'async_request', id: match[1]!, isResult };
  return isResult ? notAllowed('async_request/…/result', 'GET') : notAllowed('async_request', 'GET, DELETE');
}
