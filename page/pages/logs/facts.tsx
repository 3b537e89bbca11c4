// Facts of a record as a list of names and values, each with buttons that make it a condition of the query.
// Invariant: a value is shown whole; an object is shown by the paths of its members.
import type { JSX } from 'preact';
import { visible } from '../../formats.ts';
import { Copy } from '../../parts/basics.tsx';
import { withValue } from '../../parts/query-text.ts';
import { params, setParams } from '../../state.ts';

/** Sets a condition: only this value, or not this value. */
export function filterBy(field: string, value: string, isNot: boolean): void {
  setParams({ q: withValue(params.peek()['q'] ?? '', [field], value, isNot) });
}

export interface Fact {
  readonly name: string;
  readonly value: string;
  /** Field of the query; '' if it is none. */
  readonly field: string;
  /** What the value means. */
  readonly note?: string;
}

export const Facts = ({ facts }: { readonly facts: readonly Fact[] }): JSX.Element => (
  <dl class="kv">
    {facts.map(({ name, value, field, note }) => (
      <div key={name} class="kvr" data-field={field || undefined} data-value={value}>
        <dt class="el" title={name}>
          {name}
        </dt>
        <dd>
          <span class="kvv">{visible(value)}</span>
          {note !== undefined && note !== '' && <span class="kvn">{note}</span>}
          <span class="kva">
            {field !== '' && value.length <= 256 && (
              <>
                <button
                  type="button"
                  class="vb"
                  title="Only this value (=)"
                  aria-label={`Only ${name} ${value}`}
                  onClick={() => filterBy(field, value, false)}
                >
                  =
                </button>
                <button
                  type="button"
                  class="vb"
                  title="Not this value (-)"
                  aria-label={`Not ${name} ${value}`}
                  onClick={() => filterBy(field, value, true)}
                >
                  −
                </button>
              </>
            )}
            <Copy text={value} label={`Copy ${name}`} isSmall />
          </span>
        </dd>
      </div>
    ))}
  </dl>
);

const MOST = 200;
const DEPTH = 4;

/** Attributes as facts: objects by the paths of their members. */
export function attributeFacts(
  attributes: Readonly<Record<string, unknown>>,
  without: ReadonlySet<string>,
): readonly Fact[] {
  const facts: Fact[] = [];
  const add = (path: string, value: unknown, depth: number): void => {
    if (facts.length >= MOST || value === null || value === undefined) return;
    if (typeof value === 'object' && !Array.isArray(value) && depth < DEPTH) {
      for (const [name, inner] of Object.entries(value)) add(`${path}.${name}`, inner, depth + 1);
      return;
    }
    facts.push({
      name: path,
      value: typeof value === 'string' ? value : JSON.stringify(value),
      field: typeof value === 'object' ? '' : path,
    });
  };
  for (const [name, value] of Object.entries(attributes)) if (!without.has(name)) add(name, value, 0);
  return facts;
}
