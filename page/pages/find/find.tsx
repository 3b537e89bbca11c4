// /ui/id/{any}: asks weir what an id is and goes there. Shows a list if it is several things, and why if it is none.
// Invariant: with one answer the address of the thing replaces this one, so Back does not come here again.
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { FindJson } from '../../../src/control/admin/records/find-json.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { msOfNs, visibleLine } from '../../formats.ts';
import { me } from '../../me.ts';
import { Button, Time } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { Answered } from '../../parts/panel.tsx';
import { addressOf } from '../../routes.ts';
import { go, route } from '../../state.ts';
import { addressOfFound, KIND_NAMES } from './found-place.ts';
import { asQuery, idOf, oneOf, SHAPE_NAMES, shapesOf } from './id-shape.ts';
import './find.css';

export default function Find(): JSX.Element {
  const here = route.value;
  const id = idOf(here.page === 'find' ? here.id : '');
  const live = useAnswer<FindJson>(id === '' ? undefined : { path: '/v1/find', query: { id } }, {
    isKept: false,
  });
  const found = live.asked.value.value?.found;
  useEffect(() => {
    if (found?.length === 1 && route.peek().page === 'find') go(addressOfFound(found[0]!), true);
  }, [found]);
  return (
    <div class="findpage">
      <Answered live={live} words={`Looking up ${id}…`}>
        {(answer) =>
          answer.found.length > 1 ? (
            <Several answer={answer} />
          ) : answer.found.length === 0 ? (
            <Nothing id={id} answer={answer} onAgain={live.again} />
          ) : null
        }
      </Answered>
    </div>
  );
}

const Several = ({ answer }: { readonly answer: FindJson }): JSX.Element => (
  <section class="panel">
    <div class="ph">
      <h2>
        {answer.found.length} records have the id <code>{visibleLine(answer.id)}</code>
      </h2>
    </div>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>What</th>
            <th>Id</th>
            <th>Time</th>
            <th>Text</th>
          </tr>
        </thead>
        <tbody>
          {answer.found.map((one) => (
            <tr key={`${one.kind} ${one.id} ${one.place ?? ''}`}>
              <td>{KIND_NAMES[one.kind]}</td>
              <td>
                <a class="mono" href={addressOfFound(one)}>
                  {visibleLine(one.id)}
                </a>
              </td>
              <td>
                <Time ms={msOfNs(one.timestamp_ns)} />
              </td>
              <td>{visibleLine(one.text)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
    {answer.is_partial && <p class="hint pb">There may be more: not all records were read.</p>}
  </section>
);

const Nothing = ({
  id,
  answer,
  onAgain,
}: {
  readonly id: string;
  readonly answer: FindJson;
  readonly onAgain: () => void;
}): JSX.Element => {
  const store = me.value?.store;
  return (
    <div class="empty">
      <Icon name="search" />
      <h1>
        Nothing has the id <code>{visibleLine(id)}</code>
      </h1>
      <p>
        It was looked up as {oneOf(answer.tried.map((one) => SHAPE_NAMES[one]!))}.
        {shapesOf(id).every((shape) => shape === 'foreign') &&
          ' A request id of weir has 37 hex digits, a trace id 32, a span id 16; six or more of the last digits of a request id are enough.'}
      </p>
      {answer.searched_from !== undefined && (
        <p>
          Ends of request ids were searched back to <Time ms={Date.parse(answer.searched_from)} />.
        </p>
      )}
      {store === null ? (
        <p>
          This weir stores no records: <code>logs.capture</code> is off.
        </p>
      ) : (
        store?.oldest_ns != null && (
          <p>
            The oldest record is of <Time ms={msOfNs(store.oldest_ns)} />; older ones were deleted. A request
            is stored when it ends.
          </p>
        )
      )}
      <p class="row">
        <Button isSmall icon="refresh" onClick={onAgain}>
          Again
        </Button>
        <a class="btn sm" href={addressOf({ page: 'logs' }, { q: asQuery(id), since: '24h' })}>
          Search the text in Logs
        </a>
      </p>
    </div>
  );
};
