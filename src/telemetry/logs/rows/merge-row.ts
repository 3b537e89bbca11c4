// Merges the rows of a span that a client logs one after the other, as the clients of Braintrust do it themselves.
// Invariant: of the rows only objects that the same `Merging` made are changed, and merging the same row again changes
// nothing.
// Source: docs/contracts/logs.md 5.1.
import { isPlainObject } from '../annotation.ts';

/** A row: an object of JSON. */
export type Row = Readonly<Record<string, unknown>>;
type MutableRow = Record<string, unknown>;

/** Their first value stays. */
const FIRST_STAYS: ReadonlySet<string> = new Set(['created', 'span_id', 'root_span_id', 'span_parents']);
/** Names that would change the prototype of an object elsewhere. */
const SKIPPED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
/** What tells how a row is merged, and names of weir's own; never stored as content. */
const CONTROL: ReadonlySet<string> = new Set([
  '_is_merge',
  '_merge_paths',
  '_array_delete',
  '_object_delete',
  '_parent_id',
  '_audit_source',
  '_audit_metadata',
  '_row',
  '_row_is_cut',
  '_scored_base',
  '_scored_by',
]);
const NOT_CONTENT: ReadonlySet<string> = new Set([...CONTROL, ...SKIPPED]);
/** Levels of objects that are merged member by member. */
const MAX_DEPTH = 64;

/** A row without what tells how it is merged. */
export function contentOf(row: Row): Row {
  const out: MutableRow = {};
  for (const name of Object.keys(row)) if (!NOT_CONTENT.has(name)) out[name] = row[name];
  return out;
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

/** The paths in `_merge_paths`, at which a row replaces instead of merging. */
const pathsOf = ({ _merge_paths: paths }: Row): readonly (readonly string[])[] =>
  Array.isArray(paths) ? paths.filter(isTexts) : [];

/**
 * What is known while the rows of one body are merged. Objects that were made for a row before are changed in place, since
 * a body may have thousands of rows that are merged into one large row.
 */
export class Merging {
  readonly #objects = new WeakSet<Row>();
  readonly #unions = new WeakMap<readonly unknown[], Set<unknown>>();
  readonly #texts = new WeakMap<object, string>();

  /** The object if it was made here, else a copy. */
  own(object: Row): MutableRow {
    if (this.#objects.has(object)) return object;
    const copy = { ...object };
    this.#objects.add(copy);
    return copy;
  }

  /** A list of the items of both lists, each once. */
  union(list: readonly unknown[], more: readonly unknown[]): readonly unknown[] {
    const known = this.#unions.get(list);
    const items = known ?? new Set(list);
    const out = known ? (list as unknown[]) : [...items];
    for (const item of more) {
      if (!items.has(item)) out.push(item);
      items.add(item);
    }
    this.#unions.set(out, items);
    return out;
  }

  /** JSON of an object that is not changed any more. */
  text(object: object): string {
    const text = this.#texts.get(object) ?? JSON.stringify(object);
    this.#texts.set(object, text);
    return text;
  }
}

/** Applies a row with `_is_merge` to the row before it. */
export function mergeRow(base: Row, patch: Row, merging: Merging): Row {
  const paths = new Set(pathsOf(patch).map((path) => JSON.stringify(path)));
  const content: MutableRow = { ...contentOf(patch) };
  for (const name of FIRST_STAYS) if (Object.hasOwn(base, name)) delete content[name];
  const merged = mergeObjects(base, content, [], paths, merging);
  return removeItems(merged, patch['_array_delete'], merging);
}

function mergeObjects(
  base: Row,
  patch: Row,
  path: readonly string[],
  replaced: ReadonlySet<string>,
  merging: Merging,
): MutableRow {
  const out = merging.own(base);
  for (const name of Object.keys(patch)) {
    if (SKIPPED.has(name)) continue;
    const value = patch[name];
    const before = out[name];
    if (before === undefined && replaced.size === 0) {
      out[name] = value;
      continue;
    }
    const at = [...path, name];
    if (replaced.size > 0 && replaced.has(JSON.stringify(at))) out[name] = value;
    else if (isPlainObject(before) && isPlainObject(value) && at.length < MAX_DEPTH)
      out[name] = mergeObjects(before, value, at, replaced, merging);
    else if (path.length === 0 && name === 'tags' && Array.isArray(before) && Array.isArray(value))
      out[name] = merging.union(before, value);
    else out[name] = value;
  }
  return out;
}

/** Applies `_array_delete`: a list of `{path, delete}`. Removes these items from the list at the path. */
function removeItems(row: MutableRow, wanted: unknown, merging: Merging): Row {
  if (!Array.isArray(wanted)) return row;
  return wanted.reduce<Row>((out, one) => {
    if (!isPlainObject(one) || !isTexts(one['path']) || !Array.isArray(one['delete'])) return out;
    const removed = new Set(one['delete'].map((item) => JSON.stringify(item)));
    const filtered = (list: unknown): unknown =>
      Array.isArray(list) ? list.filter((item) => !removed.has(JSON.stringify(item))) : list;
    return changeAt(out, one['path'], filtered, merging);
  }, row);
}

function changeAt(
  row: Row,
  [name, ...rest]: readonly string[],
  change: (value: unknown) => unknown,
  merging: Merging,
): Row {
  if (name === undefined || !Object.hasOwn(row, name)) return row;
  const value = row[name];
  if (rest.length > 0 && !isPlainObject(value)) return row;
  const out = merging.own(row);
  out[name] = rest.length === 0 ? change(value) : changeAt(value as Row, rest, change, merging);
  return out;
}
