// Logs: the query bar, counts over time, facets, and the list of records.
// Invariant: the address is the state; what was there stays until the new is there.
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { hasKey, returns } from '../../api/client.ts';
import { copyLink } from '../../commands.ts';
import { text as figureText, duration, grouped } from '../../formats.ts';
import { Button, Pill } from '../../parts/basics.tsx';
import { toast } from '../../parts/floating.tsx';
import { Query } from '../../parts/query.tsx';
import { RangeDrop, Scope } from '../../parts/toolbar.tsx';
import { kept, params, setParams, status } from '../../state.ts';
import { ColumnMenu, keptColumns } from './column-menu.tsx';
import { attributesOfColumns, columnsOf } from './columns.ts';
import { ContextPanel } from './context.tsx';
import { Counts } from './counts.tsx';
import { Detail } from './detail.tsx';
import { DownloadMenu } from './download.tsx';
import { running } from './downloads.ts';
import { Facets } from './facets.tsx';
import { isGap, isRecord } from './held-rows.ts';
import { ListStates } from './list-states.tsx';
import { RecordList, useNarrow, type ListHandle } from './list.tsx';
import { LiveBar } from './live-bar.tsx';
import { LiveTail } from './live.ts';
import { LogList } from './log-list.ts';
import { useLogsKeys } from './logs-keys.ts';
import { PinnedDetail } from './pinned-detail.tsx';
import { directionOf, questionOf, seqOf } from './question.ts';
import { searchedText } from './searched-text.ts';
import { Selection } from './selection.ts';
import { ViewMenu } from './views.tsx';
import './logs.css';

/** Why the live list must not move now; '': it may. */
function holdReason(handle: ListHandle | undefined, selection: Selection): string {
  if (handle === undefined) return 'The list is not shown';
  if (selection.open.peek() !== -1) return 'Details are open';
  if (!handle.isAtTop()) return 'You scrolled';
  if (selection.at.peek() > 0 || selection.from !== selection.to) return 'A row is chosen';
  if (handle.hasSelection()) return 'Text is selected';
  return document.querySelector(':popover-open, dialog[open]') === null ? '' : 'A menu is open';
}

/** Narrower windows begin with folded facets. */
const WIDE_PX = 1200;

/** Columns that give room to the context. */
const LEFT_OUT_BESIDE = new Set(['ttfb', 'tokens']);

const Page = (): JSX.Element => {
  const its = params.value;
  const { q = '', ctx, kind } = its;
  const handle = useRef<ListHandle | undefined>(undefined);
  const { list, selection, tail } = useMemo(() => {
    const list = new LogList();
    const selection = new Selection();
    const tail = new LiveTail({
      list,
      holdReason: () => holdReason(handle.current, selection),
      onAdded: (count) => {
        handle.current?.prepended(count, false);
        // The list is no longer empty.
        if (list.rows.count === count) list.version.value++;
      },
    });
    return { list, selection, tail };
  }, []);
  const seenKept = useRef<unknown>(undefined);
  const isNarrow = useNarrow();
  const [isFolded, setFolded] = useState(() => innerWidth < WIDE_PX);
  const [problems, setProblems] = useState(0);
  const cols = its['cols'] ?? keptColumns();
  const isBeside = ctx !== undefined;
  const columns = useMemo(
    () => columnsOf(cols).filter(({ id }) => !isBeside || !LEFT_OUT_BESIDE.has(id)),
    [cols, isBeside],
  );
  const marked = useMemo(() => searchedText(q), [q]);
  const query = questionOf(its, Date.now());
  const direction = directionOf(its);
  const isLive = its['live'] !== undefined && direction === 'desc';
  const { q: _text, ...scope } = query;
  const question = { query, direction, attributes: attributesOfColumns(columns) };
  const key = JSON.stringify([question, isLive]);

  // Before the effects of facets and counts, since the rows are what one waits for.
  useLayoutEffect(() => {
    if (isLive) {
      void tail.start(question);
      return () => tail.stop();
    }
    // What was kept is of use once, at the return to its entry; a question that is typed anew is asked anew.
    const isReturn = kept.peek() !== seenKept.current;
    seenKept.current = kept.peek();
    const rows = isReturn ? kept.peek()['rows'] : undefined;
    if (typeof rows === 'number' && list.recall(question)) return undefined;
    void list.ask(question, typeof rows === 'number' ? rows : undefined);
    return undefined;
    // The tail goes on by itself when weir is back, from where it was.
  }, [key, hasKey.value, isLive ? 0 : returns.value]);
  useEffect(() => () => list.leave(), []);

  // The open record of the address, among the rows that are there.
  const openSeq = seqOf(its['open']);
  void list.version.value;
  const openRow = list.rows.at(selection.open.value);
  const isFound = openSeq !== undefined && isRecord(openRow) && openRow.seq === openSeq;
  const openIndex = openSeq === undefined ? -1 : isFound ? selection.open.value : list.rows.indexOf(openSeq);
  useEffect(() => {
    selection.open.value = openIndex;
    if (openIndex !== -1 && selection.at.peek() === -1) selection.choose(openIndex);
  }, [openIndex]);
  useEffect(() => {
    selection.at.value = -1;
    selection.anchor.value = -1;
  }, [list.generation.value]);

  const onToggle = (index: number): void => {
    const row = list.rows.at(index);
    if (isGap(row))
      return void tail.load(row).then((error) => error && toast(error.message, { isError: true }));
    if (!isRecord(row)) return undefined;
    return setParams({ open: row.seq === seqOf(params.peek()['open']) ? undefined : String(row.seq) });
  };
  const onCatchUp = (): void => {
    if (params.peek()['open'] !== undefined) setParams({ open: undefined }, true);
    selection.clear();
    getSelection()?.removeAllRanges();
    handle.current?.toTop();
    tail.look();
  };
  const onLive = (): void =>
    isLive
      ? setParams({ live: undefined })
      : setParams({ live: '1', dir: undefined, start: undefined, end: undefined, open: undefined });
  const isRail = isFolded || isBeside;
  useLogsKeys({
    list,
    selection,
    handle,
    columns,
    isLive,
    onToggle,
    onCatchUp,
    onFacets: () => setFolded(!isFolded),
    onLive,
    onAgain: () => (isLive ? void tail.start(question) : list.again()),
  });

  const { error, total, tookMs, isAnswered } = list.state.value;
  const live = tail.state.value;
  const job = running();
  useEffect(() => {
    const part =
      job?.progress && Math.round((100 * job.progress.rows) / Math.max(1, job.progress.total.count));
    const words = [
      job === undefined ? '' : `↓ ${part ?? 0} % ${job.name}`,
      problems > 0 ? `not asked: ${problems} ${problems === 1 ? 'problem' : 'problems'}` : '',
      live.leftOut > 0 ? `left out ${grouped(live.leftOut)}` : '',
      isAnswered && error === undefined && live.phase === 'off'
        ? `${total === undefined ? '' : `${grouped(total.count)} `}found in ${figureText(duration(tookMs))}`
        : '',
    ];
    status.value = words.filter((one) => one !== '').join(' · ');
  }, [problems, total, tookMs, isAnswered, error, live.leftOut, live.phase, job]);
  useEffect(() => () => void (status.value = ''), []);

  return (
    <div class={`lg${isBeside ? ' beside' : isRail ? ' folded' : ''}`}>
      <div class="tool">
        <Scope />
        {kind !== undefined && (
          <Pill tone="acc">
            kind {kind}
            <Button
              kind="bare"
              isSmall
              icon="close"
              label={`All kinds, not only ${kind}`}
              onClick={() => setParams({ kind: undefined })}
            />
          </Pill>
        )}
        <Query
          value={q}
          scope={scope}
          problems={error?.problems ?? []}
          onAsk={(text, isTyped) => setParams({ q: text }, isTyped)}
          onProblems={setProblems}
        />
        <RangeDrop />
        <Button icon={isLive ? 'pause' : 'play'} isOn={isLive} label="Live (Space)" onClick={onLive}>
          Live
        </Button>
        <DownloadMenu query={query} direction={direction} columns={columns} total={total} />
        <ViewMenu />
        <Button
          kind="bare"
          icon="link"
          label="Copy a link with absolute times (Shift L)"
          onClick={copyLink}
        />
      </div>
      <Counts
        list={list}
        rate={
          isLive && live.phase !== 'off'
            ? { perSecond: live.perSecond, count: live.count, sinceMs: live.sinceMs }
            : undefined
        }
      />
      {isRail || isNarrow ? (
        <aside class="fac facrail" aria-label="Facets">
          <Button
            kind="bare"
            icon="filter"
            label="Facets (f)"
            off={isBeside ? 'Close the context to see the facets' : undefined}
            onClick={() => setFolded(false)}
          />
          <span>Facets</span>
        </aside>
      ) : (
        <Facets query={query} text={q} isLive={isLive} />
      )}
      <section class="list" aria-label="Records">
        <LiveBar
          tail={tail}
          onCatchUp={onCatchUp}
          onStop={onLive}
          onAgain={() => void tail.start(question)}
        />
        <ListStates list={list} />
        {openSeq !== undefined && isAnswered && openIndex === -1 && (
          <PinnedDetail
            seq={openSeq}
            marked={marked}
            onContext={() => setParams({ ctx: String(openSeq) })}
            onClose={() => setParams({ open: undefined })}
          />
        )}
        <RecordList
          list={list}
          columns={columns}
          selection={selection}
          marked={marked}
          isNewestFirst={direction === 'desc'}
          onDirection={() => setParams({ dir: direction === 'desc' ? 'asc' : undefined, live: undefined })}
          onToggle={onToggle}
          onScroll={() => isLive && tail.look()}
          detail={(record) => (
            <Detail
              key={record.seq}
              record={record}
              marked={marked}
              onContext={() => setParams({ ctx: String(record.seq) })}
              onClose={() => setParams({ open: undefined })}
            />
          )}
          columnMenu={<ColumnMenu columns={columns} query={query} />}
          handle={handle}
        />
      </section>
      {isBeside && seqOf(ctx) !== undefined && <ContextPanel seq={seqOf(ctx)!} />}
    </div>
  );
};
export default Page;
