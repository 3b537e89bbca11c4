// Logs: the query bar, counts over time, facets, and the list of records.
// Invariant: the address is the state; what was there stays until the new is there.
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { hasKey, returns } from '../../api/client.ts';
import { Query } from '../../parts/query.tsx';
import { RangeDrop, Scope } from '../../parts/toolbar.tsx';
import { params, setParams } from '../../state.ts';
import { attributesOfColumns, columnsOf } from './columns.ts';
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
  const columns = useMemo(() => columnsOf(its['cols']), [its['cols']]);
  const marked = useMemo(() => searchedText(q), [q]);
  const query = questionOf(its, Date.now());
  const direction = directionOf(its);
  const { q: _text, ...scope } = query;
  const attributes = attributesOfColumns(columns);
  useEffect(
    () => void list.ask({ query, direction, attributes }),
    [JSON.stringify([query, direction, attributes]), hasKey.value, returns.value],
  );
  return (
    <div class="lg">
      <div class="tool">
        <Scope />
        <Query value={q} scope={scope} onAsk={(text, isTyped) => setParams({ q: text }, isTyped)} />
        <RangeDrop />
      </div>
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
