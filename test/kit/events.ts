// Lifecycle events, from the search of weir's admin door.
import { search, type Log } from './record.ts';
import { until } from './until.ts';

/** A record of kind `event`. */
export type EventLog = Log & {
  readonly level: string;
  readonly attributes: Readonly<Record<string, unknown>> & { readonly event: string };
};

/** The latest 1,000 events, the oldest first. */
export const eventsOf = async (door: { readonly url: string }): Promise<EventLog[]> =>
  (await search(door, { kind: 'event', limit: '1000' })).logs.toReversed() as EventLog[];

/** Waits for the first event with this name that matches. */
export function expectEvent(
  door: { readonly url: string },
  name: string,
  fits: (event: EventLog) => boolean = () => true,
): Promise<EventLog> {
  return until(`the event ${name} is stored`, async () =>
    (await eventsOf(door)).find((one) => one.attributes.event === name && fits(one)),
  );
}
