// What a request is: a decision from its method and path. Hot path.
// Must stay true: the same input gives the same route, but for whose turn it is where an environment has several
// deployments; a path that names a target goes to that target or is refused, in any spelling; and a path that
// names none passes unchanged.
// Source: contracts/baseten.md 1.1 and 1.2. `routes` is the README's table.

import { nearest } from '../../core/nearest-name.ts';
import { WeightedPicker, type Share } from './weighted-picker.ts';
import { disguised, IS_TARGET, shown, TARGET } from './target-path.ts';

/** One of our routes, for people. `{t}` is a target prefix or nothing. */
export const routes = [
  { method: 'POST', path: '{t}/predict', does: 'to the deployment’s `predict_path`' },
  { method: 'POST', path: '{t}/run_remote', does: 'the same' },
  {
    method: 'OPTIONS',
    path: '{t}/predict, {t}/run_remote',
    does: 'passes to the same path; the model’s server answers',
  },
  { method: 'any', path: '{t}/sync/{path}', does: 'to `/{path}`' },
  { method: 'GET', path: '{t}/websocket', does: 'WebSocket, to the deployment’s `websocket_path`' },
  {
    method: 'POST',
    path: '{t}/wake',
    does: '202 at once; counts as activity that scales up from zero, and nothing reaches the replica',
  },
  { method: 'POST', path: '{t}/async_predict', does: 'into the queue; 201 with the id' },
  { method: 'POST', path: '{t}/async_run_remote', does: 'the same' },
  { method: 'GET', path: '{t}/async_queue_status', does: 'how many wait and run' },
  { method: 'GET', path: '/async_request/{id}', does: 'the state of an asynchronous request' },
  { method: 'DELETE', path: '/async_request/{id}', does: 'cancels one that is QUEUED' },
  {
    method: 'GET',
    path: '/async_request/{id}/result',
    does: 'what the model answered, with `async.keep_results`',
  },
  { method: 'any', path: 'anything else below a target', does: '404; `{t}/sync/{path}` reaches any path' },
  { method: 'any', path: 'anything else', does: 'unchanged, to the default deployment' },
] as const;

/** The target prefixes, for people. */
export const targets = [
  {
    prefix: '/production',
    picks: 'the deployment of the environment `production`; of several, by `traffic_weight`',
  },
  { prefix: '/development', picks: 'the deployment of the environment `development`' },
  { prefix: '/environments/{env}', picks: 'the deployment of that environment' },
  { prefix: '/deployment/{id}', picks: 'that deployment' },
  { prefix: '(none)', picks: 'the default deployment: of `production` if there is one, else the first' },
] as const;

/** The routes of asynchronous requests. */
export type AsyncRoute =
  | {
      readonly kind: 'async_predict' | 'async_queue_status';
      readonly deployment: number;
      readonly turn: WeightedPicker;
    }
  | { readonly kind: 'async_request'; readonly id: string; readonly isResult: boolean };

export interface RouteRefusal {
  readonly kind: 'refuse';
  readonly failure:
    | 'unknown_target'
    | 'unknown_route'
    | 'method_not_allowed'
    | 'bad_request'
    | 'wrong_protocol'
    | 'not_implemented';
  readonly detail: string;
  /** The deployment that was asked for, if it exists. */
  readonly deployment?: number;
  /** The methods that there are, of a route of ours that is asked in another one. */
  readonly allow?: string;
}

export type Route =
  | {
      readonly kind: 'forward';
      readonly deployment: number;
      readonly path: string;
      readonly turn: WeightedPicker;
    }
  | { readonly kind: 'wake'; readonly deployment: number }
  | AsyncRoute
  | RouteRefusal;

/** What the metadata of a gRPC call says about where it is to go (contracts/baseten.md 1.5). */
export interface CallTarget {
  readonly modelId: string | undefined;
  readonly environment: string | undefined;
  readonly deployment: string | undefined;
}

export type CallRoute =
  | { readonly kind: 'call'; readonly deployment: number; readonly turn: WeightedPicker }
  | {
      readonly kind: 'refuse';
      readonly failure: 'unknown_target' | 'wrong_protocol';
      readonly detail: string;
      readonly deployment?: number;
    };

/** What routing needs to know of a deployment. */
export interface RouteResult {
  readonly index: number;
  readonly hasReady: boolean;
  readonly options: {
    readonly id: string;
    readonly environment: string;
    readonly traffic_weight: number;
    readonly predict_path: string;
    readonly websocket_path: string;
  };
}

/** What stands below a target, or alone. */
const WORDS = [
  'predict',
  'run_remote',
  'wake',
  'websocket',
  'async_predict',
  'async_run_remote',
  'async_queue_status',
] as const;
type Word = (typeof WORDS)[number];

/** A prefix, then one of weir's routes below it: a word, or `sync` and the rest of the path. */
const BELOW = new RegExp(`^(?:${TARGET})?\\/(?:(${WORDS.join('|')})|sync(\\/[^?]*))(\\?.*)?$`);

/** What the first segment of a route of ours can begin with: production, predict, development, deployment, … */
const FIRST_LETTERS = 'pdeswar';

/** Ids are opaque; the log API knows up to 256 characters. */
const ASYNC_REQUEST = /^\/async_request\/([^/?]{1,256})(\/result)?(?:\?.*)?$/;

export class Router {
  readonly #byIndex = new Map<number, RouteResult>();
  readonly #byId = new Map<string, WeightedPicker>();
  readonly #byEnvironment = new Map<string, WeightedPicker>();
  readonly #fallback: WeightedPicker;

  /** `deployments` must not be empty. */
  constructor(deployments: readonly RouteResult[]) {
    const shares = new Map<string, Share[]>();
    for (const deployment of deployments) {
      const { id, environment, traffic_weight: weight } = deployment.options;
      this.#byIndex.set(deployment.index, deployment);
      this.#byId.set(id, new WeightedPicker([{ deployment: deployment.index, weight: 1 }], () => true));
      const its = shares.get(environment) ?? [];
      shares.set(environment, [...its, { deployment: deployment.index, weight }]);
    }
    const hasReady = (index: number) => this.#byIndex.get(index)!.hasReady;
    for (const [environment, its] of shares)
      if (environment !== '') this.#byEnvironment.set(environment, new WeightedPicker(its, hasReady));
    const first = deployments[0]!;
    this.#fallback =
      this.#byEnvironment.get('production') ??
      this.#byEnvironment.get(first.options.environment) ??
      new WeightedPicker([{ deployment: first.index, weight: 1 }], hasReady);
  }

  /** Decides for a request target in origin form; `isUpgrade` is a request to become a WebSocket. */
  route(method: string, target: string, isUpgrade: boolean): Route {
    // Most paths are none of ours, which their first letter tells.
    const isCandidate = FIRST_LETTERS.includes(target.charAt(1));
    const match = isCandidate ? BELOW.exec(target) : null;
    if (match === null) return this.#other(method, target, isUpgrade, isCandidate);
    const [, shortcut, environment = shortcut, id, word, synced, query = ''] = match;
    const turn = this.#target(environment, id);
    if (turn === undefined) return unknownTarget(environment, id);
    if (synced !== undefined) return this.#forward(turn, synced + query);
    const isBare = environment === undefined && id === undefined;
    const own = this.#own(word as Word, method, isUpgrade, turn, query);
    // A server of any kind may have a /predict or /wake of its own for other methods.
    return own.kind === 'refuse' && isBare ? this.#forward(turn, target) : own;
  }

  /** One of weir's words below a target. Refused if the method or the protocol is wrong for it. */
  #own(word: Word, method: string, isUpgrade: boolean, turn: WeightedPicker, query: string): Route {
    const deployment = turn.peek();
    const settings = this.#byIndex.get(deployment)!.options;
    switch (word) {
      case 'websocket':
        if (isUpgrade) return { kind: 'forward', deployment, path: settings.websocket_path + query, turn };
        return {
          kind: 'refuse',
          failure: 'bad_request',
          detail: 'this route is for WebSocket upgrades',
          deployment,
        };
      case 'async_queue_status':
        if (method === 'GET' && !isUpgrade) return { kind: word, deployment, turn };
        return notAllowed(word, 'GET', deployment);
      case 'wake':
        return method === 'POST' && !isUpgrade
          ? { kind: word, deployment }
          : notAllowed(word, 'POST', deployment);
      case 'async_predict':
      case 'async_run_remote':
        if (method === 'POST' && !isUpgrade) return { kind: 'async_predict', deployment, turn };
        return notAllowed(word, 'POST', deployment);
      case 'predict':
      case 'run_remote':
        // A browser's CORS preflight: the model's server answers it (RFC 9110 9.3.7).
        if ((method === 'POST' || method === 'OPTIONS') && !isUpgrade)
          return { kind: 'forward', deployment, path: settings.predict_path + query, turn };
        return notAllowed(word, 'POST, OPTIONS', deployment);
    }
  }

  /** Handles other paths below a target: a route of a task, a refusal, or a path of the model's server. */
  #other(method: string, target: string, isUpgrade: boolean, isCandidate: boolean): Route {
    if (isCandidate) {
      if (target.startsWith('/async_request/') && !isUpgrade) {
        const route = asyncRequest(method, target);
        if (route !== undefined) return route;
      }
      const named = IS_TARGET.exec(target);
      if (named !== null) {
        const [prefix, shortcut, environment = shortcut, id] = named;
        const turn = this.#target(environment, id);
        if (turn === undefined) return unknownTarget(environment, id);
        return unknownRoute(target, prefix, turn.peek());
      }
    }
    const meant = disguised(target);
    if (meant !== undefined)
      return {
        kind: 'refuse',
        failure: 'unknown_route',
        detail: `write it as ${meant}, without escapes, dot or empty segments`,
      };
    return this.#forward(this.#fallback, target);
  }

  /** Decides for a gRPC call; without metadata that says otherwise it goes to the default deployment. */
  call({ environment, deployment: id }: CallTarget): CallRoute {
    const turn = this.#target(environment, id);
    if (turn === undefined) return unknownTarget(environment, id);
    return { kind: 'call', deployment: turn.peek(), turn };
  }

  #forward(turn: WeightedPicker, path: string): Route {
    return { kind: 'forward', deployment: turn.peek(), path, turn };
  }

  /** Whose turn it is at a target; `undefined` for one that nobody knows. */
  #target(environment: string | undefined, id: string | undefined): WeightedPicker | undefined {
    if (id !== undefined) return this.#byId.get(id);
    return environment === undefined ? this.#fallback : this.#byEnvironment.get(environment);
  }
}

const unknownTarget = (
  environment: string | undefined,
  id: string | undefined,
): RouteRefusal & { readonly failure: 'unknown_target' } => ({
  kind: 'refuse',
  failure: 'unknown_target',
  detail: id === undefined ? `environment ${shown(environment!)}` : `deployment ${shown(id)}`,
});

/** What can be meant by what stands below a target. */
const MEANT = [...WORDS, 'sync/'];

/** `prefix`: the target that `target` begins with. */
function unknownRoute(target: string, prefix: string, deployment: number): RouteRefusal {
  const path = target.split('?', 1)[0]!;
  const below = path.slice(prefix.length);
  const near = nearest(below.replaceAll('/', ''), MEANT);
  const hints = near === undefined ? [] : [`did you mean ${shown(`${prefix}/${near}`)}?`];
  if (near !== 'sync/')
    hints.push(`to reach the model's own path, use ${shown(`${prefix}/sync${below === '' ? '/' : below}`)}`);
  return {
    kind: 'refuse',
    failure: 'unknown_route',
    detail: `${shown(path)}; ${hints.join(' ')}`,
    deployment,
  };
}

const notAllowed = (route: string, allow: string, deployment?: number): Route => ({
  kind: 'refuse',
  failure: 'method_not_allowed',
  detail: `${route} takes ${allow.replace(', ', ' and ')}`,
  ...(deployment !== undefined && { deployment }),
  allow,
});

/** One task, by its id; `undefined` for a path that only looks like it. */
function asyncRequest(method: string, target: string): Route | undefined {
  const match = ASYNC_REQUEST.exec(target);
  if (match === null) return undefined;
  const isResult = match[2] !== undefined;
  if (method === 'GET' || (method === 'DELETE' && !isResult))
    return { kind: 'async_request', id: match[1]!, isResult };
  return isResult ? notAllowed('async_request/…/result', 'GET') : notAllowed('async_request', 'GET, DELETE');
}
