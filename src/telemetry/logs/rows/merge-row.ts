// Merges the rows of a span that a client logs one after the other, as the clients of Braintrust do it themselves.
// Invariant: neither row is changed, and merging the same row again changes nothing.
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

/** Applies a row with `_is_merge` to the row before it. */
export function mergeRow(base: Row, patch: Row): Row {
  const paths = new Set(pathsOf(patch).map((path) => JSON.stringify(path)));
  const merged = mergeObjects(base, contentOf(patch), [], paths);
  for (const name of FIRST_STAYS) if (Object.hasOwn(base, name)) merged[name] = base[name];
  return removeItems(merged, patch['_array_delete']);
}

function mergeObjects(
  base: Row,
  patch: Row,
  path: readonly string[],
  replaced: ReadonlySet<string>,
): MutableRow {
  const out: MutableRow = { ...base };
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
      out[name] = mergeObjects(before, value, at, replaced);
    else if (path.length === 0 && name === 'tags' && Array.isArray(before) && Array.isArray(value))
      out[name] = [...new Set([...(before as unknown[]), ...(value as unknown[])])];
    else out[name] = value;
  }
  return out;
}

/** Applies `_array_delete`: a list of `{path, delete}`. Removes these items from the list at the path. */
function removeItems(row: MutableRow, wanted: unknown): Row {
  if (!Array.isArray(wanted)) return row;
  return wanted.reduce<Row>((out, one) => {
    if (!isPlainObject(one) || !isTexts(one['path']) || !Array.isArray(one['delete'])) return out;
    const removed = new Set(one['delete'].map((item) => JSON.stringify(item)));
    return changeAt(out, one['path'], (list) =>
      Array.isArray(list) ? list.filter((item) => !removed.has(JSON.stringify(item))) : list,
    );
  }, row);
}

function changeAt(row: Row, [name, ...rest]: readonly string[], change: (value: unknown) => unknown): Row {
  if (name === undefined || !Object.hasOwn(row, name)) return row;
  const value = row[name];
  if (rest.length === 0) return { ...row, [name]: change(value) };
  return isPlainObject(value) ? { ...row, [name]: changeAt(value, rest, change) } : row;
}
