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

/** Returns an observer that warns of a deployment's first 404 for `predict_path`. */
export function predictPathWarning(
  log: Pick<Logger, 'warn'>,
  deploymentOf: (index: number) => PredictTarget | undefined,
): Observer {
  const warned = new Set<string>();
  return {
    closed(exchange: Exchange) {
      if (exchange.status !== 404 || exchange.cause !== 'ok' || exchange.method !== 'POST') return;
      const deployment = deploymentOf(exchange.deployment);
      if (deployment === undefined || !(exchange.isAsync || PREDICT.test(exchange.target))) return;
      const { id, predict_path: path } = deployment;
      if (warned.has(`${id} ${path}`)) return;
      warned.add(`${id} ${path}`);
      log.warn('replica returned 404 for predict_path', {
        deployment: id,
        replica: exchange.replica,
        request_id: exchange.id,
        path,
        hint: 'set predict_path of the deployment to a path of the model’s server, such as /v1/chat/completions',
      });
    },
  };
}
