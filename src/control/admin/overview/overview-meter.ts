// Counts requests for the overview as they end, and measures what has no counter every 15 seconds. Hot path: `closed`.
// Invariant: `closed` allocates nothing for a request that has not failed, and memory does not grow with traffic.
import type { Component } from '../../../core/lifecycle.ts';
import type { Exchange, Observer } from '../../../core/exchange/exchange.ts';
import { countRequest, type RequestFigures } from './count-request.ts';
import { failedRequest, FailureTable, replicaKey } from './failure-table.ts';
import { columnOf, FigureSlots, MINUTE_SLOTS, STEP_MS } from './figure-slots.ts';
import { FirstTokenTimes } from './first-token-times.ts';
import type { OverviewClass } from './overview-json.ts';
import type { OverviewSources } from './overview-sources.ts';
import type { OverviewReport } from './overview-tally.ts';
import { ScaleHistory } from './scale-history.ts';
import { StateTimes } from './state-times.ts';

/** CPU time of a replica at a reading. */
interface CpuSample {
  readonly cpuSeconds: number;
  readonly atMs: number;
  /** Cores in use since the sample before; null: there was none. */
  readonly cores: number | null;
}

/** Readings of the CPU time that are closer to each other are the same one. */
const MIN_READING_MS = 50;

/** Counters since weir started whose growth is counted. */
const GROWING = ['webhooks', 'webhooksOk', 'tasksFailed', 'recordsLost'] as const;
type Totals = Record<(typeof GROWING)[number], number>;

export class OverviewMeter implements Component, Observer, RequestFigures {
  readonly name = 'overview';
  readonly startedMs: number;
  readonly slots: FigureSlots;
  readonly failures = new FailureTable();
  readonly firstTokens = new FirstTokenTimes();
  readonly scales = new ScaleHistory();
  readonly exporterStates = new StateTimes();
  readonly #sources: OverviewSources;
  readonly #now: () => number;
  readonly #cpu = new Map<string, CpuSample>();
  #totals: Totals = { webhooks: 0, webhooksOk: 0, tasksFailed: 0, recordsLost: 0 };
  #ticks = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `now`: milliseconds since 1970, for tests. */
  constructor(sources: OverviewSources, now = () => Date.now()) {
    this.#sources = sources;
    this.#now = now;
    this.startedMs = now();
    this.slots = new FigureSlots(this.startedMs);
  }

  /** Begins a slot at each quarter of a minute. */
  start(): void {
    this.measure();
    this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  closed(exchange: Exchange): void {
    countRequest(exchange, this);
  }

  /** Counts what another thread has counted. */
  report({ counts, latency, failures, firstTokens }: OverviewReport): void {
    for (const [column, amount] of counts.entries()) if (amount !== 0) this.slots.add(column, amount);
    this.slots.addLatencies(latency);
    for (const failed of failures) this.failures.add(failed);
    for (const { ms, deployment, replica } of firstTokens) this.addFirstToken(ms, deployment, replica);
  }

  add(column: number, amount: number): void {
    this.slots.add(column, amount);
  }

  addLatency(ms: number): void {
    this.slots.addLatency(ms);
  }

  addFirstToken(ms: number, deployment: number, replica: string): void {
    this.slots.addFirstToken(ms);
    if (deployment >= 0) this.firstTokens.add(deployment, replica, ms);
  }

  addFailure(exchange: Exchange, outcome: OverviewClass): void {
    this.failures.add(failedRequest(exchange, outcome, this.#now()));
  }

  /** Ends the slot if it is over, and notes what has no counter of its own. Called before each answer, too. */
  measure(): void {
    const nowMs = this.#now();
    const { pool, scale, exporters, activeOf } = this.#sources;
    this.#grow();
    this.slots.advance(nowMs);
    const deployments = new Set(pool.current.map(({ options }) => options.id));
    const desired = new Map(scale().map((reading) => [reading.id, reading.desired]));
    let [inFlight, waiting] = [0, 0];
    for (const deployment of pool.deployments) {
      for (const { outstanding } of deployment.replicas) inFlight += outstanding;
      waiting += deployment.waitQueue.length;
      const { id } = deployment.options;
      if (deployments.has(id))
        this.scales.see(id, desired.get(id) ?? null, activeOf(deployment) ?? null, nowMs);
    }
    this.slots.set('inFlight', inFlight);
    this.slots.set('waiting', waiting);
    this.scales.keep(deployments);
    const known = exporters();
    for (const { id, state } of known) this.exporterStates.see(id, state, nowMs);
    this.exporterStates.keep(new Set(known.map(({ id }) => id)));
  }

  /** Cores that a replica uses; null: not known. */
  coresOf(deployment: number, replica: string): number | null {
    return this.#cpu.get(replicaKey(deployment, replica))?.cores ?? null;
  }

  #schedule(): void {
    const nowMs = this.#now();
    // A little late, so that the slot is over when the timer fires.
    const waitMs = STEP_MS - (nowMs % STEP_MS) + 5;
    this.#timer = setTimeout(() => {
      this.#tick();
      this.#schedule();
    }, waitMs).unref();
  }

  #tick(): void {
    this.measure();
    this.#readCpu();
    if (++this.#ticks % MINUTE_SLOTS !== 0) return;
    this.firstTokens.rotate();
    this.failures.prune(this.#now());
  }

  /** Adds the growth of counters that others keep to the slot. */
  #grow(): void {
    const { webhooks, failedTasks, pool, store } = this.#sources;
    const counts = webhooks();
    const totals: Totals = {
      webhooks:
        Array.from(counts.values()).reduce((sum, count) => sum + count, 0) - (counts.get('stopped') ?? 0),
      webhooksOk: counts.get('ok') ?? 0,
      tasksFailed: pool.deployments.reduce((sum, { index }) => sum + failedTasks(index), 0),
      recordsLost: store()?.lost ?? 0,
    };
    for (const name of GROWING)
      this.slots.add(columnOf(name), Math.max(0, totals[name] - this.#totals[name]));
    this.#totals = totals;
  }

  /** Cores in use are the growth of the CPU time between two readings, which the collectors make on their own timer. */
  #readCpu(): void {
    const nowMs = this.#now();
    const { collectors } = this.#sources;
    const ages = new Map(collectors.stats().map(({ sampler, ageSeconds }) => [sampler, ageSeconds ?? 0]));
    const keys = new Set<string>();
    for (const { deployment, replica, source, cpuSeconds } of collectors.containers()) {
      const key = replicaKey(deployment, replica);
      keys.add(key);
      const before = this.#cpu.get(key);
      const atMs = nowMs - 1000 * (ages.get(source === 'docker' ? 'docker' : 'container') ?? 0);
      const sinceMs = before === undefined ? 0 : atMs - before.atMs;
      // Otherwise it is the same reading again.
      if (before !== undefined && sinceMs < MIN_READING_MS) continue;
      const grown = before === undefined ? -1 : cpuSeconds - before.cpuSeconds;
      this.#cpu.set(key, { cpuSeconds, atMs, cores: grown < 0 ? null : grown / (sinceMs / 1000) });
    }
    for (const key of this.#cpu.keys()) if (!keys.has(key)) this.#cpu.delete(key);
  }
}
