// Stores the lifecycle events of weir's log in the log store.
import type { LifecycleEvent } from '../core/events.ts';
import type { Logger } from '../core/logger.ts';
import { waitAtMost } from '../core/wait.ts';
import { SEVERITY, type LogRecord, type Logs } from '../telemetry/logs/logs.ts';

/** Longest wait for the last event to be stored, since a locked store must not delay the exit. */
const MAX_WAIT_MS = 2000;

/** Waits until all events so far are stored or lost, at most until `deadlineMs` (performance.now()). */
export type EventsStored = (deadlineMs: number) => Promise<void>;

/** `environmentOf`: id of a deployment → its current environment. */
export function recordEvents(
  log: Logger,
  logs: Logs,
  environmentOf: (deployment: string) => string,
): EventsStored {
  let last: Promise<unknown> = Promise.resolve();
  log.recorder = (event) => {
    const environment = event.deployment === '' ? '' : environmentOf(event.deployment);
    // `post` counts records that it cannot store.
    last = logs.post([eventRecord(event, environment)]);
  };
  return async (deadlineMs) => {
    await waitAtMost(Math.min(MAX_WAIT_MS, deadlineMs - performance.now()), last);
  };
}

const eventRecord = (event: LifecycleEvent, environment: string): LogRecord => ({
  seq: 0,
  kind: 'event',
  timeNs: BigInt(event.timeMs) * 1_000_000n,
  severity: SEVERITY[event.level],
  message: event.message,
  deployment: event.deployment,
  environment: event.environment ?? environment,
  replica: event.replica,
  source: 'weir',
  pod: '',
  modelId: '',
  requestId: '',
  traceId: '',
  spanId: '',
  parentSpanId: '',
  status: 0,
  durationNs: 0,
  attributes: JSON.stringify(event.attributes),
});
