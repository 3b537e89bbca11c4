// docs/reference/events.md: every lifecycle event.
import { EVENTS } from '../../src/core/event-table.ts';
import { code, GENERATED, page, table } from '../markdown.ts';

/** Stands for a list among an event's facts: shows `{name}` when it is joined. */
const listNamed = (name: string) => ({ length: '{count}', join: () => `{${name}}` });

const LISTS: ReadonlySet<string> = new Set(['addresses', 'added', 'removed', 'problems']);

/** Facts of any event: each one is its own name in braces. What is optional and a list is absent. */
const placeholders = new Proxy(
  {},
  {
    get: (_, name) =>
      LISTS.has(String(name))
        ? listNamed(String(name))
        : name === 'take_a_restart'
          ? undefined
          : `{${String(name)}}`,
  },
);

const INTRO = `Each event is a record in the log store (\`kind:event\`, with the name in the attribute \`event\`) and a line in
weir's own log. Find them with \`weir logs -q 'kind:event event:replica_down'\`. Words in braces stand for values.

If an event is limited and repeats for the same replica, ten a minute are stored at once; then the latest one is
stored, with the number of those left out in \`suppressed\`.`;

/** The page. */
export const eventsPage = (): string =>
  page(
    '# Events',
    GENERATED,
    INTRO,
    table(
      ['event', 'level', 'limited', 'line in weir’s log', 'message'],
      Object.entries(EVENTS).map(([name, kind]) => [
        code(name),
        kind.level,
        kind.isLimited ? 'yes' : 'no',
        kind.line,
        (kind.message as (facts: object) => string)(placeholders),
      ]),
    ),
  );
