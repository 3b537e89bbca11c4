// The rows of a trace as a fetch returns them.
// Invariant: each record of the trace is one row, and feedback on a request is in the row of the request.
import type { LogRecord } from '../../../telemetry/logs/logs.ts';
import type { Span } from '../../../telemetry/tracing/tracing.ts';
import { requestRow, type ShownRow } from '../../../telemetry/btql/btql.ts';
import type { RowReader } from './row-reader.ts';
import { isFeedback } from './trace-records.ts';
import { completeTrace } from './trace-rows.ts';

/** Spans of a request's record: its own first. */
export type SpansOf = (record: LogRecord) => readonly Span[];

/** Members of a row that feedback on a request does not change. */
const OF_REQUEST: ReadonlySet<string> = new Set([
  'id',
  'project_id',
  'log_id',
  'created',
  'span_id',
  'root_span_id',
  'span_parents',
  'is_root',
]);

/** The rows of a trace, the newest first. `records`: in the order of time, feedback on its requests last. */
export async function shownRows(
  reader: RowReader,
  spansOf: SpansOf,
  project: string,
  records: readonly LogRecord[],
): Promise<ShownRow[]> {
  const rows: ShownRow[] = [];
  const requests = new Map<string, ShownRow>();
  let root: unknown;
  for (const record of records) {
    if (record.kind === 'request') {
      const bodies = await reader.bodies(record);
      const row = requestRow(record, project, spansOf(record)[0]?.name, bodies);
      requests.set(record.requestId, row);
      rows.push(row);
      continue;
    }
    const row = await reader.row(record);
    if (row === undefined) continue;
    const request = isFeedback(record) ? requests.get(record.requestId) : undefined;
    if (request) addFeedback(request, row);
    else {
      root ??= row['root_span_id'];
      rows.push(row);
    }
  }
  // Rows may write the id of the trace as a UUID.
  if (root !== undefined) for (const row of requests.values()) row['root_span_id'] = root;
  completeTrace(rows);
  return rows.reverse();
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Adds feedback to the row of a request: members of objects and tags are united, anything else is replaced. */
function addFeedback(request: ShownRow, feedback: ShownRow): void {
  for (const [name, value] of Object.entries(feedback)) {
    const own = request[name];
    if (OF_REQUEST.has(name)) continue;
    if (isObject(own) && isObject(value)) request[name] = { ...own, ...value };
    else if (name === 'tags' && Array.isArray(own) && Array.isArray(value))
      request[name] = [...new Set([...(own as unknown[]), ...(value as unknown[])])];
    else request[name] = value;
  }
}
