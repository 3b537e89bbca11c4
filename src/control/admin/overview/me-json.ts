// Answer of GET /v1/me: who asks, what may be done with the key, and what this weir is.
// Invariant: plain data without imports, since the page uses these types in the browser. Unknown values are null, never 0.

/** Times that end in `_ns` are nanoseconds since 1970 as decimal texts, since JSON numbers are not exact there. */
export interface MeJson {
  readonly key: MeKeyJson;
  readonly weir: MeWeirJson;
  readonly model: { readonly id: string; readonly name: string };
  /** All deployments of the configuration, also those without any record. */
  readonly deployments: readonly MeDeploymentJson[];
  /** All environments of the configuration, in order of their first deployment. */
  readonly environments: readonly string[];
  /** The log store; null if logs.capture is off. */
  readonly store: MeStoreJson | null;
  readonly limits: MeLimitsJson;
}

/** The key of the request. */
export interface MeKeyJson {
  /** Null: no key of the admin API exists, and the request comes from this machine. */
  readonly id: string | null;
  readonly name: string | null;
  /** `admin` includes all others. */
  readonly scopes: readonly string[];
  /** ISO 8601; null: never. */
  readonly expires_at: string | null;
  /** True: no key was needed, since none exists and the request comes from this machine. */
  readonly is_without_key: boolean;
}

export interface MeWeirJson {
  readonly version: string;
  readonly started_ns: string;
  /** The clock of weir at the answer, for the skew of the browser's clock. */
  readonly time_ns: string;
  /** True after the shutdown has begun. */
  readonly is_draining: boolean;
}

export interface MeDeploymentJson {
  readonly id: string;
  /** Empty: in none. */
  readonly environment: string;
  /** `stable`, `promoting` or empty. */
  readonly phase: string;
  /** Share of the requests of its environment, relative to the others. */
  readonly traffic_weight: number;
  /** Replicas that it has, and how many of them are ready for requests. */
  readonly replicas: number;
  readonly ready_replicas: number;
}

export interface MeStoreJson {
  /** `metadata` or `full`; `off` if only some routes are stored. */
  readonly capture: string;
  /** Time of the oldest record; null: there is none, or it was not read in time. */
  readonly oldest_ns: string | null;
  readonly newest_ns: string | null;
  /** Places for `after` of the live tail: opaque. */
  readonly oldest_place: string | null;
  readonly newest_place: string | null;
  /** Sequence number of the newest record; null: the store has none. */
  readonly newest_seq: number | null;
  readonly bytes: number;
  readonly max_bytes: number;
  readonly retention_ms: number;
  /** Records that were lost since weir started. */
  readonly lost: number;
}

export interface MeLimitsJson {
  /** Rows and days of one download; null: unlimited. */
  readonly download_rows: number | null;
  readonly download_days: number | null;
  /** Live tails at a time. */
  readonly tails: number;
}
