// What records are counted by: steps of time, or the values of a field. Must stay true: plain data that may cross threads.
import { attributesOf, type LogRecord } from '../log-record.ts';
import { severityText } from '../severity.ts';

export type AggregateBy =
  /** Counts for each step, by its beginning in milliseconds since the epoch; `split` also by level. */
  { readonly stepMs: number } | { readonly field: string };

/** Fields that whole minutes are summed by: counting by these alone needs no record to be read. */
export const SUMMED_FIELDS = ['deployment', 'environment', 'replica', 'source', 'kind', 'level', 'status'];

/** Gives what a record counts for: the step's beginning and its level, or the field's value. */
export function aggregateKey(by: AggregateBy): (record: LogRecord) => string {
  if ('stepMs' in by) {
    const { stepMs } = by;
    return ({ timeNs, severity }) => {
      const ms = Number(timeNs / 1_000_000n);
      return `${Math.floor(ms / stepMs) * stepMs} ${severityText(severity)}`;
    };
  }
  const { field } = by;
  if (field === 'level') return ({ severity }) => severityText(severity);
  if (field === 'status') return ({ status }) => (status === 0 ? '' : String(status));
  if (SUMMED_FIELDS.includes(field) || field === 'requestId' || field === 'traceId')
    return (record) => record[field as 'deployment'];
  return (record) => {
    const attributes = attributesOf(record);
    const value = Object.hasOwn(attributes, field) ? attributes[field] : undefined;
    return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  };
}
