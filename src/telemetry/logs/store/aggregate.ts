// Groups for counting records: time steps or the values of a field.
import { attributesOf, type LogRecord } from '../log-record.ts';
import { severityText } from '../severity.ts';

/** Plain data, since it is sent to another thread. */
export type AggregateBy =
  /** Counts by time step and level. */
  | { readonly stepMs: number }
  /** Counts by value of a field or attribute. */
  | { readonly field: string };

/** Fields of the stored totals of whole minutes. Counting by these needs no records. */
export const SUMMED_FIELDS = ['deployment', 'environment', 'replica', 'source', 'kind', 'level', 'status'];

/**
 * Returns a function that returns the group of a record: `<begin of the step> <level>`, with the begin in milliseconds
 * since the epoch, or the value of the field as text, empty if there is none.
 */
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
  if (SUMMED_FIELDS.includes(field) || ['pod', 'modelId', 'requestId', 'traceId'].includes(field))
    return (record) => record[field as 'deployment'];
  return (record) => {
    const attributes = attributesOf(record);
    const value = Object.hasOwn(attributes, field) ? attributes[field] : undefined;
    return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  };
}
