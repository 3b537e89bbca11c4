// Tests of CSV and times: parsing the output returns the same value.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CSV_HEAD, csvRow } from '../../../src/core/record-csv.ts';
import type { LogObject } from '../../../src/control/admin/logs/record-json.ts';

/** Parses CSV (RFC 4180). */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  const cells = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy;
  let row: string[] = [];
  for (let match = cells.exec(text); match; match = cells.exec(text)) {
    row.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    if (match[3] === '\r\n') {
      rows.push(row);
      row = [];
    }
    if (cells.lastIndex === text.length) break;
  }
  return rows;
}

const log = (message: string, attributes: Record<string, unknown>): LogObject => ({
  timestamp: '2026-11-20T16:52:26.000000000Z',
  timestamp_ns: '1795193546000000000',
  seq: 7,
  kind: 'line',
  message,
  attributes,
});

it('writes any text as CSV, and no cell as a formula', () => {
  const names = CSV_HEAD.trimEnd().split(',');
  const piece = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('"', ',', '\r\n', '=1+1', '@', '\t', '-', '＝'),
  );
  fc.assert(
    fc.property(
      fc.array(piece).map((pieces) => pieces.join('')),
      fc.dictionary(fc.string(), fc.string()),
      (message, attributes) => {
        const rows = readCsv(CSV_HEAD + csvRow(log(message, attributes)));
        expect(rows).toHaveLength(2);
        const cell = rows[1]![names.indexOf('message')]!;
        expect(cell).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/);
        expect(cell === message || cell === `'${message}`).toBe(true);
        expect(JSON.parse(rows[1]![names.indexOf('attributes')]!)).toEqual(attributes);
      },
    ),
  );
});
