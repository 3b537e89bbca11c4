// Reads a body of rows, as the clients of Braintrust send them: what each row is, and what is wrong with it.
// Invariant: a row that cannot be stored is rejected alone.
// Source: docs/contracts/logs.md 5.1.
import { randomBytes } from 'node:crypto';
import { isPlainObject } from '../annotation.ts';
import type { Row } from './merge-row.ts';

/** Rows of spans as JSON: `{"rows": […]}`, or `{"events": […]}`, whose rows may lack ids. */
export interface PostedRows {
  readonly bytes: Uint8Array;
  /** Id of the project of rows that name none. */
  readonly project?: string | undefined;
  /** They are weir's own: a row with `_scored_by`, the id of a scoring rule, gives the row of its id the rule's scores, if
   * its state has the base `_scored_base`. */
  readonly isOwn?: boolean | undefined;
}

/** A row that is not stored, by its index in the body. */
export interface RejectedRow {
  readonly index: number;
  readonly reason: string;
}

/** What a row does to the row with an id in a project. */
export interface RowChange {
  readonly kind: 'row' | 'merge' | 'comment' | 'delete' | 'score';
  readonly project: string;
  /** Id of the row that changes. */
  readonly id: string;
  /** Id of the row whose trace it joins, and whose child it becomes; empty: of none. */
  readonly parentId: string;
  /** The row as it was sent, with an id. */
  readonly row: Row;
}

export interface ReadRows {
  readonly changes: readonly RowChange[];
  /** Ids of the rows in `changes`, in this order. */
  readonly ids: readonly string[];
  readonly rejected: readonly RejectedRow[];
}

/** Levels of objects and lists in a row. */
const MAX_DEPTH = 64;
/** Characters of an id. */
const MAX_ID = 256;
/** Objects of other kinds, whose rows are not stored. */
const OTHER_OBJECTS = ['experiment_id', 'dataset_id', 'prompt_session_id', 'playground_id'] as const;

/** Returns the rows of a body, or what is wrong with the body as a whole. */
export function readRows({
  bytes,
  project,
  isOwn = false,
}: PostedRows): ReadRows | { readonly invalid: string } {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { invalid: `the body is not valid JSON: ${error.message}` };
  }
  const rows = isPlainObject(body) ? (body['rows'] ?? body['events']) : undefined;
  if (!Array.isArray(rows)) return { invalid: 'the body must be an object with a list "rows" or "events"' };
  const makesIds = isPlainObject(body) && body['rows'] === undefined;
  const how = { fallback: project, makesIds, isOwn };
  const changes: RowChange[] = [];
  const rejected: RejectedRow[] = [];
  for (const [index, row] of rows.entries()) {
    const change = changeOf(row, how);
    if (typeof change === 'string') rejected.push({ index, reason: change });
    else changes.push(change);
  }
  return { changes, ids: changes.map(({ row }) => row['id'] as string), rejected };
}

const idProblem = (name: string, id: unknown): string | undefined => {
  if (typeof id !== 'string' || id === '') return `${name} must be a text that is not empty`;
  return id.length > MAX_ID
    ? `${name} has ${id.length} characters; at most ${MAX_ID} are allowed`
    : undefined;
};

/** How the rows of a body are read. `fallback`: id of the project of rows that name none. */
interface ReadingOfRows {
  readonly fallback: string | undefined;
  readonly makesIds: boolean;
  readonly isOwn: boolean;
}

/** What a row changes, or why it cannot be stored. */
function changeOf(sent: unknown, { fallback, makesIds, isOwn }: ReadingOfRows): RowChange | string {
  if (!isPlainObject(sent)) return 'a row must be an object';
  const other = OTHER_OBJECTS.find((name) => sent[name] !== undefined);
  if (other !== undefined) return `rows with ${other} are not stored, only those of projects`;
  const project = sent['project_id'] ?? fallback;
  const row = makesIds && sent['id'] === undefined ? { ...sent, id: randomBytes(8).toString('hex') } : sent;
  const { id, comment, origin, _is_merge: isMerge, _object_delete: isDeleted, _parent_id: parent } = row;
  const problem =
    idProblem('project_id', project) ??
    idProblem('id', id) ??
    ['span_id', 'root_span_id', '_parent_id'].reduce<string | undefined>(
      (found, name) => found ?? (row[name] == null ? undefined : idProblem(name, row[name])),
      undefined,
    );
  if (problem !== undefined) return problem;
  if (isDeeper(row, MAX_DEPTH)) return `the row has more than ${MAX_DEPTH} levels of objects and lists`;
  const change = { project: project as string, id: id as string, row, parentId: (parent as string) ?? '' };
  if (isOwn && typeof row['_scored_by'] === 'string') return { ...change, kind: 'score' };
  if (isDeleted === true) return { ...change, kind: 'delete' };
  if (comment === undefined) return { ...change, kind: isMerge === true ? 'merge' : 'row' };
  if (!isPlainObject(comment) || !isPlainObject(origin))
    return 'a comment needs origin.id, the id of its row';
  const target = idProblem('origin.id', origin['id']);
  return target ?? { ...change, kind: 'comment', id: origin['id'] as string };
}

/** True if a value has more than so many levels of objects and lists. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const item of Array.isArray(value) ? (value as unknown[]) : Object.values(value))
    if (typeof item === 'object' && item !== null && isDeeper(item, levels - 1)) return true;
  return false;
}
