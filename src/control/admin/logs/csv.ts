// CSV of downloads. Its columns are fields of LogObject.
import { COLUMNS, CSV_HEAD, csvRow } from '../../../core/record-csv.ts';
import type { LogObject } from './record-json.ts';

COLUMNS satisfies readonly (keyof LogObject)[];

export { CSV_HEAD, csvRow };
