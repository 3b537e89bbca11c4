// A setting as clients see it: its value with its origin, and what the reference says about it.

export interface ExplainedSetting {
  readonly key: string;
  /** As text. Secrets are `***`. */
  readonly value: string;
  /** `--listen`, `WEIR_LISTEN`, `weir.yaml:12` or `default`. */
  readonly origin: string;
  /** What it does. */
  readonly does: string;
  /** Form of its values: `duration`, `bytes`, `integer`, … */
  readonly type: string;
  /** `null`: it has none. */
  readonly default: string | null;
  readonly is_default: boolean;
  /** A change of it takes effect after a restart. */
  readonly takes_restart: boolean;
}
