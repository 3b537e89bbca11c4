// The menu of columns: which are shown, in which order, and further ones of attributes.
// Invariant: columns that are not the usual ones are in the address; those that were chosen last are kept in this browser.
import type { JSX } from 'preact';
import { Button } from '../../parts/basics.tsx';
import { Drop } from '../../parts/floating.tsx';
import { setParams, store, storedValue } from '../../state.ts';
import { COLUMNS, columnsOf, DEFAULT_COLUMNS, type Column } from './columns.ts';
import { AttributeList } from './facets.tsx';
import type { ApiQuery } from './question.ts';

const KEPT = 'columns';

/** Columns of a list whose address names none. */
export const keptColumns = (): string => storedValue(KEPT) ?? DEFAULT_COLUMNS;

/** Shows these columns. */
function show(columns: readonly Column[]): void {
  const cols = columns.map(({ id }) => id).join();
  const isUsual = cols === DEFAULT_COLUMNS;
  store(KEPT, isUsual ? undefined : cols);
  setParams({ cols: isUsual ? undefined : cols }, true);
}

export const ColumnMenu = ({
  columns,
  query,
}: {
  readonly columns: readonly Column[];
  readonly query: ApiQuery;
}): JSX.Element => {
  const shown = new Set(columns.map(({ id }) => id));
  const others = COLUMNS.filter(({ id }) => !shown.has(id));
  const move = (index: number, by: number): void => {
    const next = [...columns];
    const [one] = next.splice(index, 1);
    next.splice(index + by, 0, one!);
    show(next);
  };
  return (
    <Drop label="Columns" icon="columns" class="ib" isRight>
      {() => (
        <div class="colmenu">
          <p class="lbl">Columns</p>
          <ul>
            {columns.map(({ id, title }, i) => (
              <li key={id}>
                <label class="row grow">
                  <input
                    type="checkbox"
                    checked
                    disabled={columns.length === 1}
                    onChange={() => show(columns.filter((one) => one.id !== id))}
                  />
                  <span class="el">{title}</span>
                </label>
                <Button
                  kind="bare"
                  icon="up"
                  label={`${title}: further left`}
                  off={i === 0 ? 'It is the first' : undefined}
                  onClick={() => move(i, -1)}
                />
                <Button
                  kind="bare"
                  icon="down"
                  label={`${title}: further right`}
                  off={i === columns.length - 1 ? 'It is the last' : undefined}
                  onClick={() => move(i, 1)}
                />
              </li>
            ))}
            {others.map((one) => (
              <li key={one.id}>
                <label class="row grow">
                  <input
                    type="checkbox"
                    checked={false}
                    onChange={() => show(withBeforeMessage(columns, one))}
                  />
                  <span class="el">{one.title}</span>
                </label>
              </li>
            ))}
          </ul>
          <Button isSmall onClick={() => show(columnsOf(undefined))}>
            The usual columns
          </Button>
          <p class="lbl">Attributes of the newest records</p>
          <AttributeList
            query={query}
            has={[...shown]}
            onAdd={(path) => show(withBeforeMessage(columns, columnsOf(path)[0]!))}
          />
        </div>
      )}
    </Drop>
  );
};

/** A further column stands before the message, which takes what is left. */
function withBeforeMessage(columns: readonly Column[], one: Column): readonly Column[] {
  const at = columns.findIndex(({ id }) => id === 'message');
  return at === -1 ? [...columns, one] : [...columns.slice(0, at), one, ...columns.slice(at)];
}
