// The observers of exchanges, in the order in which they are called.
import type { Observer } from '../core/exchange/exchange.ts';
import { missedPaths } from '../data-plane/server/data-server.ts';
import type { Modules } from './modules.ts';

/**
 * Prices come first, since all others may read the cost. The budget of a key is charged next, and then come metrics and scaling, which count each exchange as soon
 * as it is routed. In the log pipeline tracing comes before the log store and the access log: it may still sample a failed
 * request, and the stored record says so.
 */
export function observersOf(modules: Modules): Observer[] {
  const { pool } = modules;
  const deploymentAt = (index: number) => pool.deployments[index]?.options;
  return [
    modules.prices.observer,
    ...(modules.access ? [modules.access] : []),
    modules.counters.own.inFlight,
    modules.counters.own.llm,
    modules.overview,
    modules.autoscaler.observer,
    ...modules.logPipeline.requests.observers(deploymentAt),
    missedPaths(deploymentAt, modules.pathMissed),
  ];
}
