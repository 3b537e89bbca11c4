// Decides whether a client may make a request: key, scope, deployment, route, limits. Hot path.
// Invariant: where keys are required, nothing is served without a valid key but `client_keys.open_paths`; a refusal tells
// neither the key nor, to a client without one, what exists.
import type { Failure } from '../../core/errors.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import type { ApiKey } from '../../core/keys/api-key.ts';
import type { LastUse } from '../../core/keys/key-last-uses.ts';
import type { KeyUseTable } from '../../core/keys/key-use-table.ts';
import type { KeyUse, RefusalReason } from '../../core/keys/key-use.ts';
import { isClientScope } from '../../core/keys/scopes.ts';
import { UNKNOWN } from '../../core/exchange/llm-facts.ts';
import { wildcard } from '../../core/wildcard.ts';
import type { KeyMemo } from '../proxy/proxy.ts';
import type { OpenPaths } from './open-paths.ts';
import { ROUTE_SCOPES, type RouteKind } from '../routing/route.ts';
import { routePathOf } from '../routing/route-path.ts';

/** Where keys are looked up. */
export interface KeyTable {
  /** Changes with each change of a key. */
  readonly version: number;
  find(text: string, nowMs: number): ApiKey | 'expired' | undefined;
  /** The last use of the key with an id. */
  lastUseOf(id: string): LastUse;
}

/** Why a request is not served. */
export interface AccessRefusal {
  readonly failure: Failure;
  readonly detail: string;
  /** Seconds of Retry-After, for a limit. */
  readonly retryAfter?: number;
}

/** Where a request goes. */
export interface RoutedTo {
  readonly kind: RouteKind;
  readonly deployment?: number;
  readonly failure?: Failure;
  /** It asks to become a WebSocket. */
  readonly isUpgrade?: boolean;
}

/** What a key allows, in a form for fast checks. `undefined`: everything. */
interface Rights {
  readonly deployments: ReadonlySet<string> | undefined;
  readonly environments: ReadonlySet<string> | undefined;
  readonly routes: readonly ((path: string) => boolean)[] | undefined;
}

interface Known {
  readonly key: ApiKey;
  readonly use: KeyUse;
  readonly lastUse: LastUse;
  readonly rights: Rights;
}

/** `Bearer KEY` or `Api-Key KEY`; a repeated header does not match. */
const CREDENTIALS = /^(?:Bearer|Api-Key) +([^\s,]+)$/i;
/** Longer values are not read. */
const MAX_CREDENTIALS = 1024;

export class ClientAccess implements Observer {
  readonly #keys: KeyTable;
  readonly #uses: Pick<KeyUseTable, 'of' | 'unknown'>;
  readonly #open: OpenPaths;
  readonly #deploymentAt: (
    index: number,
  ) => { readonly id: string; readonly environment: string } | undefined;
  readonly #known = new WeakMap<ApiKey, Known>();
  /** Rights that are checked once the deployment of an asynchronous request is known. */
  readonly #pending = new WeakMap<Exchange, Rights>();
  /** Exchanges that were refused, so that they did not begin for their client. */
  readonly #refused = new WeakSet<Exchange>();

  /** `open`: paths that need no key. */
  constructor(
    keys: KeyTable,
    uses: Pick<KeyUseTable, 'of' | 'unknown'>,
    open: OpenPaths,
    deploymentAt: (index: number) => { readonly id: string; readonly environment: string } | undefined,
  ) {
    this.#keys = keys;
    this.#uses = uses;
    this.#open = open;
    this.#deploymentAt = deploymentAt;
  }

  /**
   * Returns why a request is refused; `undefined` if it is served. `credentials`: the value of `Authorization`. `memo`:
   * of the client's connection, so that the same credentials are not looked up again. Call it once for each exchange.
   */
  check(
    exchange: Exchange,
    credentials: string | undefined,
    to: RoutedTo,
    memo?: KeyMemo,
  ): AccessRefusal | undefined {
    const nowMs = exchange.startEpochMs;
    const { version } = this.#keys;
    let known: Known;
    if (
      memo !== undefined &&
      memo.credentials === credentials &&
      memo.version === version &&
      nowMs < memo.expiresMs
    )
      known = memo.known as Known;
    else {
      const found = this.#lookUp(credentials, nowMs);
      if (typeof found === 'string')
        return this.#open.has(exchange, to) ? undefined : this.#unauthorized(found);
      known = found;
      if (memo !== undefined) {
        memo.credentials = credentials;
        memo.version = version;
        memo.expiresMs = known.key.expiresMs ?? Infinity;
        memo.known = known;
      }
    }
    const { use, key } = known;
    known.lastUse.ms = nowMs;
    exchange.key = use.name;
    use.came();
    const problem = this.#forbidden(exchange, known, to);
    const reached = problem === '' ? use.begin(key.limits, nowMs) : undefined;
    if (problem === '' && reached === undefined) return undefined;
    this.#refused.add(exchange);
    use.refuse(reached?.reason ?? 'scope');
    if (reached === undefined) return { failure: 'forbidden', detail: problem };
    return { failure: 'key_limited', detail: reached.detail, retryAfter: reached.retryAfter };
  }

  /** True if the key of a request to `async_request` allows tasks of this deployment; the index may be unknown. */
  allowsTask(exchange: Exchange, deployment: number): boolean {
    const rights = this.#pending.get(exchange);
    return rights === undefined || this.#allowsDeployment(rights, deployment);
  }

  /** True if `allowsTask` depends on the deployment. */
  isTaskRestricted(exchange: Exchange): boolean {
    return this.#pending.has(exchange);
  }

  closed(exchange: Exchange): void {
    const { key, isAsync, cause } = exchange;
    if (key === '') return;
    // A task of the queue began and ended for its client when it was submitted.
    if (!isAsync && (cause === 'ok' || !this.#refused.has(exchange))) this.#uses.of(key).end();
    this.charge(exchange);
  }

  /** Charges the tokens of a request to its client. */
  charge({ key, llm, startEpochMs, startMs, endMs }: Exchange): void {
    if (key === '' || llm === undefined) return;
    const use = this.#uses.of(key);
    const { inputTokens, outputCount, cost } = llm;
    const tokens = (inputTokens === UNKNOWN ? 0 : inputTokens) + (outputCount === UNKNOWN ? 0 : outputCount);
    use.charge(tokens, Number.isNaN(cost) ? 0 : cost, startEpochMs + endMs - startMs);
  }

  #lookUp(credentials: string | undefined, nowMs: number): Known | RefusalReason {
    if (credentials === undefined) return 'missing';
    const text = credentials.length > MAX_CREDENTIALS ? undefined : CREDENTIALS.exec(credentials)?.[1];
    const key = text === undefined ? undefined : this.#keys.find(text, nowMs);
    if (key === 'expired') return 'expired';
    // A key of the admin API alone does not open this server.
    return key?.scopes.some(isClientScope) ? this.#knownOf(key) : 'unknown';
  }

  #knownOf(key: ApiKey): Known {
    let known = this.#known.get(key);
    if (known === undefined) {
      const { deployments, environments, routes } = key;
      known = {
        key,
        use: this.#uses.of(key.name),
        lastUse: this.#keys.lastUseOf(key.id),
        rights: {
          deployments: deployments && new Set(deployments),
          environments: environments && new Set(environments),
          routes: routes?.map(wildcard),
        },
      };
      this.#known.set(key, known);
    }
    return known;
  }

  #unauthorized(reason: RefusalReason): AccessRefusal {
    this.#uses.unknown.refuse(reason);
    return { failure: 'unauthorized', detail: reason === 'expired' ? 'the key has expired' : '' };
  }

  /** Why the key does not allow the request; empty if it does. */
  #forbidden(exchange: Exchange, { key, rights }: Known, { kind, deployment, failure }: RoutedTo): string {
    const needed = ROUTE_SCOPES[kind];
    if (needed !== 'any' && !key.scopes.includes(needed))
      return `this route needs scope ${needed}, the key has ${key.scopes.join(', ')}`;
    const { deployments, environments, routes } = rights;
    if (routes !== undefined) {
      const path = routePathOf(exchange.target);
      if (path === undefined)
        return 'the key is for some routes only, so write the path without escapes, dot or empty segments';
      if (!routes.some((fits) => fits(path))) return 'the key does not allow this route';
    }
    if (deployments === undefined && environments === undefined) return '';
    if (kind === 'async_request') {
      this.#pending.set(exchange, rights);
      return '';
    }
    // An unknown target gets the same answer, so that a client does not learn which others exist.
    const isAllowed =
      deployment === undefined ? failure !== 'unknown_target' : this.#allowsDeployment(rights, deployment);
    return isAllowed ? '' : 'the key does not allow this deployment or environment';
  }

  #allowsDeployment({ deployments, environments }: Rights, index: number): boolean {
    const options = this.#deploymentAt(index);
    if (options === undefined) return false;
    return (
      (deployments === undefined || deployments.has(options.id)) &&
      (environments === undefined || environments.has(options.environment))
    );
  }
}
