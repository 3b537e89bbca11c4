// Lifecycle events in the form that the log store accepts. `Logger.event` writes them to weir's own log, too.
// Invariant: an event has the level and the message of its row in event-table.ts.
import { EVENTS, type EventKind, type EventSubject } from './event-table.ts';
import type { LogLevel } from './logger.ts';

export type EventName = keyof typeof EVENTS;

/** The facts of an event. */
export type FactsOf<N extends EventName> = Parameters<(typeof EVENTS)[N]['message']>[0];

/** An event in the form that the log store accepts. */
export interface LifecycleEvent extends Required<Omit<EventSubject, 'environment'>> {
  readonly name: EventName;
  readonly level: LogLevel;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly message: string;
  /** `undefined`: the current environment of the deployment. */
  readonly environment: string | undefined;
  /** All other facts. `suppressed`: number of earlier events of this name and subject that were left out. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Makes an event. `suppressed`: number of earlier events of this name and subject that were left out. */
export function lifecycleEvent(
  name: EventName,
  facts: EventSubject & object,
  timeMs: number,
  suppressed: number,
): LifecycleEvent {
  const { deployment = '', environment, replica = '', ...others } = facts;
  const of = EVENTS[name] as EventKind<EventSubject>;
  return {
    name,
    level: of.level,
    timeMs,
    message: `${of.message(facts)}${suppressed > 0 ? ` (${suppressed} earlier events like this one were left out)` : ''}`,
    deployment,
    environment,
    replica,
    attributes: { event: name, ...others, ...(suppressed > 0 && { suppressed }) },
  };
}
