// Timing, counts and status of an exporter.
// Invariant: the status is shown by the admin API and metrics, so it holds no secret.

/** All in milliseconds (docs/contracts/logs.md 3). */
export interface ExporterTiming {
  /** Time between two requests, if the second one is not full. */
  readonly interval: number;
  /** Time between two requests, if the second one is full. Leaves CPU time to the data plane. */
  readonly pace: number;
  /** Limit for one request. */
  readonly timeout: number;
  /** Shortest and longest wait before a retry. */
  readonly firstRetry: number;
  readonly lastRetry: number;
  /** Longest wait before a retry if the receiver rejects the sender. */
  readonly lockedRetry: number;
}
export const TIMING: ExporterTiming = {
  interval: 1000,
  pace: 20,
  timeout: 30_000,
  firstRetry: 1000,
  lastRetry: 60_000,
  lockedRetry: 5 * 60_000,
};

/** Counts since weir started. A change of the destination's settings keeps them. */
export interface ExporterCounts {
  sent: number;
  rejected: number;
  dropped: number;
  /** Requests by HTTP status; `none`: no response. */
  readonly requests: Map<string, number>;
}
export const newCounts = (): ExporterCounts => ({ sent: 0, rejected: 0, dropped: 0, requests: new Map() });

/** A response of a receiver. */
export interface ReceivedResponse {
  /** HTTP status. */
  readonly status: number;
  /** The begin of its body as text, at most 1 KiB, without header values of the destination. */
  readonly text: string;
  /** ISO 8601. */
  readonly at: string;
}

/** State of an exporter now. Times are ISO 8601, or empty. */
export interface ExporterStatus {
  /** `paused`: the receiver rejects the sender, for example because of an expired key. No record is given up. */
  readonly state: 'running' | 'retrying' | 'paused' | 'disabled' | 'failed';
  /** When the request that is being retried first failed. */
  readonly paused_since: string;
  readonly next_try_at: string;
  /** The same as `next_try_at`, for older clients. */
  readonly retry_at: string;
  /** Sequence number of the last record that is finished. */
  readonly cursor: number;
  /** Highest sequence number in the store at the last read. */
  readonly head: number;
  /** Stored records after the cursor. */
  readonly queue_records: number;
  /** Age of the oldest record that is not sent yet. */
  readonly lag_seconds: number;
  readonly sent: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly last_error: string;
  readonly last_error_at: string;
  readonly last_success_at: string;
  readonly last_response: ReceivedResponse | null;
}

/** Status of a destination that cannot be exported to. */
export const failedStatus = (
  { sent, rejected, dropped }: ExporterCounts,
  problem: string,
): ExporterStatus => ({
  state: 'failed',
  paused_since: '',
  next_try_at: '',
  retry_at: '',
  cursor: 0,
  head: 0,
  queue_records: 0,
  lag_seconds: 0,
  sent,
  rejected,
  dropped,
  last_error: problem,
  last_error_at: '',
  last_success_at: '',
  last_response: null,
});
