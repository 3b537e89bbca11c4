// The row of a record with all its members, also those that the attributes have no room for.
import type { LogStore } from '../log-store.ts';
import { attributesOf, type LogRecord } from '../log-record.ts';
import { parseObject } from '../../../protocol/llm/json-values.ts';
import { ROW_CUT, rowOf } from './row-record.ts';

/** The row of a record as an API returns it (`rowOf`). It is read from the bodies of the store if it is large. */
export async function wholeRow(
  logs: Pick<LogStore, 'bodies' | 'placeOf'>,
  record: LogRecord,
): Promise<Record<string, unknown> | undefined> {
  const attributes = attributesOf(record);
  if (attributes[ROW_CUT] !== true) return rowOf(record, attributes);
  const bytes = (await logs.bodies(logs.placeOf(record)))?.request;
  const whole = bytes && parseObject(Buffer.from(bytes).toString());
  return rowOf(record, whole ?? attributes);
}
