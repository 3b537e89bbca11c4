// Attributes of the records of a page as columns: one for each frequent name, and one for all others.
// A record refers to a template: the numbers of its columns in the order of its attributes. A value is its JSON text.
// Invariant: the text of the attributes is read back exactly, whether or not it is the JSON text of an object.
import { plainMembersOf, type Member } from './plain-members.ts';
import { encodeTexts, TextColumn } from './text-column.ts';

/** Largest number of names with a column of their own. */
const MAX_NAMES = 64;
/** Number of the column for all other attributes. Its values are members: `"name":value`. */
const OTHERS = 0;
/** Template of a text that is not the JSON text of an object. It is in the column for other attributes. */
const NO_OBJECT = 'text';

/** Which names a page has, for skipping pages. */
export interface AttributeNames {
  readonly names: readonly string[];
  /** The page has further names. */
  readonly hasOthers: boolean;
}

interface EncodedAttributes {
  readonly bytes: Uint8Array;
  readonly names: AttributeNames;
}

/** Names in the order of frequency, without those that occur once if there are many. */
function frequentNames(objects: readonly (readonly Member[] | undefined)[]): string[] {
  const counts = new Map<string, number>();
  for (const members of objects)
    for (const [name] of members ?? []) if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  if (counts.size <= MAX_NAMES) return Array.from(counts.keys());
  const least = Math.max(2, objects.length / 256);
  return Array.from(counts)
    .filter(([, count]) => count >= least)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_NAMES)
    .map(([name]) => name);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * The members of a JSON object in the order of its text: names, and values as JSON text. An object that JSON.stringify
 * does not write in this form, for example with spaces, is one member, as it is. `undefined`: not an object.
 */
function membersOf(text: string, onParsed: (value: unknown) => void): Member[] | undefined {
  const plain = plainMembersOf(text);
  if (plain) return plain;
  const value = parsed(text);
  if (value !== undefined) onParsed(value);
  if (typeof value !== 'object' || value === null || !text.startsWith('{') || !text.endsWith('}'))
    return undefined;
  return writtenMembers(text, value as Readonly<Record<string, unknown>>) ?? [[undefined, text.slice(1, -1)]];
}

/** The members of an object, if its text is what JSON.stringify writes. */
function writtenMembers(text: string, object: Readonly<Record<string, unknown>>): Member[] | undefined {
  const members: Member[] = [];
  let at = 0;
  for (const name of Object.keys(object)) {
    const value = JSON.stringify(object[name]);
    const before = `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`;
    if (!text.startsWith(before, at) || !text.startsWith(value, at + before.length)) return undefined;
    members.push([name, value]);
    at += before.length + value.length;
  }
  return at === text.length - 1 || text === '{}' ? members : undefined;
}

/** An object as one member, as it is. */
const asOneMember = (text: string): Member[] | undefined =>
  text.startsWith('{') && text.endsWith('}') ? [[undefined, text.slice(1, -1)]] : undefined;

/**
 * Encodes the attributes of rows. They are usually the JSON text of an object, and never empty. `inColumns`: false for
 * pages that are stored for a short time only, since making columns takes time. `onText` is called for each text in
 * order, with its value if it was parsed.
 */
export function encodeAttributes(
  texts: readonly string[],
  inColumns = true,
  onText?: (index: number, parsed: unknown) => void,
): EncodedAttributes {
  const objects = texts.map((text, index) => {
    if (!inColumns) return asOneMember(text);
    let value: unknown;
    const members = membersOf(text, (one) => (value = one));
    onText?.(index, value);
    return members;
  });
  const names = frequentNames(objects);
  const columns = new Map(names.map((name, i) => [name, i + 1]));
  const values: string[][] = [[], ...names.map((): string[] => [])];
  const templates = objects.map((members, row) => {
    if (members === undefined) {
      values[OTHERS]!.push(texts[row]!);
      return NO_OBJECT;
    }
    const template: number[] = [];
    for (const [name, value] of members) {
      const column = name === undefined ? OTHERS : (columns.get(name) ?? OTHERS);
      template.push(column);
      const isMember = column === OTHERS && name !== undefined;
      values[column]!.push(isMember ? `${JSON.stringify(name)}:${value}` : value);
    }
    return template.join();
  });
  const counts = values.map(({ length }) => length);
  const header = Buffer.from(JSON.stringify({ names, counts }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return {
    bytes: Buffer.concat([
      length,
      header,
      encodeTexts(templates, true),
      ...values.map((column) => encodeTexts(column, true)),
    ]),
    names: { names, hasOthers: counts[OTHERS]! > 0 },
  };
}

function columnsOf(template: string): number[] {
  if (template === NO_OBJECT) return [OTHERS];
  return template === '' ? [] : template.split(',').map(Number);
}

/** Decoded attributes of the rows of a page. */
export class AttributeColumns {
  readonly names: readonly string[];
  readonly #templates: TextColumn;
  readonly #columns: TextColumn[] = [];
  readonly #rows: number;
  /** For each template its columns. */
  readonly #parsed: number[][] = [];
  /** For each row, where its values begin in each column. Made when a row is read. */
  #starts: Uint32Array | undefined;

  constructor(bytes: Uint8Array, rows: number) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const headerEnd = 4 + buffer.readUInt32LE(0);
    const { names, counts } = JSON.parse(buffer.toString('utf8', 4, headerEnd)) as {
      names: string[];
      counts: number[];
    };
    this.names = names;
    this.#rows = rows;
    this.#templates = new TextColumn(bytes, headerEnd, rows);
    let at = this.#templates.end;
    for (const count of counts) {
      const column = new TextColumn(bytes, at, count);
      this.#columns.push(column);
      at = column.end;
    }
    for (let i = 0; i < this.#templates.count; i++) this.#parsed.push(columnsOf(this.#templates.text(i)));
  }

  /** True if the page has attributes without a column of their own. */
  get hasOthers(): boolean {
    return this.#columns[OTHERS]!.count > 0;
  }

  /** The attributes of a row, as they were encoded. */
  text(row: number): string {
    const members = this.members(row);
    return this.#templates.at(row) === NO_OBJECT ? members : `{${members}}`;
  }

  /** The members of a row as JSON text, without braces. */
  members(row: number): string {
    const width = this.#columns.length;
    const starts = this.#startsOfRows();
    let text = '';
    let others = starts[row * width]!;
    for (const column of this.#template(row)) {
      if (text !== '') text += ',';
      if (column === OTHERS) text += this.#columns[OTHERS]!.at(others++);
      else
        text += `${JSON.stringify(this.names[column - 1])}:${this.#columns[column]!.at(starts[row * width + column]!)}`;
    }
    return text;
  }

  /**
   * The values of a name for all rows: `numbers[row]` is the number of the text in `texts` (JSON), -1 if the row has no
   * such attribute. `undefined`: no row has it in a column of its own.
   */
  values(name: string): { readonly numbers: Int32Array; readonly texts: TextColumn } | undefined {
    const column = this.names.indexOf(name) + 1;
    if (column === 0) return undefined;
    const texts = this.#columns[column]!;
    const has = this.#parsed.map((template) => template.includes(column));
    const numbers = new Int32Array(this.#rows).fill(-1);
    let next = 0;
    for (let row = 0; row < this.#rows; row++)
      if (has[this.#templates.numbers![row]!]) numbers[row] = texts.numbers![next++]!;
    return { numbers, texts };
  }

  #template(row: number): number[] {
    return this.#parsed[this.#templates.numbers![row]!]!;
  }

  #startsOfRows(): Uint32Array {
    if (this.#starts !== undefined) return this.#starts;
    const width = this.#columns.length;
    const starts = new Uint32Array((this.#rows + 1) * width);
    for (let row = 0; row < this.#rows; row++) {
      for (let column = 0; column < width; column++)
        starts[(row + 1) * width + column] = starts[row * width + column]!;
      for (const column of this.#template(row)) starts[(row + 1) * width + column]!++;
    }
    return (this.#starts = starts);
  }
}
