// Reads the values of keys and measures of a group query from the columns of a page. A record is made only of a row
// whose columns do not have the value.
// Invariant: a value is the one that record-value.ts reads from the record.
import { attributesOf, type LogRecord } from '../log-record.ts';
import { isColumn } from '../query/field-names.ts';
import { attributeAt, attributePath } from '../query/field-test.ts';
import type { KeyValue } from '../query/group-query.ts';
import { attributeKey, isAttribute, keyReader } from '../query/record-value.ts';
import { severityText } from '../severity.ts';
import { RowsKnowledge } from './block-knowledge.ts';
import { attributeValue, NATIVE_NUMBERS } from './native-number.ts';
import type { Page } from './page.ts';
import { HAS, type Shape } from './shape.ts';

/** The records of a page that had to be made, each once. */
export class PageRecords {
  readonly #page: Page;
  readonly #records: (LogRecord | undefined)[] = [];
  readonly #attributes: (Record<string, unknown> | undefined)[] = [];

  constructor(page: Page) {
    this.#page = page;
  }

  readonly at = (row: number): LogRecord => (this.#records[row] ??= this.#page.record(row));

  attributes(row: number): Record<string, unknown> {
    return (this.#attributes[row] ??= attributesOf(this.at(row)));
  }
}

/** How the rows of one shape get their values: all have the same one, or each has its own. */
export type ShapeValues =
  | { readonly constant: KeyValue; readonly read: undefined }
  | { readonly constant: undefined; readonly read: (row: number) => KeyValue };

const constant = (value: KeyValue): ShapeValues => ({ constant: value, read: undefined });
const each = (read: (row: number) => KeyValue): ShapeValues => ({ constant: undefined, read });

/** The values of a name (record-value.ts), by index of the shape. */
export function valuesOf(page: Page, name: string, records: PageRecords): ShapeValues[] {
  const readRecord = keyReader(name);
  const ofRecord = isAttribute(name)
    ? each((row) => readRecord(records.at(row), records.attributes(row)))
    : each((row) => readRecord(records.at(row), {}));
  if (name === 'level') return page.shapes.map(({ severity }) => constant(severityText(severity) || null));
  if (isColumn(name)) return page.shapes.map((_, shape) => columnOf(page, name, shape) ?? ofRecord);
  const path = attributePath(name);
  return page.shapes.map((_, shape) => attributeOf(page, path, shape) ?? ofRecord);
}

/**
 * The numbers of a name in the marked rows; NaN of a row whose value is not a finite number. Other rows have any number.
 */
export function numbersOf(page: Page, name: string, marks: Uint8Array, records: PageRecords): Float64Array {
  const { rows, shape } = page;
  const { durationNs } = page;
  if (name === 'durationNs' && !durationNs.includes(0)) return durationNs;
  const numbers = new Float64Array(rows);
  if (name === 'durationNs') {
    for (let row = 0; row < rows; row++) numbers[row] = durationNs[row] || NaN;
    return numbers;
  }
  const values = valuesOf(page, name, records);
  const constants = Float64Array.from(values, ({ constant: value }) => numberOf(value ?? null));
  const reads = values.map(({ read }) => read);
  for (let row = 0; row < rows; row++) {
    if (marks[row] === 0) continue;
    const index = shape[row]!;
    const read = reads[index];
    numbers[row] = read === undefined ? constants[index]! : numberOf(read(row));
  }
  return numbers;
}

const numberOf = (value: KeyValue): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : NaN;

/** Values of a field of the record; `undefined`: only the record has them. */
function columnOf(page: Page, name: string, shape: number): ShapeValues | undefined {
  const { durationNs } = page;
  if (name === 'durationNs') return each((row) => durationNs[row] || null);
  if (name === 'message') {
    const message = page.messageOf(shape);
    if (message !== undefined) return constant(message || null);
    const ranks = page.ranksOf(HAS.message);
    return each((row) => page.messages.at(ranks[row]!) || null);
  }
  const facts = page.shapes[shape]!;
  if (Object.hasOwn(facts, name)) return constant((facts[name as keyof Shape] as KeyValue) || null);
  return single(new RowsKnowledge(page, shape).column(name), (value) =>
    constant((value as KeyValue) || null),
  );
}

/** The result of `make` for the only value that rows have; `undefined` if they may have several. */
function single<T>(
  known: ReturnType<RowsKnowledge['column']>,
  make: (value: unknown) => T | undefined,
): T | undefined {
  return known !== undefined && 'values' in known && known.values.length === 1
    ? make(known.values[0])
    : undefined;
}

/** Values of an attribute; `undefined`: only the record has them. */
function attributeOf(page: Page, path: string, shape: number): ShapeValues | undefined {
  const { has, native } = page.shapes[shape]!;
  const { attributeNames } = page;
  const heads = headsOf(path);
  const isOwn = (has & HAS.attributes) !== 0;
  if (isOwn && (attributeNames === undefined || attributeNames.hasOthers)) return undefined;
  const own = isOwn ? heads.filter((head) => attributeNames!.names.includes(head)) : [];
  if (own.length === 0) {
    const number = native && NATIVE_NUMBERS.get(path);
    if (number !== undefined) {
      const ranks = page.ranksOf(HAS.native);
      // First bytes are in the part of the page that is read in any case.
      const column = number.column === 'firstByte' ? page.firstByte : page.numbers[number.column];
      return each((row) => attributeValue(number, column[ranks[row]!]!) ?? null);
    }
    // Native attributes contain nothing, so only the name as a whole can be one of them.
    return single(new RowsKnowledge(page, shape).attribute(path), (value) => constant(attributeKey(value)));
  }
  const [head] = own;
  // With several of them, the record decides which counts.
  if (own.length > 1 || (native !== undefined && head === path)) return undefined;
  const column = page.attributeValues(head!);
  const ranks = page.ranksOf(HAS.attributes);
  const keys: KeyValue[] = [];
  return each((row) => {
    const number = column.numbers[ranks[row]!]!;
    if (number === -1) return null;
    return (keys[number] ??= attributeKey(attributeAt({ [head!]: column.value(number) }, path)));
  });
}

/** The attributes in which a path may be found: `a.b.c`, `a` and `a.b`. */
function headsOf(path: string): string[] {
  const heads = [path];
  for (let dot = path.indexOf('.'); dot !== -1; dot = path.indexOf('.', dot + 1))
    heads.push(path.slice(0, dot));
  return heads;
}
