// Counts of records by the values of a field, as texts.
// Invariant: statuses are counted in classes, of which 499 (client disconnected) is one.
import { countedField, type CountedField, type KeyValue } from '../../../telemetry/logs/logs.ts';

export const COUNT = [{ op: 'count' }] as const;

/** The class of a status: `2xx`, `4xx` (without 499), `499`; the number itself of a status that is not of HTTP. */
function statusClass(status: number): string {
  if (status === 499 || status < 100 || status > 599) return String(status);
  return `${Math.trunc(status / 100)}xx`;
}

/** The text of a value; empty: the record has none. */
export const valueText = ({ key }: Pick<CountedField, 'key'>, value: KeyValue): string => {
  if (value === null) return '';
  return key === 'status' && typeof value === 'number' ? statusClass(value) : String(value);
};

/** The field of a name, or what is wrong with it. */
export const fieldOf = (param: string, name: string): CountedField | string =>
  (name === '' ? undefined : countedField(name)) ??
  `${param}: the values of ${JSON.stringify(name.slice(0, 80))} cannot be counted; name a field such as status or replica, or an attribute`;

/** Texts with their numbers, the most frequent first. */
export const ranked = (counts: ReadonlyMap<string, number>): [string, number][] =>
  Array.from(counts).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
