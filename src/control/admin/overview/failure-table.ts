// Failed requests of the last hour by cause and by replica, with an example of each cause.
// Invariant: only failed requests cost anything; causes are a fixed set, and replicas without a failure for an hour are
// removed.
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { OverviewClass } from './overview-json.ts';
import { failureOfRequest, type FailureKind } from './request-outcome.ts';

const BARS = 12;
export const BAR_MS = 5 * 60_000;

/** Counts of the last hour in 12 bars of 5 minutes, the last of which is not over. */
export class HourBars {
  readonly #counts = new Uint32Array(BARS);
  /** Number of the newest bar since 1970. */
  #newest = 0;

  add(nowMs: number, count = 1): void {
    this.#advance(nowMs);
    this.#counts[this.#newest % BARS]! += count;
  }

  /** The oldest first. */
  points(nowMs: number): number[] {
    this.#advance(nowMs);
    return Array.from({ length: BARS }, (_, i) => this.#counts[(this.#newest + 1 + i) % BARS]!);
  }

  #advance(nowMs: number): void {
    const bar = Math.floor(nowMs / BAR_MS);
    for (let i = Math.max(this.#newest + 1, bar - BARS + 1); i <= bar; i++) this.#counts[i % BARS] = 0;
    this.#newest = Math.max(this.#newest, bar);
  }
}

/** Failed requests of one cause and class, at one replica or at none. The texts are those of the last one. */
export interface FailedRequests {
  readonly kind: FailureKind;
  readonly outcome: OverviewClass;
  readonly count: number;
  /** When the last one ended. Milliseconds since 1970. */
  readonly lastMs: number;
  readonly detail: string;
  readonly requestId: string;
  readonly status: number;
  readonly deployment: number;
  readonly replica: string;
}

/** Failed requests with one cause. */
interface FailureRow {
  readonly bars: HourBars;
  last: FailedRequests;
}

/** Longest text of an example. */
const MAX_DETAIL = 200;

/** A request of another class than `2xx`. `nowMs`: milliseconds since 1970, here and below. */
export const failedRequest = (exchange: Exchange, outcome: OverviewClass, nowMs: number): FailedRequests => ({
  kind: failureOfRequest(exchange),
  outcome,
  count: 1,
  lastMs: nowMs,
  detail: (exchange.llm?.error?.message || exchange.detail).slice(0, MAX_DETAIL),
  requestId: exchange.id,
  status: exchange.status,
  deployment: exchange.recordedAs,
  replica: exchange.replica,
});

export class FailureTable {
  /** By cause. */
  readonly #causes = new Map<string, FailureRow>();
  /** Deployment and replica → requests that the replica failed. */
  readonly #replicas = new Map<string, HourBars>();

  add(failed: FailedRequests): void {
    const { kind, count, lastMs, outcome, replica } = failed;
    let row = this.#causes.get(kind.cause);
    if (row === undefined) this.#causes.set(kind.cause, (row = { bars: new HourBars(), last: failed }));
    row.bars.add(lastMs, count);
    row.last = failed;
    if (outcome === '5xx' && replica !== '') this.#countReplica(failed);
  }

  /** The causes of the last hour, those with the most requests first. */
  rows(
    nowMs: number,
  ): { readonly row: FailedRequests; readonly points: readonly number[]; readonly count: number }[] {
    return Array.from(this.#causes.values(), (row) => {
      const points = row.bars.points(nowMs);
      return { row: row.last, points, count: sumOf(points) };
    })
      .filter(({ count }) => count > 0)
      .sort((a, b) => b.count - a.count || b.row.lastMs - a.row.lastMs);
  }

  /** Requests of class `5xx` of the last hour whose last attempt was at a replica. */
  ofReplica(deployment: number, replica: string, nowMs: number): number {
    const bars = this.#replicas.get(replicaKey(deployment, replica));
    return bars === undefined ? 0 : sumOf(bars.points(nowMs));
  }

  /** Forgets replicas that failed no request for an hour, since replicas come and go. */
  prune(nowMs: number): void {
    for (const [key, bars] of this.#replicas) if (sumOf(bars.points(nowMs)) === 0) this.#replicas.delete(key);
  }

  #countReplica({ deployment, replica, lastMs, count }: FailedRequests): void {
    const key = replicaKey(deployment, replica);
    let bars = this.#replicas.get(key);
    if (bars === undefined) this.#replicas.set(key, (bars = new HourBars()));
    bars.add(lastMs, count);
  }
}

/** Names a replica, since replicas of two deployments may have the same id. */
export const replicaKey = (deployment: number, replica: string): string => `${deployment} ${replica}`;

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
