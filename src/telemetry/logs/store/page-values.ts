// Reads the values of keys and measures of a group query from the columns of a page. A record is made only of a row
// whose columns do not have the value.
// Invariant: a value is the one that record-value.ts reads from the record.
import { attributesOf, type LogRecord } from '../log-record.ts';
import { HAS_PARENT, isColumn } from '../query/field-names.ts';
import { attributeAt, attributePath } from '../query/field-test.ts';
import type { KeyValue } from '../query/group-query.ts';
import { attributeKey, isAttribute, keyReader } from '../query/record-value.ts';
import { severityText } from '../severity.ts';
import { ColumnsPage } from './columns-page.ts';
import { isNative, RowsKnowledge } from './block-knowledge.ts';
import { attributeValue, columnOf as numbersIn, NATIVE_NUMBERS, rowsWith } from './native-number.ts';
import type { Page } from './page.ts';
import { HAS, isShapeColumn } from './shape.ts';

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

type ReadRow = (row: number) => KeyValue;

/** The value of all rows of a shape, or what reads that of each of them. */
export type ShapeValue = KeyValue | ReadRow;

/** The values of a name (record-value.ts), by index of the shape. */
export function valuesOf(page: Page, name: string, records: PageRecords): readonly ShapeValue[] {
  if (name === 'level')
    return page.encodedShapes.column('severity').map((value) => severityText(value as number) || null);
  if (name === HAS_PARENT) return page.shapes.map(({ has }) => ((has & HAS.parent) === 0 ? null : true));
  if (isShapeColumn(name)) return page.encodedShapes.column(name).map((value) => value || null);
  const read = keyReader(name);
  const ofRecord: ReadRow = isAttribute(name)
    ? (row) => read(records.at(row), records.attributes(row))
    : (row) => read(records.at(row), {});
  const path = isColumn(name) ? undefined : attributePath(name);
  return page.shapes.map((_, shape) => {
    const value = path === undefined ? columnOf(page, name, shape) : attributeOf(page, path, shape);
    return value === undefined ? ofRecord : value;
  });
}

/**
 * The numbers of a name in the marked rows, without marks in all rows; NaN of a row whose value is not a finite number.
 * Other rows have any number.
 */
export function numbersOf(
  page: Page,
  name: string,
  marks: Uint8Array | undefined,
  records: PageRecords,
): Float64Array {
  const { rows, shape } = page;
  const { durationNs } = page;
  if (name === 'durationNs' && !durationNs.includes(0)) return durationNs;
  const numbers = new Float64Array(rows);
  if (name === 'durationNs') {
    for (let row = 0; row < rows; row++) numbers[row] = durationNs[row] || NaN;
    return numbers;
  }
  const member = isAttribute(name) ? page.members?.find(attributePath(name)) : undefined;
  if (
    typeof member === 'object' &&
    member.numbers &&
    page.shapes.every((one) => !isNative(attributePath(name), one))
  )
    return member.numbers;
  const values = valuesOf(page, name, records);
  const constants = Float64Array.from(values, numberOf);
  for (let row = 0; row < rows; row++) {
    if (marks !== undefined && marks[row] === 0) continue;
    const index = shape[row]!;
    const value = values[index]!;
    numbers[row] = typeof value === 'function' ? numberOf(value(row)) : constants[index]!;
  }
  return numbers;
}

const numberOf = (value: ShapeValue): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : NaN;

/** Values of a field of the record; `undefined`: only the record has them. */
function columnOf(page: Page, name: string, shape: number): ShapeValue | undefined {
  const { durationNs } = page;
  if (name === 'durationNs') return (row) => durationNs[row] || null;
  if (name === 'message') {
    const message = page.messageOf(shape);
    if (message !== undefined) return message || null;
    const ranks = page.ranksOf(HAS.message);
    return (row) => page.messages.at(ranks[row]!) || null;
  }
  const known = single(new RowsKnowledge(page, shape).column(name), (value) => (value as KeyValue) || null);
  if (known !== undefined) return known;
  if (name === 'requestId') return (row) => page.requestId(row) || null;
  if (name === 'traceId') return (row) => page.traceId(row) || null;
  return undefined;
}

/** The result of `make` for the only value that rows have; `undefined` if they may have several. */
function single(
  known: ReturnType<RowsKnowledge['column']>,
  make: (value: unknown) => KeyValue,
): KeyValue | undefined {
  return known !== undefined && 'values' in known && known.values.length === 1
    ? make(known.values[0])
    : undefined;
}

/** Values of an attribute; `undefined`: only the record has them. */
function attributeOf(page: Page, path: string, shape: number): ShapeValue | undefined {
  const member = page.members?.find(path);
  if (member !== undefined && !isNative(path, page.shapes[shape]!))
    return member === 'missing' ? null : (row) => member.key(row);
  // Only members of a block can be read from its columns.
  if (page instanceof ColumnsPage) return undefined;
  const { has, native } = page.shapes[shape]!;
  const { attributeNames } = page;
  const heads = headsOf(path);
  const isOwn = (has & HAS.attributes) !== 0;
  if (isOwn && (attributeNames === undefined || attributeNames.hasOthers)) return undefined;
  const own = isOwn ? heads.filter((head) => attributeNames!.names.includes(head)) : [];
  if (own.length === 0) {
    const number = native && NATIVE_NUMBERS.get(path);
    if (number !== undefined) {
      if ((has & rowsWith(number)) === 0) return null;
      const ranks = page.ranksOf(rowsWith(number));
      const column = numbersIn(page, number);
      return (row) => attributeValue(number, column[ranks[row]!]!) ?? null;
    }
    // Native attributes contain nothing, so only the name as a whole can be one of them.
    return single(new RowsKnowledge(page, shape).attribute(path), attributeKey);
  }
  const [head] = own;
  // With several of them, the record decides which counts.
  if (own.length > 1 || (head === path && isNative(path, page.shapes[shape]!))) return undefined;
  const column = page.attributeValues(head!);
  const ranks = page.ranksOf(HAS.attributes);
  const keys: KeyValue[] = [];
  return (row) => {
    const number = column.numbers[ranks[row]!]!;
    if (number === -1) return null;
    return (keys[number] ??= attributeKey(attributeAt({ [head!]: column.value(number) }, path)));
  };
}

/** The attributes in which a path may be found: `a.b.c`, `a` and `a.b`. */
function headsOf(path: string): string[] {
  const heads = [path];
  for (let dot = path.indexOf('.'); dot !== -1; dot = path.indexOf('.', dot + 1))
    heads.push(path.slice(0, dot));
  return heads;
}
