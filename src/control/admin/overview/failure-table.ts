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

  add(nowMs: number): void {
    this.#advance(nowMs);
    this.#counts[this.#newest % BARS]!++;
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

/** Failed requests with one cause. */
export interface FailureRow {
  readonly kind: FailureKind;
  readonly bars: HourBars;
  /** The last one. Milliseconds since 1970. */
  lastMs: number;
  detail: string;
  requestId: string;
  status: number;
  deployment: number;
  replica: string;
}

/** Longest text of an example. */
const MAX_DETAIL = 200;

export class FailureTable {
  readonly #causes = new Map<FailureKind, FailureRow>();
  /** Deployment and replica → requests that the replica failed. */
  readonly #replicas = new Map<string, HourBars>();

  /** Counts a request of another class than `2xx`. `nowMs`: milliseconds since 1970, here and below. */
  count(exchange: Exchange, outcome: OverviewClass, nowMs: number): void {
    const kind = failureOfRequest(exchange);
    let row = this.#causes.get(kind);
    if (row === undefined) {
      const empty = { detail: '', requestId: '', status: 0, deployment: -1, replica: '', lastMs: 0 };
      this.#causes.set(kind, (row = { kind, bars: new HourBars(), ...empty }));
    }
    row.bars.add(nowMs);
    row.lastMs = nowMs;
    row.detail = (exchange.llm?.error?.message || exchange.detail).slice(0, MAX_DETAIL);
    row.requestId = exchange.id;
    row.status = exchange.status;
    row.deployment = exchange.recordedAs;
    row.replica = exchange.replica;
    if (outcome === '5xx' && exchange.replica !== '') this.#countReplica(exchange, nowMs);
  }

  /** The causes of the last hour, those with the most requests first. */
  rows(
    nowMs: number,
  ): { readonly row: FailureRow; readonly points: readonly number[]; readonly count: number }[] {
    return Array.from(this.#causes.values(), (row) => {
      const points = row.bars.points(nowMs);
      return { row, points, count: sumOf(points) };
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

  #countReplica({ recordedAs, replica }: Exchange, nowMs: number): void {
    const key = replicaKey(recordedAs, replica);
    let bars = this.#replicas.get(key);
    if (bars === undefined) this.#replicas.set(key, (bars = new HourBars()));
    bars.add(nowMs);
  }
}

/** Names a replica, since replicas of two deployments may have the same id. */
export const replicaKey = (deployment: number, replica: string): string => `${deployment} ${replica}`;

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
