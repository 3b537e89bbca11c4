// What the routes of connections, keys, prices and settings answer, for clients that are written in TypeScript.
// Invariant: this file imports nothing, so that a page in a browser can use it.

/** Answer of `GET /v1/otel/connections/{id}/status`. Times are ISO 8601; empty: never. */
export interface ConnectionStatus {
  /** `paused`: the receiver rejects the credentials or the URL. weir keeps trying and drops nothing. */
  readonly state: 'running' | 'retrying' | 'paused' | 'disabled' | 'failed';
  /** Since when the receiver has taken no request: the first one that failed. */
  readonly paused_since: string;
  /** When the next try comes. */
  readonly next_try_at: string;
  /** The same time, as older clients read it. */
  readonly retry_at: string;
  /** Sequence number of the last record that is finished. */
  readonly cursor: number;
  readonly head: number;
  /** Stored records after the cursor, wanted or not. */
  readonly queue_records: number;
  /** Age of the oldest record that is not sent yet. */
  readonly lag_seconds: number;
  /** Counts since weir started. */
  readonly sent: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly last_error: string;
  readonly last_error_at: string;
  readonly last_success_at: string;
  /** The last response of the receiver; `null`: none yet. */
  readonly last_response: ConnectionResponse | null;
}

/** A response of a receiver. */
export interface ConnectionResponse {
  /** HTTP status. */
  readonly status: number;
  /** The begin of its body as text, at most 1 KiB, without values of headers that weir sends. */
  readonly text: string;
  /** ISO 8601. */
  readonly at: string;
}

/** A connection. Values of headers are `***`. */
export interface ConnectionAnswer {
  readonly id: string;
  readonly name: string;
  readonly signal: 'logs' | 'traces';
  readonly endpoint_url: string;
  readonly header_name: string;
  readonly header_value: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly encoding: string;
  readonly compression: 'gzip' | 'none';
  readonly attributes: readonly string[];
  readonly min_level: string;
  readonly query: string;
  readonly service_name: string;
  /** `now`, `earliest` or a sequence number. */
  readonly start_from: string;
  readonly enabled: boolean;
  /** `settings`: the API cannot change it. */
  readonly from: 'api' | 'settings';
  /** Only with `with=status`. */
  readonly status?: ConnectionStatus;
  /** Only with `with=waiting`: stored records that it wants and has not sent yet. */
  readonly waiting?: ConnectionCount;
}

/** Answer of `GET /v1/otel/connections`. */
export interface ConnectionList {
  readonly connections: readonly ConnectionAnswer[];
}

/** Answer of `POST /v1/otel/connections/count`: stored records that a connection would send. */
export interface ConnectionCount {
  readonly count: number;
  /** False: counting took too long, so there are at least this many. */
  readonly is_exact: boolean;
}

/** Answer of `POST /v1/otel/connections/{id}/test`. */
export interface ConnectionTest {
  readonly ok: boolean;
  /** HTTP status; 0: no response. */
  readonly status: number;
  /** Text of the receiver, or why there was no response. */
  readonly message: string;
  readonly duration_ms: number;
}

/** A key. Times are ISO 8601. */
export interface KeyAnswer {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  /** `null`: not known, since it is in the key file. */
  readonly created_at: string | null;
  readonly expires_at: string | null;
  /** To the minute; `null`: not since weir keeps this. */
  readonly last_used_at: string | null;
  /** Name of the key that made it, or `no key` for a request from this machine; `null`: not known. */
  readonly made_by: string | null;
  readonly deployments?: readonly string[];
  readonly environments?: readonly string[];
  readonly routes?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
  /** Set for a key of the key file. */
  readonly source?: 'file';
}

/** Answer of `GET /v1/keys`. */
export interface KeyList {
  readonly keys: readonly KeyAnswer[];
}

/** A price of a million tokens. */
export interface PriceAnswer {
  /** The same as long as `source`, `model` and `valid_from` are. */
  readonly id: string;
  readonly model: string;
  readonly input: number;
  readonly output: number;
  /** The prices that are used. */
  readonly cached: number;
  readonly reasoning: number;
  /** ISO 8601; `null`: always. */
  readonly valid_from: string | null;
  /** `current`: holds now. `past`: a later one of the same model holds. `future`: not valid yet. */
  readonly period: 'past' | 'current' | 'future';
  /** `config`: the API cannot change it. */
  readonly source: 'api' | 'config';
}

/** A model whose requests ended without a price. */
export interface UnpricedModel {
  readonly model: string;
  readonly requests: number;
  /** ISO 8601. */
  readonly last_at: string;
}

/** Answer of `GET /v1/prices`, in the order in which prices are tried. */
export interface PricesAnswer {
  readonly currency: string;
  readonly prices: readonly PriceAnswer[];
  /** Requests that ended without a price, and the models that have none now: those with most requests first, at most 200. */
  readonly without_price: {
    /** ISO 8601: the start of weir. */
    readonly since: string;
    readonly requests: number;
    readonly models: readonly UnpricedModel[];
  };
}

/** A setting. The fields after `origin` are there only with `with=docs`. */
export interface SettingAnswer {
  /** `pool.probe_interval`, `deployments[0].replicas[1].url`. */
  readonly key: string;
  /** Secrets are `***`. */
  readonly value: string;
  /** `--listen`, `WEIR_LISTEN`, `weir.yaml:12` or `default`. */
  readonly origin: string;
  /** What it does. */
  readonly does?: string;
  /** Form of its values: `duration`, `bytes`, `integer`, … */
  readonly type?: string;
  /** `null`: it has none. */
  readonly default?: string | null;
  readonly is_default?: boolean;
  /** A change of it takes effect after a restart. */
  readonly takes_restart?: boolean;
}

/** Answer of `GET /v1/settings`. */
export interface SettingList {
  readonly settings: readonly SettingAnswer[];
}
