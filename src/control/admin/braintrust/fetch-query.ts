// The parameters of a fetch of rows, from a query string or a JSON body, and its cursors.
// Invariant: a cursor has letters, digits, dashes and underscores only, so that it can be pasted anywhere.
// Source: docs/contracts/braintrust.md 5.
import { LATEST_NS } from '../../../core/time.ts';
import {
  formatTimePlace,
  parseTimePlace,
  type LogStore,
  type TimePlace,
} from '../../../telemetry/logs/logs.ts';
import type { ShownRow } from '../../../telemetry/btql/btql.ts';

/** A condition: the value at a path of a row. */
export interface PathFilter {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** Where a fetch continues. */
export interface FetchCursor {
  /** Rows behind this place follow. */
  readonly after: TimePlace;
  /** Time of the newest row when the first page was read; later rows are not on later pages. */
  readonly newestNs: bigint;
}

export interface FetchQuery {
  /** Maximum number of traces. */
  readonly limit: number;
  readonly cursor: FetchCursor | undefined;
  readonly filters: readonly PathFilter[];
  /** False for versions of rows that are newer than asked for. */
  readonly isWanted: (row: ShownRow) => boolean;
}

const LIMIT = { fallback: 100, max: 1000 };
const MAX_FILTERS = 32;
const XACT = /^\d{1,20}$/;

const isFilter = (value: unknown): value is PathFilter & { type: 'path_lookup' } => {
  const { type, path } = (value ?? {}) as { type?: unknown; path?: unknown };
  return (
    type === 'path_lookup' &&
    Array.isArray(path) &&
    path.length > 0 &&
    path.every((name) => typeof name === 'string')
  );
};

/** Text of a parameter, which JSON may have as a number; '' if it is absent. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  return (value ?? '') === '' ? '' : JSON.stringify(value);
}

/** Reads the parameters. A text is the problem. Unknown ones are ignored, since clients send some. */
export function readFetch(
  fields: Readonly<Record<string, unknown>>,
  logs: Pick<LogStore, 'readPlace'>,
): FetchQuery | string {
  const [limitText, cursor, max, maxRoot, version] = [
    'limit',
    'cursor',
    'max_xact_id',
    'max_root_span_id',
    'version',
  ].map((name) => textOf(fields[name])) as [string, string, string, string, string];
  const limit = limitText === '' ? LIMIT.fallback : Number(limitText);
  if (!Number.isSafeInteger(limit) || limit < 1) return 'limit: must be a whole number of traces, at least 1';
  const at = cursor === '' ? undefined : readCursor(cursor, logs);
  if (cursor !== '' && at === undefined) return 'cursor: it was not issued by this server, or it has expired';
  const filters = fields['filters'] ?? [];
  if (!Array.isArray(filters) || filters.length > MAX_FILTERS || !filters.every(isFilter))
    return 'filters: must be a list of {"type": "path_lookup", "path": ["metadata", "user_id"], "value": …}';
  for (const [name, text] of Object.entries({ max_xact_id: max, version }))
    if (text !== '' && !XACT.test(text)) return `${name}: must be the _xact_id of a row`;
  return {
    limit: Math.min(limit, LIMIT.max),
    cursor: at,
    filters,
    isWanted: versionTest(
      max === '' ? undefined : BigInt(max),
      maxRoot,
      version === '' ? undefined : BigInt(version),
    ),
  };
}

/** Rows of at most this version. `max` and `maxRoot`: the row of the page before with the lowest version and trace. */
function versionTest(
  max: bigint | undefined,
  maxRoot: string,
  version: bigint | undefined,
): (row: ShownRow) => boolean {
  if (max === undefined && version === undefined) return () => true;
  return (row) => {
    const xact = BigInt(textOf(row['_xact_id']));
    if (version !== undefined && xact > version) return false;
    if (max === undefined || xact < max) return true;
    return xact === max && (maxRoot === '' || textOf(row['root_span_id']) < maxRoot);
  };
}

export const formatCursor = ({ after, newestNs }: FetchCursor): string =>
  Buffer.from(`${newestNs} ${formatTimePlace(after)}`).toString('base64url');

function readCursor(text: string, logs: Pick<LogStore, 'readPlace'>): FetchCursor | undefined {
  const [, newest, rest] = /^(\d{1,19}) (\S+)$/.exec(Buffer.from(text, 'base64url').toString()) ?? [];
  if (newest === undefined || BigInt(newest) > LATEST_NS) return undefined;
  const after = parseTimePlace(rest!, (place) => logs.readPlace(place));
  return after && { after, newestNs: BigInt(newest) };
}

/** True if a row has the value of each filter. A list has each of its items. */
export const matchesFilters = (row: ShownRow, filters: readonly PathFilter[]): boolean =>
  filters.every(({ path, value }) => {
    const found = valueAt(row, path);
    return isSame(found, value) || (Array.isArray(found) && found.some((item) => isSame(item, value)));
  });

function valueAt(row: unknown, path: readonly string[]): unknown {
  let at = row;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return null;
    at = (at as Record<string, unknown>)[name];
  }
  return at ?? null;
}

/** True for equal values of JSON, whatever the order of members. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return (a ?? null) === (b ?? null);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  return (
    left.length === right.length &&
    left.every(
      ([name, value]) => Object.hasOwn(b, name) && isSame(value, (b as Record<string, unknown>)[name]),
    )
  );
}
