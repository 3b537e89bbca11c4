// Lifecycle events, found by searches at the admin server.
import { search, type Log } from './log-api.ts';
import { until } from './until.ts';

/** A record of kind `event`. */
export type EventLog = Log & {
  readonly level: string;
  readonly attributes: Readonly<Record<string, unknown>> & { readonly event: string };
};

/** The newest 1,000 events, oldest first. */
export const eventsOf = async (admin: { readonly url: string }): Promise<EventLog[]> =>
  (await search(admin, { kind: 'event', limit: '1000' })).logs.toReversed() as EventLog[];

/** Waits for the first event with this name that matches, and returns it. */
export function expectEvent(
  admin: { readonly url: string },
  name: string,
  matches: (event: EventLog) => boolean = () => true,
): Promise<EventLog> {
  return until(`the event ${name} is stored`, async () =>
    (await eventsOf(admin)).find((one) => one.attributes.event === name && matches(one)),
  );
}
