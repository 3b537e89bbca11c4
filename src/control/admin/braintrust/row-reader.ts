// Reads the rows of a response, and counts their characters, so that no page takes too much memory.
// Invariant: beyond the limit a large row has only the part that is in its record, and says so.
import { ROW_CUT, rowOf, wholeRow, type LogRecord, type LogStore } from '../../../telemetry/logs/logs.ts';
import type { ShownRow } from '../../../telemetry/btql/btql.ts';

type StoredBodies = Awaited<ReturnType<LogStore['bodies']>>;

/** Characters of a page with whole rows and bodies. */
const MAX_CHARACTERS = 32 * 1024 ** 2;

export class RowReader {
  /** Characters of all rows so far. A user sets it back for a row that it does not keep. */
  characters = 0;
  readonly #logs: LogStore;

  constructor(logs: LogStore) {
    this.#logs = logs;
  }

  /** The row of a record; `undefined` if it is none. */
  async row(record: LogRecord): Promise<ShownRow | undefined> {
    // Mostly the record has the whole row.
    if (!record.attributes.includes(`"${ROW_CUT}":true`)) {
      this.characters += record.attributes.length;
      return rowOf(record);
    }
    if (this.characters > MAX_CHARACTERS) return cutRow(record);
    const row = await wholeRow(this.#logs, record);
    this.characters += JSON.stringify(row).length;
    return row;
  }

  /** The stored bodies of a request; `undefined` if there are none. */
  async bodies(record: LogRecord): Promise<StoredBodies> {
    this.characters += record.attributes.length;
    if (this.characters > MAX_CHARACTERS || !record.attributes.includes('"has_bodies":true'))
      return undefined;
    const bodies = await this.#logs.bodies(this.#logs.placeOf(record));
    this.characters += (bodies?.request?.length ?? 0) + (bodies?.response?.length ?? 0);
    return bodies;
  }
}

/** The part of a row that is in its record. */
function cutRow(record: LogRecord): ShownRow | undefined {
  const row = rowOf(record);
  return row && { ...row, metadata: { ...(row['metadata'] as object | undefined), _weir_truncated: true } };
}
