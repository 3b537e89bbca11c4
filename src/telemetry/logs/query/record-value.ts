// Reads the value that a record has under a name of a query node: a field of the record or an attribute.
// Invariant: a name means the same in conditions (match.ts) and in keys and measures of a group query.
import type { LogRecord } from '../log-record.ts';
import { severityText } from '../severity.ts';
import { HAS_PARENT, isColumn } from './field-names.ts';
import { attributeAt, attributePath } from './field-test.ts';
import type { KeyValue } from './group-query.ts';

/** Name of the text of the severity in keys of a group query. Conditions have only `severity`. */
const LEVEL = 'level';

/** True if the value of a name comes from the attributes. */
export const isAttribute = (name: string): boolean =>
  !isColumn(name) && name !== LEVEL && name !== HAS_PARENT;

/** Reads the value of a name. `attributes`: those of the record; used only if `isAttribute(name)`. */
type ReadValue = (record: LogRecord, attributes: Readonly<Record<string, unknown>>) => KeyValue;

/** Returns a function that reads a key of a group query (group-query.ts). */
export function keyReader(name: string): ReadValue {
  if (name === HAS_PARENT) return ({ parentSpanId }) => (parentSpanId === '' ? null : true);
  if (name === LEVEL) return ({ severity }) => severityText(severity) || null;
  if (isColumn(name)) {
    const column = name as 'message' | 'status';
    return (record) => record[column] || null;
  }
  const path = attributePath(name);
  return (_, attributes) => attributeKey(attributeAt(attributes, path));
}

/** The key of a value of an attribute; `undefined`: it is missing. */
export const attributeKey = (value: unknown): KeyValue =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : ((value ?? null) as KeyValue);

/** Returns a function that reads a value to be measured; `null` if the record has no finite number there. */
export function numberReader(name: string): (...from: Parameters<ReadValue>) => number | null {
  const read = keyReader(name);
  return (record, attributes) => {
    const value = read(record, attributes);
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  };
}
