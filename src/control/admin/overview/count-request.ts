// What the overview counts of a request that has ended. Hot path.
// Invariant: nothing is allocated for a request that has not failed.
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { UNKNOWN } from '../../../core/exchange/llm-facts.ts';
import { columnOf } from './figure-slots.ts';
import type { OverviewClass } from './overview-json.ts';
import { classOf, isRefusal } from './request-outcome.ts';

const OK = columnOf('2xx');
const REFUSED = columnOf('refused');
const INPUT_TOKENS = columnOf('inputTokens');
const OUTPUT_TOKENS = columnOf('outputTokens');
const HAS_TOKENS = columnOf('hasTokens');
const COST = columnOf('cost');
const HAS_COST = columnOf('hasCost');

/** Where requests are counted. Times are in milliseconds. */
export interface RequestFigures {
  /** `column`: of `columnOf`. */
  add(column: number, amount: number): void;
  addLatency(ms: number): void;
  /** Time to the first token. `deployment`: its index, or -1; `replica`: id of the replica of the last attempt. */
  addFirstToken(ms: number, deployment: number, replica: string): void;
  /** A request of another class than `2xx`. */
  addFailure(exchange: Exchange, outcome: OverviewClass): void;
}

export function countRequest(exchange: Exchange, figures: RequestFigures): void {
  const outcome = classOf(exchange);
  if (exchange.protocol !== 'websocket') figures.addLatency(exchange.endMs - exchange.startMs);
  if (exchange.llm !== undefined) countModel(exchange, exchange.llm, figures);
  if (outcome === '2xx') return figures.add(OK, 1);
  figures.add(columnOf(outcome), 1);
  if (isRefusal(exchange.cause)) figures.add(REFUSED, 1);
  figures.addFailure(exchange, outcome);
}

function countModel(exchange: Exchange, llm: NonNullable<Exchange['llm']>, figures: RequestFigures): void {
  if (llm.inputTokens !== UNKNOWN) figures.add(INPUT_TOKENS, llm.inputTokens);
  if (llm.outputCount !== UNKNOWN) {
    figures.add(OUTPUT_TOKENS, llm.outputCount);
    figures.add(HAS_TOKENS, 1);
  }
  if (!Number.isNaN(llm.cost)) {
    figures.add(COST, llm.cost);
    figures.add(HAS_COST, 1);
  }
  if (!llm.isStream || llm.firstTokenMs === 0) return;
  figures.addFirstToken(llm.firstTokenMs - exchange.startMs, exchange.deployment, exchange.replica);
}
