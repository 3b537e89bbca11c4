// The columns of the list: which there are, how wide they are, and what they show of a record.
// Invariant: cells are one line of visible text in two parts, of which one is weaker; an unknown value is empty or `–`.
import { ago, clock, count, day, duration, iso, NONE, visibleLine, type Zone } from '../../formats.ts';
import {
  attributeOf,
  gravityOf,
  msOf,
  numberAttribute,
  rowText,
  statusTone,
  textAttribute,
  type LogJson,
} from './record.ts';

/** What a cell shows: two parts, and the class of the cell. */
export interface Cell {
  readonly first: string;
  readonly second: string;
  readonly tone: string;
}

export interface CellContext {
  readonly zone: Zone;
  readonly nowMs: number;
}

export interface Column {
  /** Name in `cols` of the address. That of an attribute is its path. */
  readonly id: string;
  readonly title: string;
  /** A width in pixels; 0: what is left. */
  readonly width: number;
  readonly isNumber: boolean;
  /** Field of the query bar; '' if it has none. */
  readonly field: string;
  readonly cell: (record: LogJson, context: CellContext) => Cell;
  /** Value of the query bar for the record's cell; '': there is none. */
  readonly value: (record: LogJson) => string;
}

const cell = (first: string, second = '', tone = ''): Cell => ({ first, second, tone });
const EMPTY = cell('');
const UNKNOWN = cell('', '–');

const LEVEL_CLASS = { err: 'err', warn: 'warn', info: '', debug: '' } as const;

/** A figure of requests: `–` if this one does not have it, nothing for other kinds. */
const figure = (record: LogJson, ms: number | undefined): Cell => {
  if (record.kind !== 'request' && record.kind !== 'span') return EMPTY;
  const { text, unit } = duration(ms);
  return ms === undefined || text === NONE.text ? UNKNOWN : cell(text, unit);
};

/** The end of a request id: ids begin with the time, so that neighbours have the same beginning. */
const idEnd = (id: string): Cell => cell(id.length > 9 ? `…${id.slice(-8)}` : visibleLine(id));

const column = (
  id: string,
  title: string,
  width: number,
  own: Pick<Column, 'cell' | 'value'> & Partial<Column>,
): Column => ({ id, title, width, isNumber: false, field: '', ...own });

/** All columns but those of attributes, in their usual order. */
export const COLUMNS: readonly Column[] = [
  column('time', 'Time', 104, {
    cell: (record, { zone, nowMs }) => {
      const ms = msOf(record);
      const [whole, fraction] = clock(ms, zone).split('.') as [string, string];
      const date = day(ms, zone, nowMs);
      return date === day(nowMs, zone, nowMs)
        ? cell(whole, `.${fraction}`)
        : cell(`${date} ${whole}`, `.${fraction}`);
    },
    value: () => '',
  }),
  column('level', 'Level', 46, {
    field: 'level',
    cell: (record) => cell(record.level ?? '', '', LEVEL_CLASS[gravityOf(record)]),
    value: ({ level = '' }) => level.toLowerCase(),
  }),
  column('status', 'Code', 40, {
    field: 'status',
    cell: ({ kind, status }) =>
      kind !== 'request' || status === undefined ? EMPTY : cell(String(status), '', statusTone(status)),
    value: ({ status }) => (status === undefined ? '' : String(status)),
  }),
  column('duration', 'Duration', 66, {
    isNumber: true,
    cell: (record) => figure(record, record.duration_ms),
    value: () => '',
  }),
  column('ttfb', 'TTFB', 60, {
    isNumber: true,
    cell: (record) =>
      record.kind === 'request'
        ? figure(
            record,
            numberAttribute(record, 'first_token_ms') ?? numberAttribute(record, 'first_byte_ms'),
          )
        : EMPTY,
    value: () => '',
  }),
  column('tokens', 'Tokens in, out', 92, {
    isNumber: true,
    cell: (record) => {
      const [input, output] = [
        numberAttribute(record, 'input_tokens'),
        numberAttribute(record, 'output_tokens'),
      ];
      if (record.kind !== 'request') return EMPTY;
      if (input === undefined && output === undefined) return UNKNOWN;
      return cell(count(output).text.padStart(5, '\u2007'), count(input).text);
    },
    value: () => '',
  }),
  column('replica', 'Replica', 72, {
    field: 'replica',
    cell: ({ replica = '' }) => cell(visibleLine(replica)),
    value: ({ replica = '' }) => replica,
  }),
  column('request', 'Request', 84, {
    field: 'requestId',
    cell: ({ request_id: id = '' }) => (id === '' ? EMPTY : idEnd(id)),
    value: ({ request_id: id = '' }) => id,
  }),
  column('message', 'Message', 0, {
    cell: (record) => {
      const { main, sub } = rowText(record);
      return cell(visibleLine(main), visibleLine(sub));
    },
    value: () => '',
  }),
  ...(
    [
      ['kind', 'Kind', 64, (record) => record.kind],
      ['deployment', 'Deployment', 96, (record) => record.deployment ?? ''],
      ['source', 'Source', 80, (record) => record.source ?? ''],
      ['traceId', 'Trace', 84, (record) => record.trace_id ?? ''],
    ] as const satisfies readonly (readonly [string, string, number, (record: LogJson) => string])[]
  ).map(([id, title, width, value]) =>
    column(id, title, width, {
      field: id,
      cell: (record) => (id === 'traceId' ? idEnd(value(record)) : cell(visibleLine(value(record)))),
      value,
    }),
  ),
];

const BY_ID = new Map(COLUMNS.map((one) => [one.id, one]));

export const DEFAULT_COLUMNS = 'time,level,status,duration,ttfb,tokens,replica,request,message';

/** A column of an attribute. */
const attributeColumn = (path: string): Column =>
  column(path, path, 110, {
    field: path,
    cell: (record) => cell(visibleLine(textAttribute(record, path))),
    value: (record) => (typeof attributeOf(record, path) === 'object' ? '' : textAttribute(record, path)),
  });

/** The columns of `cols`; the usual ones without it. */
export const columnsOf = (cols: string | undefined): readonly Column[] =>
  (cols ?? DEFAULT_COLUMNS)
    .split(',')
    .filter((id) => id !== '')
    .map((id) => BY_ID.get(id) ?? attributeColumn(id));

/** Paths of attributes that the columns need. */
export const attributesOfColumns = (columns: readonly Column[]): readonly string[] =>
  columns.filter(({ id }) => !BY_ID.has(id)).map(({ id }) => id);

/** Template of the grid: the level bar, then the columns. */
export const template = (columns: readonly Column[]): string =>
  ['3px', ...columns.map(({ width }) => (width === 0 ? 'minmax(0, 1fr)' : `${width}px`)), '20px'].join(' ');

/** What a screen reader says of a row. */
export function rowLabel(record: LogJson, context: CellContext): string {
  const { main, sub } = rowText(record);
  const { text, unit } = duration(record.duration_ms);
  return [
    clock(msOf(record), context.zone),
    record.level ?? '',
    record.kind === 'request' ? String(record.status ?? '') : '',
    record.duration_ms === undefined ? '' : `${text} ${unit}`,
    record.replica ?? '',
    visibleLine(main),
    visibleLine(sub),
  ]
    .filter((part) => part !== '')
    .join(', ');
}

/** What is told of a time when one points at it: to the nanosecond, in the other zone, and how long ago. */
export function timeTitle(record: LogJson, { zone, nowMs }: CellContext): string {
  const ms = msOf(record);
  const whole = iso(ms, zone).replace(/\.\d+/, `.${record.timestamp_ns.slice(-9)}`);
  return `${whole}\n${iso(ms, zone === 'UTC' ? 'local' : 'UTC')}\n${ago(ms, nowMs)}`;
}

/** A row as text for copies: the whole time, and every column that is shown. */
export function rowAsText(record: LogJson, columns: readonly Column[], context: CellContext): string {
  return columns
    .map((one) => {
      if (one.id === 'time') return iso(msOf(record), context.zone);
      if (one.id === 'request') return record.request_id ?? '';
      const { first, second } = one.cell(record, context);
      return one.id === 'message' ? `${first}  ${second}`.trimEnd() : `${first}${second}`.trim();
    })
    .filter((part) => part !== '' && part !== '–')
    .join('  ');
}
