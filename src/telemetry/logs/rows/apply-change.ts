// Applies what a client sent for a row to the row as it is known.
// Invariant: a change that is applied again, also after others, leaves the row as it is.
// Source: docs/contracts/logs.md 5.1.
import { isPlainObject } from '../annotation.ts';
import { contentOf, mergeRow, type Merging, type Row } from './merge-row.ts';
import type { RowChange } from './read-rows.ts';
import { digestOf, isScoredBy, missingIds, type RowState, type StoredRow } from './row-record.ts';

/** Entries that a row keeps of each: comments, and who changed it. */
const MAX_ENTRIES = 1000;
/** Rules that a row remembers, which is more than there can be at a time. */
const MAX_RULES = 1000;

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

/**
 * The row after a change; `undefined`: it is deleted. `before`: as it is known; `undefined`: it is not. `parent`: the row
 * that the change names as its parent, if it is known. `merging`: of the body; it may change `before` if it made it.
 */
export function applyChange(
  change: RowChange,
  before: StoredRow | undefined,
  parent: StoredRow | undefined,
  merging: Merging,
): StoredRow | undefined {
  switch (change.kind) {
    case 'delete':
      return undefined;
    case 'comment':
      return commented(change, before ?? newRow(change, {}, { awaits_base: true }));
    case 'score':
      return scored(change, before);
    case 'merge':
      return merged(change, before, parent, merging);
    case 'row':
      return replaced(change, before, parent, merging);
  }
}

function merged(
  change: RowChange,
  before: StoredRow | undefined,
  parent: StoredRow | undefined,
  merging: Merging,
): StoredRow {
  const after =
    before === undefined
      ? newRow(change, withParent(contentOf(change.row), parent), { awaits_base: true })
      : { ...before, content: mergeRow(before.content, change.row, merging) };
  return audited(after, change.row, 'merge', merging);
}

function replaced(
  change: RowChange,
  before: StoredRow | undefined,
  parent: StoredRow | undefined,
  merging: Merging,
): StoredRow {
  const base = digestOf(change.row);
  // It was sent again, since its answer was lost. What was merged into it stays.
  if (before?.state.base === base) return before;
  const row = newRow(change, withParent(contentOf(change.row), parent), { base });
  const { comments, audit_data: audit } = before?.content ?? {};
  const kept = {
    ...row.content,
    ...(comments === undefined ? {} : { comments }),
    ...(audit === undefined ? {} : { audit_data: audit }),
  };
  const after =
    before?.state.awaits_base === true
      ? { ...row, content: mergeRow(withoutIds(kept, change.row), before.content, merging) }
      : { ...row, content: kept };
  return audited(after, change.row, 'upsert', merging);
}

/**
 * The row with the scores of a rule, and the mark that it has them, so that both are stored or none. Once it has the mark,
 * the rule changes nothing any more. A row that was deleted stays deleted, and one that was replaced while it was scored is
 * another one, which has no score yet.
 */
function scored({ row }: RowChange, before: StoredRow | undefined): StoredRow | undefined {
  const sent = row as { readonly _scored_by: string; readonly _scored_base?: string; readonly scores?: Row };
  const { _scored_by: rule, _scored_base: base, scores } = sent;
  if (before === undefined || isScoredBy(before, rule)) return before;
  const { state, content } = before;
  if (base !== undefined && base !== state.base) return before;
  const known = content['scores'];
  const all = { ...(isPlainObject(known) ? known : {}), ...scores };
  return {
    ...before,
    state: { ...state, scored_by: [...(state.scored_by ?? []), rule].slice(-MAX_RULES) },
    content: Object.keys(all).length === 0 ? content : { ...content, scores: all },
  };
}

/** Without ids that were made for the row, so that those of merges that came before count. */
function withoutIds(content: Row, sent: Row): Row {
  const left: Record<string, unknown> = { ...content };
  for (const name of ['span_id', 'root_span_id']) if (sent[name] == null) delete left[name];
  return left;
}

/** A row of which nothing was known. */
function newRow({ project, id }: RowChange, content: Row, state: RowState): StoredRow {
  const ids = missingIds(project, id);
  const span = content['span_id'] ?? ids.span_id;
  const root = content['root_span_id'] ?? (content['span_id'] === undefined ? ids.root_span_id : span);
  return { project, id, state, content: { ...content, span_id: span, root_span_id: root } };
}

/** A row that joins the trace of its parent, and is its child. */
const withParent = (content: Row, parent: StoredRow | undefined): Row =>
  parent === undefined
    ? content
    : {
        ...content,
        root_span_id: parent.content['root_span_id'],
        span_parents: [parent.content['span_id']],
      };

function commented({ row }: RowChange, before: StoredRow): StoredRow {
  const {
    id,
    created,
    origin,
    comment,
    _audit_source: source = null,
    _audit_metadata: metadata = null,
  } = row;
  const others = listOf(before.content['comments']).filter((one) => !isPlainObject(one) || one['id'] !== id);
  const added = { id, created: created ?? null, origin, comment, source, metadata };
  return { ...before, content: { ...before.content, comments: [...others, added].slice(-MAX_ENTRIES) } };
}

/** Adds who made a change, if the change says so. */
function audited(row: StoredRow, sent: Row, action: 'merge' | 'upsert', merging: Merging): StoredRow {
  const { _audit_source: source, _audit_metadata: metadata = null } = sent;
  if (source === undefined) return row;
  const entry = { source, metadata, action };
  const text = merging.text(entry);
  const isOther = (one: unknown): boolean => !isPlainObject(one) || merging.text(one) !== text;
  const others = listOf(row.content['audit_data']).filter(isOther);
  const content = merging.own(row.content);
  content['audit_data'] = [...others, entry].slice(-MAX_ENTRIES);
  return { ...row, content };
}
