// The record of a span that a client logs as rows, and the row that a record holds.
// Invariant: `rowOf` of a record gives the row that it was made of, redacted, without what tells how rows are merged.
// Source: docs/contracts/logs.md 5.1.
import { hash } from 'node:crypto';
import { EARLIEST_NS, LATEST_NS, parseTime } from '../../../core/time.ts';
import { isPlainObject } from '../annotation.ts';
import { attributesOf, type LogRecord } from '../log-record.ts';
import { SEVERITY } from '../severity.ts';
import type { Row } from './merge-row.ts';

const SOURCE = 'project:';
/** Attribute with what weir needs to merge later rows. */
const STATE = '_row';
/** Attribute that says that the attributes have only a part of the row. The whole row is the body of the record. */
export const ROW_CUT = '_row_is_cut';
/** Members of a row that have a place of their own in a record, or that only a response has. */
const IN_COLUMNS: ReadonlySet<string> = new Set([
  'id',
  'project_id',
  'log_id',
  'org_id',
  'is_root',
  '_xact_id',
  '_pagination_key',
]);
/** How far the time of a record may be from `created` of its row, in nanoseconds. */
export const CREATED_SLACK_NS = 3_600_000_000_000n;
/** Added to sequence numbers, so that all ids of transactions have as many digits. */
const FIRST_TRANSACTION = 10n ** 18n;

/** `source` of the records of a project. */
export const projectSource = (id: string): string => SOURCE + id;

/** What weir keeps of a row besides its content. */
export interface RowState {
  /** Digest of the row that later rows were merged into, to recognize it when it is sent again. */
  readonly base?: string;
  /** Only merges have come, and the row that they are for may still come. */
  readonly awaits_base?: true;
  /** Ids of the scoring rules whose scores it has. */
  readonly scored_by?: readonly string[];
}

/** A row with its key. */
export interface StoredRow {
  readonly project: string;
  readonly id: string;
  readonly content: Row;
  readonly state: RowState;
}

const digest = (value: string): string => hash('sha256', value);

/** Digest of a row as it was sent. */
export const digestOf = (row: Row): string => digest(JSON.stringify(row)).slice(0, 16);

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** Id of a trace or span as the columns have it: `digits` lowercase hex digits. UUIDs lose their dashes. */
function columnId(id: string, digits: number): string {
  if (id === '') return '';
  const hex = id.replaceAll('-', '').toLowerCase();
  const isHex = /^[0-9a-f]+$/.test(hex);
  return isHex && hex.length === digits ? hex : digest(id).slice(0, digits);
}
/** Trace id of the record of a row, for the `root_span_id` of the row. */
export const traceIdOf = (id: string): string => columnId(id, 32);
/** Span id of the record of a row, for its `span_id`. */
export const spanIdOf = (id: string): string => columnId(id, 16);

/** Ids of a span for a row without them, the same each time. */
export const missingIds = (project: string, id: string): { span_id: string; root_span_id: string } => {
  const made = digest(`${project} ${id}`);
  return { span_id: made.slice(0, 16), root_span_id: made.slice(16, 48) };
};

/** True if a row has the scores of a rule. */
export const isScoredBy = ({ state }: Pick<StoredRow, 'state'>, rule: string): boolean =>
  Array.isArray(state.scored_by) && state.scored_by.includes(rule);

const parentsOf = ({ span_parents: parents }: Row): readonly unknown[] =>
  Array.isArray(parents) ? parents : [];

/**
 * Begin of the span: `metrics.start` in seconds. If that is far from `created`, as of a span that is logged later, the time
 * is `created`, so that a search for `created` knows where to look. `undefined` if neither is a time.
 */
function timeOf({ metrics, created }: Row): bigint | undefined {
  const parsed = parseTime(text(created));
  const createdNs = parsed === LATEST_NS ? undefined : parsed;
  const start = isPlainObject(metrics) ? metrics['start'] : undefined;
  if (isNumber(start)) {
    const ns = BigInt(Math.round(start * 1e6)) * 1000n;
    if (ns > EARLIEST_NS && ns < LATEST_NS && isNear(ns, createdNs ?? ns)) return ns;
  }
  return createdNs;
}

/** Gives a row without a time one, so that its later versions have the same. */
export function withTime(row: StoredRow, nowNs: bigint): StoredRow {
  if (timeOf(row.content) !== undefined) return row;
  const created = new Date(Number(nowNs / 1_000_000n)).toISOString();
  return { ...row, content: { ...row.content, created } };
}

const isNear = (a: bigint, b: bigint): boolean => a - b <= CREATED_SLACK_NS && b - a <= CREATED_SLACK_NS;

function durationOf({ metrics }: Row): number {
  const { start, end } = isPlainObject(metrics) ? metrics : {};
  if (!isNumber(start) || !isNumber(end)) return 0;
  return Math.min(Math.max(0, Math.round((end - start) * 1e6) * 1000), Number.MAX_SAFE_INTEGER);
}

function environmentOf({ context }: Row): string {
  const origin = isPlainObject(context) ? context['span_origin'] : undefined;
  const environment = isPlainObject(origin) ? origin['environment'] : undefined;
  return isPlainObject(environment) ? text(environment['name']).slice(0, 256) : '';
}

const nameOf = ({ span_attributes: attributes }: Row): string =>
  isPlainObject(attributes) ? text(attributes['name']) : '';

/** The record of a row, not redacted and not stored yet, and its attributes. */
export function recordOfRow(
  { project, id, content, state }: StoredRow,
  nowNs: bigint,
): { readonly record: LogRecord; readonly attributes: Row } {
  const { span_id: span, root_span_id: root } = content;
  const traceId = traceIdOf(text(root));
  const spanId = spanIdOf(text(span));
  const parents = parentsOf(content);
  const parentSpanId = spanIdOf(text(parents[0]));
  const timeNs = timeOf(content) ?? nowNs;
  // What follows from the columns is not stored twice.
  const followsFromColumns: Readonly<Record<string, boolean>> = {
    root_span_id: root === traceId,
    span_id: span === spanId,
    span_parents: parents.length === 0 || (parents.length === 1 && parents[0] === parentSpanId),
  };
  // First, since what is at the end of a row that is too large is cut.
  const left: Record<string, unknown> = Object.keys(state).length > 0 ? { [STATE]: state } : {};
  for (const name of Object.keys(content))
    if (!IN_COLUMNS.has(name) && followsFromColumns[name] !== true) left[name] = content[name];
  const hasError = content['error'] !== undefined && content['error'] !== null;
  const record: LogRecord = {
    seq: 0,
    kind: 'span',
    timeNs,
    severity: hasError ? SEVERITY.error : SEVERITY.info,
    message: nameOf(content),
    requestId: id,
    traceId,
    spanId,
    parentSpanId,
    deployment: '',
    environment: environmentOf(content),
    replica: '',
    source: projectSource(project),
    pod: '',
    modelId: '',
    status: 0,
    durationNs: durationOf(content),
    attributes: '',
  };
  return { record, attributes: left };
}

/** The row of a record, and what weir keeps with it; `undefined` if the record is not a row. */
export function storedRowOf(
  record: LogRecord,
  attributes: Row = attributesOf(record),
): StoredRow | undefined {
  if (record.kind !== 'span' || !record.source.startsWith(SOURCE)) return undefined;
  const row: Record<string, unknown> = { ...attributes };
  const state = row[STATE];
  for (const name of [STATE, ROW_CUT, 'attributes_dropped']) delete row[name];
  row['span_id'] ??= record.spanId;
  row['root_span_id'] ??= record.traceId;
  row['span_parents'] ??= record.parentSpanId === '' ? undefined : [record.parentSpanId];
  if (row['span_parents'] === undefined) delete row['span_parents'];
  return {
    project: record.source.slice(SOURCE.length),
    id: record.requestId,
    content: row,
    state: isPlainObject(state) ? state : {},
  };
}

/** Id of the transaction that stored a record, as its clients see it. It sorts as a text. */
export const transactionOf = (seq: number): string => String(FIRST_TRANSACTION + BigInt(seq));

/**
 * The row of a record as an API returns it; `undefined` if the record is not a row. `attributes`: those of the whole row, if
 * the record has only a part of it.
 */
export function rowOf(record: LogRecord, attributes?: Row): Record<string, unknown> | undefined {
  const stored = storedRowOf(record, attributes);
  if (stored === undefined) return undefined;
  const { content, project, id } = stored;
  const parents = parentsOf(content);
  return {
    id,
    _xact_id: transactionOf(record.seq),
    _pagination_key: transactionOf(record.seq),
    created: new Date(Number(record.timeNs / 1_000_000n)).toISOString(),
    ...content,
    project_id: project,
    log_id: 'g',
    span_parents: parents.length === 0 ? null : parents,
    is_root: parents.length === 0,
  };
}
