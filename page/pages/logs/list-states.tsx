// What the list says when it has no rows, or not all of them: loading, empty, first run, failed, partial.
// Invariant: rows that are there stay; each state says what can be done.
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { count, duration, grouped, text } from '../../formats.ts';
import { me } from '../../me.ts';
import { Button, Copy } from '../../parts/basics.tsx';
import { Failed, useElapsed } from '../../parts/panel.tsx';
import { rangeOf, spanMs, SPANS } from '../../parts/time-range.ts';
import { setRange } from '../../parts/toolbar.tsx';
import { isVisible, params, setParams } from '../../state.ts';
import type { LogList } from './log-list.ts';
import { filterQuery, questionOf } from './question.ts';

const QUIET_MS = 150;
const WORDS_MS = 1000;
/** How often a store without a record is looked at. */
const FIRST_MS = 2000;

interface HitsJson {
  readonly total: number;
}

/** The bar at the top of the list while it is read, and after a second what is read. */
const Reading = ({ list }: { readonly list: LogList }): JSX.Element | null => {
  const { isAsking, askedMs } = list.state.value;
  const elapsed = useElapsed(askedMs, isAsking);
  if (!isAsking || elapsed < QUIET_MS) return null;
  return (
    <div class="loading" role="status">
      {elapsed > WORDS_MS && (
        <p>
          Reading the records… <span class="num">{text(duration(elapsed))}</span>
          <Button kind="quiet" isSmall onClick={list.stop}>
            Stop <kbd>Esc</kbd>
          </Button>
        </p>
      )}
    </div>
  );
};

/** Two curl lines, until the first record is there. */
const FirstRun = ({ list }: { readonly list: LogList }): JSX.Element => {
  useEffect(() => {
    if (!isVisible.value) return undefined;
    const timer = setInterval(list.again, FIRST_MS);
    return () => clearInterval(timer);
  }, [isVisible.value]);
  const { origin } = location;
  const lines = [
    `curl ${origin}/v1/logs -H "Authorization: Bearer $WEIR_KEY" -H "Content-Type: text/plain" -d hello`,
    `curl "${origin}/v1/logs?limit=5" -H "Authorization: Bearer $WEIR_KEY"`,
  ];
  return (
    <div class="empty">
      <p class="strong">No record yet.</p>
      <p>
        Requests are recorded when they end, and lines as the replicas write them. A line of your own comes
        with the first of these, and the second reads it:
      </p>
      {lines.map((line) => (
        <p key={line} class="row">
          <code>{line}</code>
          <Copy text={line} label="Copy" />
        </p>
      ))}
      <p class="dim" role="status">
        Listening for the first one…
      </p>
    </div>
  );
};

const spanWords = (since: string | undefined): string => {
  const preset = SPANS.find(([span]) => span === since);
  if (since === undefined) return ', in the chosen time';
  return `, in the ${preset?.[1].toLowerCase() ?? `last ${since}`}`;
};

/** Nothing fits: what was asked, and what would find more. */
const NothingFound = (): JSX.Element => {
  const its = params.value;
  const range = rangeOf(its, Date.now());
  const spanNow = range.since === undefined ? range.toMs - range.fromMs : spanMs(range.since)!;
  const wider = SPANS.find(([, , ms]) => ms >= Math.max(spanNow * 6, 86_400_000)) ?? SPANS.at(-1)!;
  const longer = useAnswer<HitsJson>({
    path: '/v1/logs/hits',
    query: { ...filterQuery(its), since: wider[0], step: '1h' },
  });
  const { q: _text, ...others } = questionOf(its, Date.now());
  const all = useAnswer<HitsJson>(
    its['q'] === undefined ? undefined : { path: '/v1/logs/hits', query: { ...others, step: '1h' } },
  );
  const found = longer.asked.value.value?.total ?? 0;
  const without = all.asked.value.value?.total ?? 0;
  return (
    <div class="empty" role="status">
      <p class="strong">No record matches.</p>
      <p>
        {its['q'] === undefined ? 'All records' : <code>{its['q']}</code>}
        {its['env'] !== undefined && `, environment ${its['env']}`}
        {its['dep'] !== undefined && `, deployment ${its['dep']}`}
        {spanWords(range.since)}.
      </p>
      <p class="row">
        {found > 0 && (
          <Button isSmall onClick={() => setRange({ since: wider[0] })}>
            {wider[1]}: {text(count(found))} records
          </Button>
        )}
        {without > 0 && (
          <Button isSmall onClick={() => setParams({ q: undefined })}>
            Without the query: {text(count(without))} records
          </Button>
        )}
      </p>
    </div>
  );
};

/** What stands above the rows, or in their place. */
export const ListStates = ({ list }: { readonly list: LogList }): JSX.Element | null => {
  const { error, isAnswered, isPartial, next, isAsking } = list.state.value;
  void list.version.value;
  const rows = list.rows.count;
  const isEmpty = isAnswered && rows === 0 && error === undefined;
  return (
    <>
      <Reading list={list} />
      {error !== undefined && rows === 0 && <Failed error={error} onAgain={list.again} />}
      {error !== undefined && rows > 0 && (
        <div class="stale" role="alert">
          {error.message}. The list shows the result of the query before.
          <Button isSmall onClick={list.again}>
            Again
          </Button>
        </div>
      )}
      {isPartial && next !== undefined && !isAsking && (
        <div class="stale" role="status">
          Reading took too long and stopped after {grouped(rows)} {rows === 1 ? 'record' : 'records'}.
          <Button isSmall onClick={() => void list.goOn()}>
            Go on
          </Button>
        </div>
      )}
      {isEmpty && !isPartial && <EmptyList list={list} />}
    </>
  );
};

const EmptyList = ({ list }: { readonly list: LogList }): JSX.Element => {
  const isNew = me.value?.store != null && me.value.store.newest_seq === null;
  return isNew ? <FirstRun list={list} /> : <NothingFound />;
};
