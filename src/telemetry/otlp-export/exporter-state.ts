// How a destination is doing, and what it has come to.
// Must stay true: what is here is shown to people and to Prometheus, and holds no secret.

/** In milliseconds (contracts/logplane.md C3). */
export interface ExporterTiming {
  /** A request that is not full waits so long after the one before. */
  readonly interval: number;
  /** A full request, after the one before: who has much to catch up leaves time to those who are served. */
  readonly pace: number;
  readonly timeout: number;
  readonly firstRetry: number;
  readonly lastRetry: number;
  /** The longest wait for a receiver that takes nothing from us as we are. */
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

/** What a destination has come to in the life of the process; outlives changes of its settings. */
export interface ExporterCounts {
  sent: number;
  rejected: number;
  dropped: number;
  /** Requests by status; `none`: without an answer. */
  readonly requests: Map<string, number>;
}
export const newCounts = (): ExporterCounts => ({ sent: 0, rejected: 0, dropped: 0, requests: new Map() });

/** How it goes, at this moment. Times are ISO 8601, empty where there is none. */
export interface ExporterStatus {
  /** `paused`: the receiver refuses whoever sends, such as with a key that has expired; nothing is given up. */
  readonly state: 'running' | 'retrying' | 'paused' | 'disabled' | 'failed';
  readonly retry_at: string;
  /** Seq of the last record that is done with. */
  readonly cursor: number;
  /** Seq of the newest record, as far as was looked. */
  readonly head: number;
  /** Stored records that it has still to look at. */
  readonly queue_records: number;
  /** Age of the oldest record that is still to be sent. */
  readonly lag_seconds: number;
  readonly sent: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly last_error: string;
  readonly last_error_at: string;
  readonly last_success_at: string;
}

/** Of one that cannot be sent to at all. */
export const failedStatus = (
  { sent, rejected, dropped }: ExporterCounts,
  problem: string,
): ExporterStatus => ({
  state: 'failed',
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
});
