// Cuts the values of a row for a preview.
// Invariant: a value that is short enough stays as it is.
import type { ShownRow } from './request-row.ts';
import { textOf } from './values.ts';

/** Fields whose whole value becomes a text if it is too long. Of other fields, texts in them are cut. */
const WHOLE = ['input', 'output', 'expected', 'error'];
const IN_PARTS = ['metadata', 'context', 'comments'];
const MORE = '…';

const cut = (text: string, length: number): string =>
  text.length <= length ? text : text.slice(0, length) + MORE;

function cutTexts(value: unknown, length: number): unknown {
  if (typeof value === 'string') return cut(value, length);
  if (Array.isArray(value)) return value.map((item) => cutTexts(item, length));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, cutTexts(item, length)]));
}

/** The row with values of at most `length` characters; -1: as they are. */
export function preview(row: ShownRow, length: number): ShownRow {
  if (length < 0) return row;
  const shown = { ...row };
  for (const name of WHOLE) {
    const value = shown[name];
    if (value === undefined || value === null || typeof value === 'number' || typeof value === 'boolean')
      continue;
    const text = textOf(value);
    if (text.length > length) shown[name] = cut(text, length);
  }
  for (const name of IN_PARTS) if (shown[name] !== undefined) shown[name] = cutTexts(shown[name], length);
  return shown;
}
