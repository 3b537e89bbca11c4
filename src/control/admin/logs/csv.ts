// The CSV of downloads. Invariant: every column is a field of the object that clients get.
import { COLUMNS, CSV_HEAD, csvRow } from '../../../core/record-csv.ts';
import type { LogObject } from './record-json.ts';

COLUMNS satisfies readonly (keyof LogObject)[];

export { CSV_HEAD, csvRow };
