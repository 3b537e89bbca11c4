// Prepares a row for the store: redacted, and the part of it that fits into the attributes of its record.
// Invariant: a row within the limits is stored whole in its attributes; of a larger one the whole row is stored as a body.
import { attributesText, boundedAttributes, type AttributeLimits } from '../ingest/attributes.ts';
import type { Redactor } from '../ingest/redact.ts';
import type { LogRecord } from '../log-record.ts';
import { isPlainObject } from '../annotation.ts';
import { recordOfRow, ROW_CUT, storedRowOf, type StoredRow } from './row-record.ts';

/** Limits of a row. Longer texts are cut. */
const ROW: AttributeLimits = {
  values: 1_000_000,
  depth: 64,
  characters: 8 * 1024 ** 2,
  text: 8 * 1024 ** 2,
};
/** Limits of what searches can see of it. */
const SEARCHED: AttributeLimits = {
  values: 4096,
  depth: 16,
  characters: 48 * 1024,
  text: 48 * 1024,
};
/** Member of `metadata` of a row that was cut. */
const TRUNCATED = '_weir_truncated';

export interface EncodedRow {
  readonly record: LogRecord;
  /** Bytes of the row if the attributes have only a part of it. */
  readonly whole: Uint8Array | undefined;
  /** The row, without what was cut. */
  readonly row: StoredRow;
}

const isWithin = (has: AttributeLimits, limits: AttributeLimits): boolean =>
  has.values <= limits.values &&
  has.depth <= limits.depth &&
  has.characters <= limits.characters &&
  has.text <= limits.text;

/** The record of a row as it is stored, but for its sequence number. */
export function encodeRow(row: StoredRow, redactor: Redactor, nowNs: bigint): EncodedRow {
  const { record, attributes } = recordOfRow(row, nowNs);
  const { object, dropped, cut, has } = boundedAttributes(attributes, redactor, ROW);
  if (dropped + cut > 0)
    object['metadata'] = isPlainObject(object['metadata'])
      ? { ...object['metadata'], [TRUNCATED]: true }
      : { [TRUNCATED]: true };
  const kept = dropped + cut > 0 ? (storedRowOf(record, object) ?? row) : row;
  const message = redactor.redactStart(record.message, 1024).slice(0, 1024);
  const whole = JSON.stringify(object);
  if (isWithin(has, SEARCHED))
    return { record: { ...record, message, attributes: whole }, whole: undefined, row: kept };
  const part = attributesText({ [ROW_CUT]: true, ...object }, redactor, SEARCHED);
  return { record: { ...record, message, attributes: part }, whole: Buffer.from(whole), row: kept };
}
