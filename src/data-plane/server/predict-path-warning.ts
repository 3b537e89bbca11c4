// Warns that a model's server does not know `predict_path`.
// Invariant: at most one warning per deployment and path, and a response with another status costs one comparison.
import type { Logger } from '../../core/logger.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import { TARGET } from '../routing/target-path.ts';

/** Matches the routes that are forwarded to `predict_path`. */
const PREDICT = new RegExp(`^(?:${TARGET})?/(?:predict|run_remote)(?:\\?|$)`);

/** The part of a deployment's options that the warning needs. */
interface PredictTarget {
  readonly id: string;
  readonly predict_path: string;
}

/** A deployment's first 404 for its `predict_path`. */
export interface MissedPath {
  readonly deployment: string;
  readonly replica: string;
  readonly request_id: string;
  readonly path: string;
}

/** Returns an observer that reports a deployment's first 404 for `predict_path`. */
export function missedPaths(
  deploymentOf: (index: number) => PredictTarget | undefined,
  report: (missed: MissedPath) => void,
): Observer {
  const reportFirst = onlyFirst(report);
  return {
    closed(exchange: Exchange) {
      if (exchange.status !== 404 || exchange.cause !== 'ok' || exchange.method !== 'POST') return;
      const deployment = deploymentOf(exchange.deployment);
      if (deployment === undefined || !(exchange.isAsync || PREDICT.test(exchange.target))) return;
      const { id: deploymentId, predict_path: path } = deployment;
      const { replica, id: request_id } = exchange;
      reportFirst({ deployment: deploymentId, replica, request_id, path });
    },
  };
}

/** Returns a function that logs what `missedPaths` of any thread reports. */
export const missedPathWarning = (log: Pick<Logger, 'warn'>): ((missed: MissedPath) => void) =>
  onlyFirst((missed) =>
    log.warn('replica returned 404 for predict_path', {
      ...missed,
      hint: 'set predict_path of the deployment to a path of the model’s server, such as /v1/chat/completions',
    }),
  );

function onlyFirst(report: (missed: MissedPath) => void): (missed: MissedPath) => void {
  const reported = new Set<string>();
  return (missed) => {
    const key = `${missed.deployment} ${missed.path}`;
    if (reported.has(key)) return;
    reported.add(key);
    report(missed);
  };
}
