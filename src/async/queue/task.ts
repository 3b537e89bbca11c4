// A task: one asynchronous request, from its 201 to the end of its retention.
// Invariant: these are all phases and transitions of a task.
//
//   waiting ─claim─► running ─finish─► outbox ─claim─► sending ─► done ─(retention)─► gone
//    │ ▲ ▲              │ └─ no webhook ──────────────────────────► done
//    │ │ └─ resting ◄───┘ failed, to be retried (due later)
//    │ └── requeued: the process stopped or crashed during the run
//    ├── cancel ─► done (CANCELED)          sending ─ failed, to be retried ─► outbox (due later)
//    └── its time in the queue is exceeded ─► done (EXPIRED)
//
// The states that clients see: docs/contracts/serving.md 2.2 and 2.3.

export type TaskPhase = 'waiting' | 'running' | 'resting' | 'outbox' | 'sending' | 'done';

/** Contract 2.3, `status`. */
export const TASK_STATES = [
  'QUEUED',
  'IN_PROGRESS',
  'SUCCEEDED',
  'FAILED',
  'EXPIRED',
  'CANCELED',
  'WEBHOOK_FAILED',
] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** Contract 2.3, `webhook_status`. */
export type WebhookStatus = 'PENDING' | 'SUCCEEDED' | 'FAILED' | 'CANCELED' | 'NO_WEBHOOK_PROVIDED';

/** Contract 2.6. */
export interface TaskError {
  readonly code: string;
  readonly message: string;
}

/** Contract 2.1, `inference_retry_config`. `max_attempts` includes the first attempt. */
export interface RetryConfig {
  readonly max_attempts: number;
  readonly initial_delay_ms: number;
  readonly max_delay_ms: number;
}

/** A submitted task. Times are milliseconds since the epoch. */
export interface NewTask {
  readonly id: string;
  readonly deployment: string;
  /** `model_input` as JSON text. It may have no lone surrogates, since it is stored as UTF-8. */
  readonly input: string;
  /** 0 runs first, 2 last. */
  readonly priority: number;
  readonly createdMs: number;
  /** When its time in the queue ends. */
  readonly expiresMs: number;
  readonly retry: RetryConfig;
  /** URL that receives the result; '' for none. */
  readonly webhook: string;
  /** The client's key, with the scope in which it is unique; '' for none. */
  readonly idempotencyKey: string;
  /** Digest of the body, which tells a repeated submit from another body with the same key. */
  readonly digest: string;
  /** `traceparent` of the submit, for its runs and its delivery; '' for none. */
  readonly traceparent: string;
  /** The log store must not keep its bodies. */
  readonly isPrivate: boolean;
  /** Name of the key with which it was submitted; '' for none. Its runs are charged to it. */
  readonly client: string;
}

/** A task as clients see it. */
export interface TaskStatus {
  readonly id: string;
  readonly deployment: string;
  readonly status: TaskState;
  readonly webhookStatus: WebhookStatus;
  readonly createdMs: number;
  readonly statusMs: number;
  readonly errors: readonly TaskError[];
}

/** A task as operators see it. */
export interface TaskFacts extends TaskStatus {
  readonly phase: TaskPhase;
  readonly priority: number;
  /** Runs that were begun, without those that were given back. */
  readonly attempts: number;
  readonly maxAttempts: number;
  /** Deliveries that were begun. */
  readonly deliveries: number;
  /** When its time in the queue ends; `undefined` once it has run or ended. */
  readonly expiresMs: number | undefined;
  /** When its next attempt or delivery is due; `undefined` if it waits for none. */
  readonly dueMs: number | undefined;
  /** URL that receives the result; '' for none. */
  readonly webhook: string;
  readonly client: string;
  readonly traceparent: string;
}

/** The queued task that expires first. Times are milliseconds since the epoch. */
export interface NextToExpire {
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** Selects tasks for `TaskStore.list`. */
export interface TaskQuery {
  /** '' for all. */
  readonly deployment: string;
  /** Empty for all. */
  readonly states: readonly TaskState[];
  /** `next` of the page before; '' for the first page. */
  readonly after: string;
  /** Maximum number of tasks on the page. */
  readonly limit: number;
}

/** Tasks, the newest first. */
export interface TaskPage {
  readonly tasks: readonly TaskFacts[];
  /** Where the next page begins; '' on the last one. A page before the last one may be empty. */
  readonly next: string;
}

/** True if a query selects a task. */
export const isSelected = ({ deployment, states }: TaskQuery, task: TaskFacts): boolean =>
  (deployment === '' || task.deployment === deployment) &&
  (states.length === 0 || states.includes(task.status));

/** A task claimed by a worker. */
export interface ClaimedTask {
  readonly id: string;
  readonly deployment: string;
  /** `model_input` as JSON text in UTF-8. */
  readonly input: Uint8Array;
  /** Including this run. */
  readonly attempts: number;
  readonly createdMs: number;
  readonly retry: RetryConfig;
  readonly hasWebhook: boolean;
  readonly traceparent: string;
  readonly isPrivate: boolean;
  readonly client: string;
}

/** Stored response of the model. */
export interface TaskResult {
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Final result of running a task. */
export interface TaskEnding {
  readonly status: 'SUCCEEDED' | 'FAILED';
  readonly errors: readonly TaskError[];
  readonly result: TaskResult | undefined;
  /** Keep the result for clients after its delivery. */
  readonly keepResult: boolean;
}

/** A result claimed for delivery. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly deployment: string;
  readonly url: string;
  readonly status: 'SUCCEEDED' | 'FAILED';
  readonly errors: readonly TaskError[];
  readonly result: TaskResult | undefined;
  /** Including this delivery. */
  readonly attempts: number;
  readonly traceparent: string;
}

/** Result of a cancel; `undefined` for an unknown id. */
export type CancelResult = { readonly isCanceled: boolean; readonly status: TaskState } | undefined;

/** Tasks of one deployment. `queued`: have not run yet. `inProgress`: run, or wait for another attempt. */
export interface QueueDepth {
  readonly queued: number;
  readonly inProgress: number;
}

/** State of a task in a phase. A task is IN_PROGRESS from its first attempt to its end. */
export const statusIn = (phase: 'waiting' | 'running' | 'resting', attempts: number): TaskState =>
  phase === 'waiting' && attempts === 0 ? 'QUEUED' : 'IN_PROGRESS';
