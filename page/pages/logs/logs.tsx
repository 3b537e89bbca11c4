// Logs: the query bar, counts over time, facets, and the list of records.
// Invariant: the address is the state; what was there stays until the new is there.
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { hasKey, returns } from '../../api/client.ts';
import { text as figureText, duration, grouped } from '../../formats.ts';
import { Button } from '../../parts/basics.tsx';
import { Query } from '../../parts/query.tsx';
import { RangeDrop, Scope } from '../../parts/toolbar.tsx';
import { params, setParams, status } from '../../state.ts';
import { attributesOfColumns, columnsOf } from './columns.ts';
import { Counts } from './counts.tsx';
import { Facets } from './facets.tsx';
import { ListStates } from './list-states.tsx';
import { RecordList, type ListHandle } from './list.tsx';
import { LogList } from './log-list.ts';
import { directionOf, questionOf } from './question.ts';
import { searchedText } from './searched-text.ts';
import { Selection } from './selection.ts';
import './logs.css';

const Page = (): JSX.Element => {
  const its = params.value;
  const { q = '' } = its;
  const list = useMemo(() => new LogList(), []);
  const selection = useMemo(() => new Selection(), []);
  const handle = useRef<ListHandle | undefined>(undefined);
  const [isFolded, setFolded] = useState(false);
  const [problems, setProblems] = useState(0);
  const columns = useMemo(() => columnsOf(its['cols']), [its['cols']]);
  const marked = useMemo(() => searchedText(q), [q]);
  const query = questionOf(its, Date.now());
  const direction = directionOf(its);
  const { q: _text, ...scope } = query;
  const attributes = attributesOfColumns(columns);
  const isFacetsShown = !isFolded;
  useEffect(
    () => void list.ask({ query, direction, attributes }),
    [JSON.stringify([query, direction, attributes]), hasKey.value, returns.value],
  );
  const { error, total, tookMs, isAnswered } = list.state.value;
  useEffect(() => {
    status.value =
      problems > 0
        ? `not asked: ${problems} ${problems === 1 ? 'problem' : 'problems'}`
        : isAnswered && error === undefined
          ? `${total === undefined ? '' : `${grouped(total.count)} `}found in ${figureText(duration(tookMs))}`
          : '';
  }, [problems, total, tookMs, isAnswered, error]);
  useEffect(() => () => void (status.value = ''), []);
  return (
    <div class={`lg${isFacetsShown ? '' : ' folded'}`}>
      <div class="tool">
        <Scope />
        <Query
          value={q}
          scope={scope}
          problems={error?.problems ?? []}
          onAsk={(text, isTyped) => setParams({ q: text }, isTyped)}
          onProblems={setProblems}
        />
        <RangeDrop />
      </div>
      <Counts list={list} rate={undefined} />
      {isFacetsShown ? (
        <Facets query={query} text={q} />
      ) : (
        <aside class="fac facrail" aria-label="Facets">
          <Button kind="bare" icon="filter" label="Facets (f)" onClick={() => setFolded(false)} />
          <span>Facets</span>
        </aside>
      )}
      <section class="list" aria-label="Records">
        <ListStates list={list} />
        <RecordList
          list={list}
          columns={columns}
          selection={selection}
          marked={marked}
          isNewestFirst={direction === 'desc'}
          onDirection={() => setParams({ dir: direction === 'desc' ? 'asc' : undefined })}
          onToggle={(index) => (selection.open.value = selection.open.peek() === index ? -1 : index)}
          onScroll={() => undefined}
          detail={(record) => <pre>{record.message}</pre>}
          columnMenu={null}
          handle={handle}
        />
      </section>
    </div>
  );
};
export default Page;
