// Answer of GET /v1/overview: the state of weir and its replicas, with the figures of the last hour.
// Invariant: plain data without imports, since the page uses these types in the browser. Unknown values are null, never 0.
// Times that end in `_ns` are nanoseconds since 1970 as decimal texts. A `q` is a query for Logs that finds what a
// figure counts.

export interface OverviewJson {
  readonly at_ns: string;
  readonly verdict: VerdictJson;
  readonly figures: OverviewFigures;
  /** Requests by outcome, one number for each minute of the last hour. */
  readonly traffic: OverviewTraffic;
  readonly deployments: readonly OverviewDeployment[];
  /** Worst first. */
  readonly replicas: readonly OverviewReplica[];
  /** One entry for each deployment. */
  readonly scale: readonly OverviewScale[];
  /** Failed requests of the last hour, most first. */
  readonly causes: readonly OverviewCause[];
  readonly async: OverviewAsync;
  readonly exporters: readonly OverviewExporter[];
  /** Null if logs.capture is off. */
  readonly store: OverviewStore | null;
  readonly weir: { readonly version: string; readonly started_ns: string; readonly is_draining: boolean };
}

// ── Figures ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `points`: one value for each step, the last one ends at `end_ns`. All have the same number of points. */
export interface OverviewFigures {
  readonly step_s: number;
  readonly end_ns: string;
  /** Requests per second. */
  readonly requests: OverviewRate;
  /** Share of failed requests, 0 to 1: those that weir or a replica failed. */
  readonly errors: OverviewErrors;
  /** Milliseconds from the first byte of the request to the end; points are p95. */
  readonly latency: OverviewPercentiles;
  /** Milliseconds to the first token, of requests to a language model that stream. */
  readonly ttft: OverviewPercentiles;
  /** Requests at replicas now. `capacity`: ready replicas × their target; null: no limit. */
  readonly in_flight: OverviewFigure & { readonly capacity: number | null };
  /** Queued requests now. `longest_ms`: of these, how long the first one waits; `refused`: in the last minute. */
  readonly waiting: OverviewFigure & { readonly longest_ms: number | null; readonly refused: number };
  /** Output tokens per second. `input_now`: input tokens per second. */
  readonly tokens: OverviewFigure & { readonly input_now: number | null };
  /** Cost per hour at the rate of the last minute; null: no request had a price. */
  readonly cost_per_hour: { readonly now: number | null; readonly currency: string };
}

/** `now`: of the last minute. `before`: of the hour before that. */
export interface OverviewFigure {
  readonly now: number | null;
  readonly before: number | null;
  readonly points: readonly (number | null)[];
}

/** `count`: requests of the last minute. */
export interface OverviewRate extends OverviewFigure {
  readonly count: number;
}

/** `failed` of `requests`: of the last minute. */
export interface OverviewErrors extends OverviewFigure {
  readonly failed: number;
  readonly requests: number;
  readonly q: string;
}

/** p50, p95 and p99 of the last minute; `now` and `before` are p95. */
export interface OverviewPercentiles extends OverviewFigure {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** `5xx`: failed by weir or a replica, also those of gRPC and WebSockets; `499`: the client disconnected. */
export type OverviewClass = '2xx' | '4xx' | '499' | '5xx';

export interface OverviewTraffic {
  readonly step_s: number;
  readonly end_ns: string;
  readonly classes: Readonly<Record<OverviewClass, readonly (number | null)[]>>;
  readonly totals: Readonly<Record<OverviewClass, number>>;
}

// ── Replicas and scaling ───────────────────────────────────────────────────────────────────────────────────────────

export interface OverviewDeployment {
  readonly id: string;
  readonly environment: string;
  readonly phase: string;
  readonly traffic_weight: number;
  /** Concurrent requests per replica; null: no limit. */
  readonly target: number | null;
  readonly waiting: number;
  readonly ready: number;
  readonly replicas: number;
}

export interface OverviewReplica {
  readonly id: string;
  readonly deployment: string;
  /** Only for keys with the scope admin. */
  readonly url?: string | undefined;
  readonly state: 'starting' | 'ready' | 'down' | 'ejected' | 'draining';
  readonly since_ns: string;
  readonly is_leaving: boolean;
  readonly outstanding: number;
  readonly target: number | null;
  readonly ttft_p95_ms: number | null;
  /** Requests of the last hour that it failed, and how to find them. */
  readonly failed: number;
  readonly q: string;
  /** Finds the log lines of the replica. */
  readonly lines_q: string;
  /** The last readiness probe; null: there was none yet. */
  readonly probe: OverviewProbe | null;
  readonly gpus: readonly OverviewGpu[];
  /** Cores in use; null: not read. */
  readonly cpu: number | null;
  /** Working set. */
  readonly memory_bytes: number | null;
  /** Restarts of its process; null: weir does not know the process. */
  readonly restarts: number | null;
}

export interface OverviewProbe {
  readonly at_ns: string;
  readonly took_ms: number;
  readonly is_ok: boolean;
  /** What came of it: `GET /health returned 200`, `connection refused (10.0.4.12:8000)`. */
  readonly text: string;
}

export interface OverviewGpu {
  readonly index: string;
  readonly used_mib: number | null;
  readonly total_mib: number | null;
  /** Percent. */
  readonly utilization: number | null;
}

export interface OverviewScale {
  readonly deployment: string;
  /** Null: not decided yet. */
  readonly desired: number | null;
  /** Ready replicas; of a deployment whose pods Kubernetes counts, ready pods. Null: not known. */
  readonly active: number | null;
  /** As GET /v1/scale says it. */
  readonly reason: string;
  readonly mean_in_flight: number;
  /** Requests in flight that one replica should have: target × utilization. */
  readonly per_replica: number;
  readonly target: number;
  readonly utilization_percent: number;
  readonly window_s: number;
  readonly min: number;
  readonly max: number;
  /** True: KEDA or the pods of Kubernetes follow `desired`. Otherwise the replicas are those of the configuration. */
  readonly is_followed: boolean;
  /** Seconds until it may go down; null: nothing to go down from. */
  readonly down_in_s: number | null;
  /** Since when desired and active differ; null: they do not. */
  readonly unmet_since_ns: string | null;
  /** Changes of the last 90 min, the first one from before: seconds before `at_ns`, desired, active. */
  readonly history: readonly (readonly [ago_s: number, desired: number | null, active: number | null])[];
}

// ── Errors, async queue, exporters, store ──────────────────────────────────────────────────────────────────────────

export interface OverviewCause {
  /** Name of the cause, or `answer_5xx` for a response of a replica with such a status. */
  readonly cause: string;
  /** Who has to act. */
  readonly origin: 'client' | 'weir' | 'replica';
  readonly count: number;
  /** 12 bars of 5 minutes. */
  readonly points: readonly number[];
  readonly last_ns: string;
  /** What the last one said. */
  readonly example: string;
  /** Request id of the last one. */
  readonly example_request_id: string;
  /** Status, deployment and replica of the last one; empty: it had none. */
  readonly status: number;
  readonly deployment: string;
  readonly replica: string;
  readonly q: string;
}

export interface OverviewAsync {
  readonly queued: number;
  readonly running: number;
  /** Age of the queued task that expires first; null: none is queued, or it was not read in time. */
  readonly oldest_ms: number | null;
  /** Time until it expires. */
  readonly expires_first_ms: number | null;
  /** Share of the webhook attempts of the last hour that were delivered; null: there was none. */
  readonly webhooks_ok: number | null;
  readonly webhook_attempts: number;
  /** Failed tasks of the last hour. */
  readonly failed: number;
}

export interface OverviewExporter {
  readonly id: string;
  readonly name: string;
  readonly signal: string;
  readonly state: 'running' | 'retrying' | 'paused' | 'disabled' | 'failed';
  /** The last problem; empty: none. */
  readonly why: string;
  /** Since when it is in this state. */
  readonly since_ns: string | null;
  readonly lag_s: number;
  readonly waiting: number;
  readonly sent: number;
  readonly dropped: number;
}

export interface OverviewStore {
  /** Records that were lost since weir started, and in the last hour. */
  readonly lost: number;
  readonly lost_in_hour: number;
  readonly lag_s: number;
  readonly bytes: number;
  readonly max_bytes: number;
}

// ── Verdict ────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * `ok`: nothing is wrong. `degraded`: requests feel something. `down`: no deployment has a ready replica.
 * `since_ns`: the earliest of the parts that made it so; null: not known.
 */
export interface VerdictJson {
  readonly level: 'ok' | 'degraded' | 'down';
  readonly since_ns: string | null;
  /** In the order of the rules: the first one gives the sentence. Exporters and figures of `ok` come last. */
  readonly parts: readonly VerdictPart[];
}

/** Fields of all parts. `is_felt`: it makes the level `degraded` or `down`. */
interface PartOf<Rule extends string> {
  readonly rule: Rule;
  readonly is_felt: boolean;
  readonly since_ns: string | null;
  /** A query for Logs. */
  readonly q: string;
}

export type VerdictPart =
  | NoReadyPart
  | ReplicaDownPart
  | CapacityPart
  | ErrorsPart
  | RefusalsPart
  | LatencyPart
  | GpuMemoryPart
  | AsyncWaitPart
  | StoreLostPart
  | ScaleUnmetPart
  | DrainingPart
  | ExporterPart
  | AllWellPart;

/** No replica of a deployment takes requests. `problem`: of its first replica. */
export interface NoReadyPart extends PartOf<'no_ready_replica'> {
  readonly deployment: string;
  readonly replicas: number;
  readonly problem: string;
}

/** A replica takes no requests. `lines_q` finds its last log lines. */
export interface ReplicaDownPart extends PartOf<'replica_down'> {
  readonly deployment: string;
  readonly replica: string;
  readonly state: 'down' | 'ejected';
  readonly problem: string;
  /** Requests that it failed in the last hour. */
  readonly failed: number;
  readonly lines_q: string;
}

/** How full the ready replicas are while others are down. */
export interface CapacityPart extends PartOf<'capacity'> {
  readonly used: number;
  readonly of: number;
  readonly ready: number;
}

/** The share of errors is above 1 % and 5 times that of the hour before, and at least 3 requests failed. */
export interface ErrorsPart extends PartOf<'errors'> {
  readonly now: number;
  readonly before: number | null;
  readonly failed: number;
  readonly requests: number;
  /** The cause with the most errors in the last 5 minutes, with its replica and an example; null: not known. */
  readonly cause: string | null;
  readonly replica: string;
  readonly example: string;
  readonly count: number;
}

/** Requests of the last minute that got 429 or 529, since all replicas were full. */
export interface RefusalsPart extends PartOf<'refusals'> {
  readonly count: number;
}

/** p95 is more than twice that of the hour before, and at least 10 ms more. */
export interface LatencyPart extends PartOf<'latency'> {
  readonly p95_ms: number;
  readonly before_ms: number;
}

/** More than 95 % of the memory of a GPU is in use. */
export interface GpuMemoryPart extends PartOf<'gpu_memory'> {
  readonly deployment: string;
  readonly replica: string;
  readonly gpu: string;
  readonly used_mib: number;
  readonly total_mib: number;
}

/** The task that expires first has waited more than half of its time in the queue. */
export interface AsyncWaitPart extends PartOf<'async_wait'> {
  readonly oldest_ms: number;
  readonly limit_ms: number;
  readonly queued: number;
}

/** Records were lost in the last hour. */
export interface StoreLostPart extends PartOf<'store_lost'> {
  readonly lost: number;
}

/** More replicas are desired than active for more than 2 minutes. */
export interface ScaleUnmetPart extends PartOf<'scale_unmet'> {
  readonly deployment: string;
  readonly desired: number;
  readonly active: number;
}

/** weir shuts down. */
export type DrainingPart = PartOf<'draining'>;

/** An exporter is paused or more than 5 minutes behind. Requests do not feel it. */
export interface ExporterPart extends PartOf<'exporter'> {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly why: string;
  readonly lag_s: number;
  readonly waiting: number;
}

/** Figures of a weir with which nothing is wrong. */
export interface AllWellPart extends PartOf<'all_well'> {
  readonly ready: number;
  readonly replicas: number;
  readonly waiting: number;
  readonly failed: number;
  readonly requests: number;
  /** The last failed request of the last hour; null: there was none. */
  readonly last_cause: string | null;
  readonly last_ns: string | null;
  readonly last_replica: string;
}
