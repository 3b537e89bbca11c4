// A task: one asynchronous request from its 201 to the end of its retention.
// Must stay true: the states, and who may move a task from one to the next, are these and no others.
//
//   waiting ─claim─► running ─finish─► outbox ─claim─► sending ─► done ─(retention)─► gone
//    │ ▲ ▲              │ └─ no webhook ──────────────────────────► done
//    │ │ └─ resting ◄───┘ failed, to be tried again (due later)
//    │ └── given back: the process ended before the run did, or was killed
//    ├── cancel ─► done (CANCELED)          sending ─ failed, once more ─► outbox (due later)
//    └── its time in the queue is over ─► done (EXPIRED)
//
// What a client sees of that: contracts/baseten.md 2.2 and 2.3.

export type TaskPhase = 'waiting' | 'running' | 'resting' | 'outbox' | 'sending' | 'done';

/** Contract 2.3, `status`. */
export type TaskState =
  'QUEUED' | 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'EXPIRED' | 'CANCELED' | 'WEBHOOK_FAILED';

/** Contract 2.3, `webhook_status`. */
export type WebhookStatus = 'PENDING' | 'SUCCEEDED' | 'FAILED' | 'CANCELED' | 'NO_WEBHOOK_PROVIDED';

/** Contract 2.6. */
export interface TaskError {
  readonly code: string;
  readonly message: string;
}

/** Contract 2.1, `inference_retry_config`; `max_attempts` counts the first one. */
export interface RetryConfig {
  readonly max_attempts: number;
  readonly initial_delay_ms: number;
  readonly max_delay_ms: number;
}

/** A task as it is submitted. Times are milliseconds since 1970. */
export interface NewTask {
  readonly id: string;
  readonly deployment: string;
  /** `model_input` as JSON text. */
  readonly input: Uint8Array;
  /** 0 first, 2 last. */
  readonly priority: number;
  readonly createdMs: number;
  /** When its time in the queue is over. */
  readonly expiresMs: number;
  readonly retry: RetryConfig;
  /** Where its result is to be posted; empty: nowhere. */
  readonly webhook: string;
  /** What the client named it, within what it is unique in; empty: none. */
  readonly idempotencyKey: string;
  /** Of the body: tells a repeated submit from another one with the same key. */
  readonly digest: string;
  /** The submit's `traceparent`, for its runs and its delivery; empty: none. */
  readonly traceparent: string;
  /** Its bodies are not to be kept in the record of what happened. */
  readonly isPrivate: boolean;
}

/** What a client may know of a task. */
export interface TaskStatus {
  readonly id: string;
  readonly deployment: string;
  readonly status: TaskState;
  readonly webhookStatus: WebhookStatus;
  readonly createdMs: number;
  readonly statusMs: number;
  readonly errors: readonly TaskError[];
}

/** A task that is to be run now. */
export interface ClaimedTask {
  readonly id: string;
  readonly deployment: string;
  readonly input: Uint8Array;
  /** This run included. */
  readonly attempts: number;
  readonly createdMs: number;
  readonly retry: RetryConfig;
  readonly hasWebhook: boolean;
  readonly traceparent: string;
  readonly isPrivate: boolean;
}

/** The model's answer, as far as it is kept. */
export interface TaskResult {
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** How the running of a task has ended for good. */
export interface TaskEnding {
  readonly status: 'SUCCEEDED' | 'FAILED';
  readonly errors: readonly TaskError[];
  readonly result: TaskResult | undefined;
  /** Keep the result for who asks, beyond its delivery. */
  readonly keepResult: boolean;
}

/** A result that is to be delivered now. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly deployment: string;
  readonly url: string;
  readonly status: 'SUCCEEDED' | 'FAILED';
  readonly errors: readonly TaskError[];
  readonly result: TaskResult | undefined;
  /** This one included. */
  readonly attempts: number;
  readonly traceparent: string;
}

/** What a cancel came to; `undefined` for an id that nobody knows. */
export type CancelResult = { readonly isCanceled: boolean; readonly status: TaskState } | undefined;

/** Tasks of one deployment. `queued` can still be cancelled or wait for another run; `running` counts rests too. */
export interface QueueDepth {
  readonly queued: number;
  readonly inProgress: number;
}

/** The status of a task in a phase; what has been tried once is in progress until it ends. */
export const statusIn = (phase: 'waiting' | 'running' | 'resting', attempts: number): TaskState =>
  phase === 'waiting' && attempts === 0 ? 'QUEUED' : 'IN_PROGRESS';
