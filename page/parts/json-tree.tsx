// A JSON value as a tree: members are drawn when they are opened, long lists and texts in pieces.
// Invariant: values are shown as texts only; no value is drawn that is not open.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { bytes, count, text, visible } from '../formats.ts';
import { Button, Copy } from './basics.tsx';
import { Icon } from './icons.tsx';
import { innerJson, jsonPath, jsonPreview, type JsonStep } from './json-paths.ts';
import './json-tree.css';

/** Members that are drawn at first, and added by "more". */
const MEMBERS = 100;
/** Characters of a text that are shown until it is opened. */
const TEXT = 200;
/** Characters that an opened text shows at once. */
const TEXT_PIECE = 64 * 1024;

/** Filters by a value. `path`: as `jsonPath` writes it. */
export type OnFilter = (path: string, value: string | number | boolean) => void;

interface TreeProps {
  readonly value: unknown;
  /** Levels that are open at first. */
  readonly open?: number;
  readonly onFilter?: OnFilter | undefined;
  readonly label: string;
}

export const JsonTree = ({ value, open = 2, onFilter, label }: TreeProps): JSX.Element => (
  <div class="json mono" role="group" aria-label={label}>
    {isComposite(value) ? (
      <Members value={value} steps={[]} open={open} onFilter={onFilter} />
    ) : (
      <Leaf value={value} steps={[]} onFilter={onFilter} />
    )}
  </div>
);

const isComposite = (value: unknown): value is object => typeof value === 'object' && value !== null;

const sizeOf = (value: object): number => (Array.isArray(value) ? value.length : Object.keys(value).length);

interface NodeProps {
  readonly steps: readonly JsonStep[];
  readonly onFilter?: OnFilter | undefined;
}

const Members = ({
  value,
  steps,
  open,
  onFilter,
}: NodeProps & { readonly value: object; readonly open: number }): JSX.Element => {
  const [limit, setLimit] = useState(MEMBERS);
  const size = sizeOf(value);
  const entries: readonly (readonly [JsonStep, unknown])[] = Array.isArray(value)
    ? value.slice(0, limit).map((one: unknown, i) => [i, one])
    : Object.entries(value).slice(0, limit);
  return (
    <ul>
      {size === 0 && <li class="dim">{Array.isArray(value) ? 'empty list' : 'empty object'}</li>}
      {entries.map(([step, one]) => (
        <li key={step}>
          <Node step={step} value={one} steps={[...steps, step]} open={open - 1} onFilter={onFilter} />
        </li>
      ))}
      {size > limit && (
        <li>
          <Button kind="quiet" isSmall onClick={() => setLimit(limit + MEMBERS * 5)}>
            {text(count(size - limit))} more
          </Button>
        </li>
      )}
    </ul>
  );
};

const Node = ({
  step,
  value,
  steps,
  open,
  onFilter,
}: NodeProps & {
  readonly step: JsonStep;
  readonly value: unknown;
  readonly open: number;
}): JSX.Element => {
  const [isOpen, setOpen] = useState(open > 0);
  const name = <span class="jk">{visible(String(step))}</span>;
  if (!isComposite(value))
    return (
      <span class="jrow">
        <span class="jfold" />
        {name}
        <Leaf value={value} steps={steps} onFilter={onFilter} />
      </span>
    );
  return (
    <>
      <span class="jrow">
        <button
          type="button"
          class="jfold"
          aria-expanded={isOpen}
          aria-label={`${isOpen ? 'Fold' : 'Unfold'} ${String(step)}`}
          onClick={() => setOpen(!isOpen)}
        >
          <Icon name={isOpen ? 'down' : 'right'} isSmall />
        </button>
        {name}
        <span class="dim">{isOpen ? countOf(value) : visible(jsonPreview(value))}</span>
        <Actions value={value} steps={steps} />
      </span>
      {isOpen && <Members value={value} steps={steps} open={open} onFilter={onFilter} />}
    </>
  );
};

const countOf = (value: object): string => {
  const size = sizeOf(value);
  return Array.isArray(value) ? `[${size}]` : `{${size}}`;
};

/** Copies of the path and the value, beside a row that has the pointer or the focus. */
const Actions = ({ value, steps, onFilter }: NodeProps & { readonly value: unknown }): JSX.Element => {
  const path = jsonPath(steps);
  return (
    <span class="jact">
      {onFilter && (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') && (
        <Button
          kind="bare"
          isSmall
          icon="filter"
          label={`Filter by ${path}`}
          onClick={() => onFilter(path, value)}
        />
      )}
      {path !== '' && <Copy isSmall icon="link" label={`Copy the path ${path}`} text={path} />}
      <Copy
        isSmall
        label={`Copy the value of ${path === '' ? 'all' : path}`}
        text={() => (typeof value === 'string' ? value : JSON.stringify(value, null, 2))}
      />
    </span>
  );
};

const Leaf = ({ value, steps, onFilter }: NodeProps & { readonly value: unknown }): JSX.Element => {
  if (typeof value === 'string') return <TextLeaf value={value} steps={steps} onFilter={onFilter} />;
  const tone = typeof value === 'number' ? 'jn' : 'jw';
  return (
    <>
      <span class={tone}>{String(value)}</span>
      <Actions value={value} steps={steps} onFilter={onFilter} />
    </>
  );
};

const TextLeaf = ({ value, steps, onFilter }: NodeProps & { readonly value: string }): JSX.Element => {
  const [limit, setLimit] = useState(TEXT);
  const [inner, setInner] = useState<object>();
  const [isPlain, setPlain] = useState(false);
  if (inner !== undefined)
    return (
      <span class="jinner">
        <Button kind="quiet" isSmall onClick={() => setInner(undefined)}>
          as text
        </Button>
        <Members value={inner} steps={[]} open={2} />
      </span>
    );
  const left = value.length - limit;
  // A text that is opened keeps its lines.
  const shown = visible(left > 0 ? value.slice(0, limit).toWellFormed() : value);
  const isLikeJson = value.length < 4_000_000 && /^\s*[[{]/.test(value) && /[\]}]\s*$/.test(value);
  return (
    <>
      <span class="js">
        "{shown}
        {left > 0 ? '…' : '"'}
      </span>
      {left > 0 && (
        <Button kind="quiet" isSmall onClick={() => setLimit(limit + TEXT_PIECE)}>
          {text(bytes(left))} more
        </Button>
      )}
      {isLikeJson && !isPlain && (
        <Button
          kind="quiet"
          isSmall
          onClick={() => {
            const read = innerJson(value);
            setInner(read);
            setPlain(read === undefined);
          }}
        >
          open as JSON
        </Button>
      )}
      <Actions value={value} steps={steps} onFilter={onFilter} />
    </>
  );
};
