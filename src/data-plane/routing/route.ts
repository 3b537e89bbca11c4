// The decisions that routing can make, and the table of weir's routes.
// Source: docs/contracts/serving.md 1.1 and 1.2.
import type { ClientScope } from '../../core/keys/scopes.ts';
import type { WeightedPicker } from './weighted-picker.ts';

/** A route, as the documentation shows it. `{t}` is a target prefix or nothing. */
interface ShownRoute {
  readonly method: string;
  readonly path: string;
  readonly does: string;
  /** Scope that a key needs, where keys are required; `any`: one of the data server. */
  readonly scope: ClientScope | 'any';
}

/** weir's routes, as the documentation shows them. */
export const routes: readonly ShownRoute[] = [
  {
    method: 'POST',
    path: '{t}/predict',
    does: 'forwards to the deployment’s `predict_path`',
    scope: 'predict',
  },
  { method: 'POST', path: '{t}/run_remote', does: 'the same as the route above', scope: 'predict' },
  {
    method: 'OPTIONS',
    path: '{t}/predict, {t}/run_remote',
    does: 'forwards to the same path; the model’s server responds, or weir with `ingress.cors`',
    scope: 'predict',
  },
  { method: 'any', path: '{t}/sync/{path}', does: 'forwards to `/{path}`', scope: 'predict' },
  {
    method: 'GET',
    path: '{t}/websocket',
    does: 'forwards a WebSocket to the deployment’s `websocket_path`',
    scope: 'predict',
  },
  {
    method: 'POST',
    path: '{t}/wake',
    does: 'returns 202 at once; counts as activity that scales up from zero; nothing reaches a replica',
    scope: 'wake',
  },
  {
    method: 'POST',
    path: '{t}/async_predict',
    does: 'puts the request into the queue; returns 201 with its id',
    scope: 'async',
  },
  { method: 'POST', path: '{t}/async_run_remote', does: 'the same as the route above', scope: 'async' },
  {
    method: 'GET',
    path: '{t}/async_queue_status',
    does: 'returns the number of queued and running requests',
    scope: 'async',
  },
  {
    method: 'GET',
    path: '/async_request/{id}',
    does: 'returns the state of an asynchronous request',
    scope: 'async',
  },
  {
    method: 'DELETE',
    path: '/async_request/{id}',
    does: 'cancels an asynchronous request that is QUEUED',
    scope: 'async',
  },
  {
    method: 'GET',
    path: '/async_request/{id}/result',
    does: 'returns the model’s response, if `async.keep_results` is set',
    scope: 'async',
  },
  {
    method: 'any',
    path: 'anything else below a target',
    does: 'returns 404; `{t}/sync/{path}` reaches any path',
    scope: 'any',
  },
  {
    method: 'any',
    path: 'anything else',
    does: 'forwards to the default deployment, with the path unchanged',
    scope: 'predict',
  },
];

/** Names of weir's routes, with a target prefix or without one. */
export const ROUTE_NAMES = [
  'predict',
  'run_remote',
  'wake',
  'websocket',
  'async_predict',
  'async_run_remote',
  'async_queue_status',
] as const;

/** The target prefixes, as the documentation shows them. */
export const targets = [
  {
    prefix: '/production',
    picks: 'the deployment of the environment `production`; one of several by `traffic_weight`',
  },
  { prefix: '/development', picks: 'the deployment of the environment `development`' },
  { prefix: '/environments/{env}', picks: 'the deployment of that environment' },
  { prefix: '/deployment/{id}', picks: 'that deployment' },
  {
    prefix: '(none)',
    picks: 'the default deployment: the one of `production` if there is one, else the first',
  },
] as const;

/** A route of asynchronous requests. */
export type AsyncRoute =
  | { readonly kind: 'async_predict'; readonly deployment: number; readonly picker: WeightedPicker }
  | { readonly kind: 'async_queue_status'; readonly deployment: number; readonly picker: WeightedPicker }
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
  /** The deployment that the path names, if it exists. */
  readonly deployment?: number;
  /** The allowed methods, if the method is the reason. */
  readonly allow?: string;
}

export type Route =
  | {
      readonly kind: 'forward';
      readonly deployment: number;
      readonly path: string;
      readonly picker: WeightedPicker;
    }
  | { readonly kind: 'wake'; readonly deployment: number }
  | AsyncRoute
  | RouteRefusal;

/** Target of a gRPC call, from its metadata (docs/contracts/serving.md 1.5). */
export interface CallTarget {
  readonly modelId: string | undefined;
  readonly environment: string | undefined;
  readonly deployment: string | undefined;
}

export type CallRoute =
  | { readonly kind: 'call'; readonly deployment: number; readonly picker: WeightedPicker }
  | {
      readonly kind: 'refuse';
      readonly failure: 'unknown_target' | 'wrong_protocol';
      readonly detail: string;
      readonly deployment?: number;
    };

/** Where a gRPC-Web call goes. `path`: the method, as the replica sees it. */
export type WebCallRoute =
  | (Extract<CallRoute, { kind: 'call' }> & { readonly path: string })
  | Extract<CallRoute, { kind: 'refuse' }>
  | RouteRefusal;

/** What a request or call is routed to. */
export type RouteKind = (Route | CallRoute)['kind'];

/**
 * Scope that a key needs for each kind of route, where keys are required; `any`: one of the data server. A kind without
 * a scope does not compile.
 */
export const ROUTE_SCOPES: Readonly<Record<RouteKind, ClientScope | 'any'>> = {
  forward: 'predict',
  call: 'predict',
  async_predict: 'async',
  async_queue_status: 'async',
  async_request: 'async',
  wake: 'wake',
  refuse: 'any',
};

/** The part of a deployment that routing needs. */
export interface RoutableDeployment {
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
