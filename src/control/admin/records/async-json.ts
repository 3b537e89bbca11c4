// The responses of GET /v1/async and GET /v1/async/{id}: tasks of the queue. Types only, so that a page can import them.
// Invariant: no input, no result and no path or query of a webhook's URL is in them.

export interface AsyncTaskJson {
  /** Request id of the submit and of all runs. */
  readonly id: string;
  readonly deployment: string;
  /** docs/contracts/serving.md 2.3. */
  readonly state:
    'QUEUED' | 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'EXPIRED' | 'CANCELED' | 'WEBHOOK_FAILED';
  /**
   * What happens now. `waiting`: for a replica. `resting`: for its next attempt. `outbox`: its result waits for delivery.
   * `sending`: its result is being delivered.
   */
  readonly phase: 'waiting' | 'running' | 'resting' | 'outbox' | 'sending' | 'done';
  readonly webhook_status: 'PENDING' | 'SUCCEEDED' | 'FAILED' | 'CANCELED' | 'NO_WEBHOOK_PROVIDED';
  /** 0 runs first, 2 last. */
  readonly priority: number;
  /** ISO 8601. */
  readonly created_at: string;
  /** When its last run began, or it ended. */
  readonly state_at: string;
  /** When its time in the queue ends, while it has not run. */
  readonly expires_at: string | null;
  /** When its next attempt, or its next delivery, is due. */
  readonly due_at: string | null;
  /** Runs that were begun, without those that did not happen. */
  readonly attempts: number;
  readonly max_attempts: number;
  /** Deliveries that were begun. */
  readonly deliveries: number;
  /** Host of the webhook; `null`: none. */
  readonly webhook_host: string | null;
  /** Name of the key that submitted it; `null`: none. */
  readonly key_name: string | null;
  readonly trace_id: string | null;
  /** At most 10. */
  readonly errors: readonly { readonly code: string; readonly message: string }[];
}

export interface AsyncListJson {
  /** The newest first. */
  readonly tasks: readonly AsyncTaskJson[];
  /** For the next page: `cursor={cursor}`. Left out on the last one. */
  readonly cursor?: string;
  /** Queued and running tasks of each configured deployment, also of those without any. */
  readonly depths: readonly {
    readonly deployment: string;
    readonly queued: number;
    readonly in_progress: number;
  }[];
}

/** One run, from its record. */
export interface AsyncRunJson {
  readonly place: string;
  readonly timestamp: string;
  readonly duration_ms: number;
  readonly status: number;
  readonly cause?: string;
  readonly replica?: string;
  /** Time in the queue before it; first run only. */
  readonly waited_ms?: number;
  readonly error?: string;
}

/** One try to deliver the result, from its span. */
export interface AsyncDeliveryJson {
  readonly place: string;
  readonly timestamp: string;
  readonly duration_ms: number;
  readonly attempt: number;
  /** `ok`, or the kind of failure in one word. */
  readonly result: string;
  /** Status of the receiver; left out without a response. */
  readonly status?: number;
  readonly host?: string;
  readonly error?: string;
}

export interface AsyncDetailJson {
  readonly task: AsyncTaskJson;
  /** The oldest first, at most 50. */
  readonly runs: readonly AsyncRunJson[];
  /** The oldest first, at most 50. Deliveries are recorded with `trace.enabled` only; `task.deliveries` counts all. */
  readonly delivery_tries: readonly AsyncDeliveryJson[];
  /** Place of the record of the submit; `null`: not recorded. */
  readonly submit_place: string | null;
}
