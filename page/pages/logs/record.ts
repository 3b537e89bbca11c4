// A record of the log store as the list holds it, and what its texts are.
// Invariant: pure functions of the record; texts are those of the log and not yet made visible.
import { catalogue } from '../../../src/core/errors.ts';

/** What a message that was cut lacks. */
export interface MessageCutJson {
  readonly length: number;
  readonly lines: number;
  readonly last_line?: string;
}

/** A record of GET /v1/logs. Fields that a record does not have are absent. */
export interface LogJson {
  readonly timestamp: string;
  readonly timestamp_ns: string;
  readonly seq: number;
  readonly kind: string;
  readonly level?: string;
  readonly message: string;
  readonly message_cut?: MessageCutJson;
  readonly request_id?: string;
  readonly trace_id?: string;
  readonly span_id?: string;
  readonly deployment?: string;
  readonly environment?: string;
  readonly replica?: string;
  readonly source?: string;
  readonly pod?: string;
  readonly status?: number;
  readonly duration_ms?: number;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

/** Fields and attributes that the columns and the texts of rows need. */
const FIELDS =
  'timestamp_ns seq kind level message request_id trace_id deployment replica source status duration_ms'.split(
    ' ',
  );
const ATTRIBUTES =
  'method path cause model is_stream finish_reason response_error input_tokens output_tokens first_token_ms first_byte_ms'.split(
    ' ',
  );

/** Longest beginning of a message in the list, in UTF-16 code units. */
const PREVIEW = 512;

/** The parameters that make rows small. `more`: further attributes, for columns. */
export const viewQuery = (more: readonly string[]): Readonly<Record<string, string>> => ({
  fields: [...FIELDS, ...[...new Set([...ATTRIBUTES, ...more])].map((name) => `attributes.${name}`)].join(
    ',',
  ),
  preview: String(PREVIEW),
});

/** Milliseconds since the epoch. */
export const msOf = ({ timestamp_ns: ns }: Pick<LogJson, 'timestamp_ns'>): number =>
  Number(ns.slice(0, -6)) + Number(ns.slice(-6)) / 1e6;

/** The value of an attribute; a dotted path reads into objects. */
export function attributeOf({ attributes = {} }: LogJson, path: string): unknown {
  if (Object.hasOwn(attributes, path)) return attributes[path];
  const dot = path.indexOf('.');
  if (dot === -1) return undefined;
  const inner = attributes[path.slice(0, dot)];
  return typeof inner === 'object' && inner !== null
    ? attributeOf({ attributes: inner as Record<string, unknown> } as LogJson, path.slice(dot + 1))
    : undefined;
}

export function textAttribute(record: LogJson, path: string): string {
  const value = attributeOf(record, path);
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

export const numberAttribute = (record: LogJson, path: string): number | undefined => {
  const value = attributeOf(record, path);
  return typeof value === 'number' ? value : undefined;
};

/** weir's sentence of a cause; '' for `ok` and for causes that this page does not know. */
export const causeText = (cause: string): string => {
  const row = Object.hasOwn(catalogue, cause) ? catalogue[cause as keyof typeof catalogue] : undefined;
  return row === undefined ? '' : row.message;
};

/** Text of a row, and what stands behind it in a weaker colour. */
export interface RowText {
  readonly main: string;
  readonly sub: string;
}

/** A request: method and path, then model, stream, finish reason or what went wrong. */
function requestText(record: LogJson): RowText {
  const [method, path] = [textAttribute(record, 'method'), textAttribute(record, 'path')];
  const cause = textAttribute(record, 'cause');
  const error = textAttribute(record, 'response_error');
  const status = record.status ?? 0;
  const said =
    error !== ''
      ? error
      : cause !== '' && cause !== 'ok'
        ? causeText(cause) || cause.replaceAll('_', ' ')
        : status >= 400
          ? `the replica's own ${status}`
          : textAttribute(record, 'finish_reason');
  return {
    main: path === '' ? record.message : `${method} ${path}`.trim(),
    sub: [textAttribute(record, 'model'), textAttribute(record, 'is_stream') === 'true' ? 'stream' : '', said]
      .filter((part) => part !== '')
      .join(' · '),
  };
}

/** Of several lines the last one that is not blank, since it names the error of a traceback, and how many more there are. */
function lineText({ message, message_cut: cut }: LogJson): RowText {
  if (!message.includes('\n') && (cut === undefined || cut.lines === 1)) return { main: message, sub: '' };
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  const count = cut?.lines ?? lines.length;
  return {
    main: cut?.last_line ?? lines.at(-1) ?? message,
    sub: count > 1 ? `+${count - 1} ${count === 2 ? 'line' : 'lines'}` : '',
  };
}

export const rowText = (record: LogJson): RowText =>
  record.kind === 'request' ? requestText(record) : lineText(record);

/** How grave a record is, for its bar and colours. */
export type Gravity = 'err' | 'warn' | 'info' | 'debug';

export const gravityOf = ({ level = '' }: Pick<LogJson, 'level'>): Gravity =>
  /^(?:ERROR|FATAL|CRITICAL)/.test(level)
    ? 'err'
    : level.startsWith('WARN')
      ? 'warn'
      : /^(?:DEBUG|TRACE)/.test(level)
        ? 'debug'
        : 'info';

/** Class of a status: 5xx red, 499 violet, 4xx amber. */
export const statusTone = (status: number | undefined): '' | 'err' | 'note' | 'warn' =>
  status === undefined || status < 400 || status > 599
    ? ''
    : status >= 500
      ? 'err'
      : status === 499
        ? 'note'
        : 'warn';

/** Estimate of the memory that a record takes, in bytes. */
export const sizeOf = ({ message }: LogJson): number => 700 + 2 * message.length;
