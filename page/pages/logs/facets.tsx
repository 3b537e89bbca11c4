// Facets: the most frequent values of some fields, which a click makes conditions of the query.
// Invariant: the counts of a facet ignore its own conditions; what is chosen is read from the text of the query.
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { grouped } from '../../formats.ts';
import { Button } from '../../parts/basics.tsx';
import { Drop, OptionList } from '../../parts/floating.tsx';
import { Icon, Shape, type ShapeName } from '../../parts/icons.tsx';
import { Loading } from '../../parts/panel.tsx';
import { chosenValues, withValue, withValues } from '../../parts/query-text.ts';
import { setParams, store, storedValue } from '../../state.ts';
import type { ApiQuery } from './question.ts';

interface FacetJson {
  readonly field: string;
  readonly values: readonly { readonly value: string; readonly count: number }[];
  readonly others: { readonly values: number; readonly count: number };
  readonly missing: number;
  readonly is_partial: boolean;
}

interface FacetsJson {
  readonly facets: readonly FacetJson[];
}

interface FieldsJson {
  readonly attributes: readonly { readonly name: string; readonly count: number }[];
}

/** Fields that are shown at first, their titles, and their names in queries. */
const USUAL: readonly (readonly [field: string, title: string])[] = [
  ['level', 'Level'],
  ['status', 'Status'],
  ['kind', 'Kind'],
  ['replica', 'Replica'],
  ['cause', 'Cause'],
];
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  level: ['level', 'severity', 'levelname'],
  status: ['status', 'statusCode'],
};

const namesOf = (field: string): readonly string[] => SYNONYMS[field] ?? [field];

const LEVEL_SHAPES: Readonly<Record<string, readonly [ShapeName, string]>> = {
  fatal: ['err', 'err'],
  error: ['err', 'err'],
  warn: ['warn', 'warn'],
  info: ['ok', 'dim'],
  debug: ['idle', 'dim'],
  trace: ['idle', 'dim'],
};

/** Levels are always shown, the gravest first. */
const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'];
const USUAL_LEVELS = new Set(['error', 'warn', 'info', 'debug']);

function levelCounts(facet: FacetJson | undefined): FacetJson['values'] {
  if (facet === undefined) return [];
  const counts = new Map(facet.values.map(({ value, count }) => [value.toLowerCase(), count]));
  return LEVELS.filter((level) => counts.has(level) || USUAL_LEVELS.has(level)).map((value) => ({
    value,
    count: counts.get(value) ?? 0,
  }));
}

const ADDED = 'facets';
const MOST_ADDED = 12;
const VALUES = 6;
/** How often they are counted anew while the list is live, in milliseconds. */
const LIVE_MS = 10_000;
/** Height of a value. */
const ROW_PX = 24;

const addedFields = (): readonly string[] =>
  (storedValue(ADDED) ?? '')
    .split(',')
    .filter((name) => name !== '')
    .slice(0, MOST_ADDED);

export const Facets = ({
  query,
  text,
  isLive,
}: {
  /** The question of the list. */
  readonly query: ApiQuery;
  /** The counts grow with the list. */
  readonly isLive: boolean;
  /** Text of the query. */
  readonly text: string;
}): JSX.Element => {
  const [added, setAdded] = useState(addedFields);
  const [find, setFind] = useState('');
  const change = (fields: readonly string[]): void => {
    setAdded(fields);
    store(ADDED, fields.length === 0 ? undefined : fields.join());
  };
  const fields = [...USUAL, ...added.map((name) => [name, name] as const)];
  const live = useAnswer<FacetsJson>(
    {
      path: '/v1/logs/facets',
      query: { ...query, fields: fields.map(([name]) => name).join(), top: VALUES },
    },
    { everyMs: isLive ? LIVE_MS : 0 },
  );
  const { value, error } = live.asked.value;
  const known = new Map(value?.facets.map((facet) => [facet.field, facet]));
  const wanted = find.toLowerCase();
  const shown = fields.filter(([name, title]) => `${name} ${title}`.toLowerCase().includes(wanted));
  return (
    <aside class="fac" aria-label="Facets">
      <div class="facfind">
        <input
          class="inp"
          type="search"
          aria-label="Find a field"
          placeholder="Find a field"
          value={find}
          onInput={(event) => setFind(event.currentTarget.value)}
        />
      </div>
      <Loading of={live} words="Counting…" />
      {error !== undefined && value === undefined && (
        <p class="facnote err" role="alert">
          {/* The list says what is wrong with the query. */}
          {error.status === 400 ? 'Not counted: the query has a problem.' : error.message}
          {error.status !== 400 && (
            <Button isSmall onClick={live.again}>
              Again
            </Button>
          )}
        </p>
      )}
      {value !== undefined &&
        shown.map(([name, title]) => (
          <Facet
            key={name}
            name={name}
            title={title}
            facet={known.get(name)}
            text={text}
            onRemove={added.includes(name) ? () => change(added.filter((one) => one !== name)) : undefined}
          />
        ))}
      {value !== undefined && (
        <AddField query={query} has={added} onAdd={(name) => change([...added, name].slice(-MOST_ADDED))} />
      )}
    </aside>
  );
};

const Facet = ({
  name,
  title,
  facet,
  text,
  onRemove,
}: {
  readonly name: string;
  readonly title: string;
  readonly facet: FacetJson | undefined;
  readonly text: string;
  readonly onRemove: (() => void) | undefined;
}): JSX.Element => {
  const [isFolded, setFolded] = useState(false);
  const names = namesOf(name);
  const { only, not } = chosenValues(text, names);
  const counts = name === 'level' ? levelCounts(facet) : (facet?.values ?? []);
  // What is chosen is shown even if nothing has it now.
  const extra = [...only, ...not].filter((one) => !counts.some(({ value }) => value === one));
  const rows = [...counts, ...extra.map((value) => ({ value, count: facet === undefined ? undefined : 0 }))];
  const further = facet?.others.values ?? 0;
  // A facet does not get smaller, so that those under it stay where they are.
  const height = useRef(0);
  height.current = Math.max(height.current, rows.length + (further > 0 ? 1 : 0), 1);
  const most = Math.max(1, ...counts.map(({ count }) => count));
  const choose = (value: string, event: MouseEvent | KeyboardEvent): void => {
    const next = event.altKey
      ? withValue(text, names, value, true)
      : event.ctrlKey || event.metaKey
        ? withValues(
            text,
            names,
            only.includes(value) ? only.filter((one) => one !== value) : [...only, value],
            not.filter((one) => one !== value),
          )
        : withValue(text, names, value, not.includes(value));
    setParams({ q: next });
  };
  return (
    <section>
      <h3>
        <button type="button" class="fold" aria-expanded={!isFolded} onClick={() => setFolded(!isFolded)}>
          <Icon name={isFolded ? 'right' : 'down'} isSmall />
          <span class="el">{title}</span>
        </button>
        {facet?.is_partial === true && (
          <span class="warn" title="Counting took too long: there are at least so many">
            at least
          </span>
        )}
        {onRemove !== undefined && (
          <Button kind="bare" isSmall icon="close" label={`Without the facet ${name}`} onClick={onRemove} />
        )}
      </h3>
      {!isFolded && (
        <ul style={{ minHeight: `${height.current * ROW_PX}px` }}>
          {rows.map(({ value, count }) => {
            const shape = name === 'level' ? LEVEL_SHAPES[value] : undefined;
            const isNot = not.includes(value);
            return (
              <li key={value}>
                <button
                  type="button"
                  role="checkbox"
                  class="facrow"
                  aria-checked={isNot ? 'mixed' : only.includes(value)}
                  aria-label={`${title} ${value}${isNot ? ', excluded' : ''}, ${count ?? 'unknown'} records`}
                  title={`${value}\nClick: only this. Ctrl click: this too. Alt click: not this.`}
                  data-field={name}
                  data-value={value}
                  onClick={(event) => choose(value, event)}
                  style={{ '--w': `${((count ?? 0) / most) * 100}%` }}
                >
                  <span class={only.includes(value) ? 'chk on' : isNot ? 'chk not' : 'chk'}>
                    {only.includes(value) && <Icon name="check" />}
                    {isNot && <Icon name="close" />}
                  </span>
                  <span class={name === 'level' || name === 'kind' || name === 'status' ? 'el' : 'el mono'}>
                    {shape !== undefined && (
                      <span class={`facshape ${shape[1]}`}>
                        <Shape name={shape[0]} />
                      </span>
                    )}
                    {value}
                  </span>
                  <span class="n num">{count === undefined ? '' : grouped(count)}</span>
                </button>
              </li>
            );
          })}
          {further > 0 && <li class="facnote dim">{further} more</li>}
          {rows.length === 0 && <li class="facnote dim">No record has it</li>}
        </ul>
      )}
    </section>
  );
};

const AddField = ({
  query,
  has,
  onAdd,
}: {
  readonly query: ApiQuery;
  readonly has: readonly string[];
  readonly onAdd: (name: string) => void;
}): JSX.Element => (
  <div class="facadd">
    <Drop label="Add a field" class="btn quiet sm" icon="plus" shown="Field from attributes">
      {(close) => (
        <AttributeList
          query={query}
          has={has}
          onAdd={(name) => {
            onAdd(name);
            close();
          }}
        />
      )}
    </Drop>
  </div>
);

/** Names of the attributes of newest records. */
export const AttributeList = ({
  query,
  has,
  onAdd,
}: {
  readonly query: ApiQuery;
  readonly has: readonly string[];
  readonly onAdd: (name: string) => void;
}): JSX.Element => {
  const live = useAnswer<FieldsJson>({ path: '/v1/logs/fields', query });
  const { value, error } = live.asked.value;
  const names = (value?.attributes ?? []).filter(({ name }) => !has.includes(name));
  return (
    <>
      <Loading of={live} words="Reading the names…" />
      {error !== undefined && <p class="facnote err">{error.message}</p>}
      {value !== undefined && (
        <OptionList
          label="Attributes"
          options={names.map(({ name, count }) => ({ value: name, note: grouped(count) }))}
          onChoose={onAdd}
        />
      )}
    </>
  );
};
