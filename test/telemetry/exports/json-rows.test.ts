// JSON texts of numbers and texts that are written byte by byte.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { JsonRows } from '../../../src/telemetry/exports/json-rows.ts';
import { OutputFile } from '../../../src/telemetry/exports/output-file.ts';
import { RowBuffer } from '../../../src/telemetry/exports/row-buffer.ts';
import { folder, removeFolders } from '../../kit/folder.ts';

afterAll(removeFolders);

/** The lines of rows with one column. */
function linesOf(cells: readonly (string | number)[]): string[] {
  const path = join(folder(), 'file');
  const file = new OutputFile(path, 0);
  const rows = new JsonRows(['a'], false, new RowBuffer(file), true, 0);
  for (const cell of cells) rows.add([cell]);
  rows.end();
  file.close();
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

function expectAsJson(cells: readonly (string | number)[]): void {
  expect(linesOf(cells)).toEqual(cells.map((a) => JSON.stringify({ a })));
}

describe('a row', () => {
  it('has numbers as JSON.stringify writes them', () => {
    expectAsJson([0, -0, 1, -1, 9, 10, 99, 100, 200, 1107.525, 0.5, 0.1, 0.000001, 0.0000001, 1e-7, 1.5e-6]);
    expectAsJson([999_999_999.999999, 999_999_999.9999999, 1e9, 1e15, 1e16, 1e21, 1e22, 2 ** 53, 1 / 3]);
    expectAsJson([
      0.1 + 0.2,
      Number.MAX_VALUE,
      Number.MIN_VALUE,
      -12.5,
      -0.000001,
      123456.000001,
      4294967296.5,
    ]);
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.double({ noNaN: true, noDefaultInfinity: true }),
            fc.integer().map((n) => n / 1000),
            fc.tuple(fc.integer(), fc.constantFrom(10, 1e3, 1e6, 1e9)).map(([n, by]) => n / by),
            fc.maxSafeInteger(),
          ),
          { maxLength: 100 },
        ),
        expectAsJson,
      ),
    );
  });

  it('has texts as JSON.stringify writes them', () => {
    expectAsJson([
      '',
      'plain',
      '"',
      '\\',
      '\n',
      '\u007f',
      'é',
      '🔥',
      '\ud800',
      'x'.repeat(128),
      'x'.repeat(129),
    ]);
    expectAsJson(['x'.repeat(200_000), 'é'.repeat(600_000), 'short']);
    fc.assert(fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 20 }), expectAsJson));
  });
});
