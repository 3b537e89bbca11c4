// Gathers the members of the attributes of many rows, and encodes those that queries may name as columns.
// Names are paths, as in queries: `metadata.user_id`.
// Invariant: a column has for each row the value that attributeAt (query/field-test.ts) finds under its name, and a name
// that is not listed is found in no row.
import { attributesOf } from '../log-record.ts';
import { isPlainObject } from '../annotation.ts';
import { encodeMember, type EncodedMember, type MemberValue } from './member-column.ts';

/** Levels of objects whose members get columns. */
const MAX_LEVELS = 4;
/** Names that are gathered. */
const MAX_NAMES = 2048;
/** Columns that are stored. */
const MAX_COLUMNS = 96;
/** Names without a column that are listed. */
const MAX_OTHERS = 256;
/** Characters of a text, and items of a list, in a column. */
const MAX_TEXT = 256;
const MAX_ITEMS = 16;
/** Characters of the different texts of a column, for each row. */
const CHARACTERS_PER_ROW = 48;

/** Names of members, and how they are known. */
export interface MemberNames {
  /** Those with a column, in the order of their numbers. */
  readonly columns: readonly string[];
  /** Those without a column. */
  readonly others: readonly string[];
  /** Those of objects whose members are not all listed. */
  readonly open: readonly string[];
  /** There are further names. */
  readonly hasMore: boolean;
}

/** Members as columns. */
export interface EncodedMembers {
  readonly names: MemberNames;
  /** By number. */
  readonly columns: readonly EncodedMember[];
}

/** A member, or an object with members. */
class MemberNode {
  readonly name: string;
  readonly children = new Map<string, MemberNode>();
  readonly rows: number[] = [];
  readonly values: MemberValue[] = [];
  /** Two paths have this name. */
  isAmbiguous = false;
  /** Some row has an object with members here. */
  isObject = false;
  /** Some value is too long for a column. */
  isLong = false;
  /** The members of some object are not listed. */
  isOpen = false;

  constructor(name: string) {
    this.name = name;
  }

  get hasColumn(): boolean {
    return this.rows.length > 0 && !this.isAmbiguous && !this.isObject && !this.isLong && !this.isOpen;
  }
}

const isShort = (value: MemberValue): boolean =>
  typeof value === 'string'
    ? value.length <= MAX_TEXT
    : !Array.isArray(value) ||
      (value.length <= MAX_ITEMS &&
        (value as unknown[]).every((item) =>
          typeof item === 'string' ? item.length <= MAX_TEXT : typeof item !== 'object' || item === null,
        ));

function isEmpty(object: object): boolean {
  for (const _ in object) return false;
  return true;
}

export class MemberTree {
  readonly #root = new MemberNode('');
  readonly #byName = new Map<string, MemberNode>();
  #hasMore = false;

  /** Adds the attributes of a row. */
  add(row: number, attributes: unknown): void {
    if (isPlainObject(attributes)) this.#add(this.#root, row, attributes, 1);
  }

  #add(parent: MemberNode, row: number, object: Readonly<Record<string, unknown>>, level: number): void {
    for (const key in object) {
      const node = parent.children.get(key) ?? this.#begin(parent, key);
      if (node === undefined) continue;
      const value = object[key];
      if (typeof value !== 'object' || !isPlainObject(value) || isEmpty(value)) this.#set(node, row, value);
      else {
        node.isObject = true;
        if (level < MAX_LEVELS) this.#add(node, row, value, level + 1);
        else node.isOpen = true;
      }
    }
  }

  #set(node: MemberNode, row: number, value: MemberValue): void {
    if (node.isLong) return;
    if (typeof value === 'number' || isShort(value)) {
      node.rows.push(row);
      node.values.push(value);
      return;
    }
    node.isLong = true;
    node.rows.length = node.values.length = 0;
  }

  #begin(parent: MemberNode, key: string): MemberNode | undefined {
    if (this.#byName.size >= MAX_NAMES) {
      this.#hasMore = true;
      return undefined;
    }
    const node = new MemberNode(parent === this.#root ? key : `${parent.name}.${key}`);
    parent.children.set(key, node);
    const same = this.#byName.get(node.name);
    if (same === undefined) this.#byName.set(node.name, node);
    else same.isAmbiguous = node.isAmbiguous = true;
    return node;
  }

  /** Encodes columns for `count` rows. At most `most` columns: those that most rows have. */
  encode(count: number, most = MAX_COLUMNS): EncodedMembers {
    const all = this.#nodes();
    const wanted = all.filter(({ hasColumn }) => hasColumn);
    const least = wanted.length > MAX_COLUMNS ? Math.max(2, count / 256) : 1;
    const chosen = wanted
      .filter(({ rows }) => rows.length >= least)
      .sort((a, b) => b.rows.length - a.rows.length)
      .slice(0, Math.max(0, Math.min(most, MAX_COLUMNS)));
    const encoded = chosen.flatMap((node) => {
      const column = encodeMember(node, count, CHARACTERS_PER_ROW * count);
      return column ? [{ name: node.name, column }] : [];
    });
    const columns = encoded.map(({ name }) => name);
    const isColumn = new Set(columns);
    const names = (test: (node: MemberNode) => boolean): string[] => [
      ...new Set(all.filter(test).map(({ name }) => name)),
    ];
    const others = names(({ name }) => !isColumn.has(name));
    const hasMore = this.#hasMore || others.length > MAX_OTHERS;
    return {
      names: { columns, others: hasMore ? [] : others, open: names(({ isOpen }) => isOpen), hasMore },
      columns: encoded.map(({ column }) => column),
    };
  }

  #nodes(): MemberNode[] {
    const all: MemberNode[] = [];
    const visit = (node: MemberNode): void => {
      for (const child of node.children.values()) {
        all.push(child);
        visit(child);
      }
    };
    visit(this.#root);
    return all;
  }
}

/** Gathers the members of the rows of a block, if some of its attributes contain objects. */
export class BlockMembers {
  readonly #tree = new MemberTree();
  /** Rows that are added once another one has an object, and the texts of their attributes. */
  #waiting: (readonly [row: number, text: string])[] = [];
  #hasObjects = false;

  /** Adds the attributes of a row. `parsed`: the text as JSON; `undefined`: that is not known. */
  add(row: number, text: string, parsed: unknown): void {
    this.#hasObjects ||= isPlainObject(parsed) && Object.values(parsed).some(isPlainObject);
    if (this.#hasObjects && parsed !== undefined && text.isWellFormed()) this.#tree.add(row, parsed);
    else this.#waiting.push([row, text]);
  }

  /** Encodes columns for `count` rows, at most `most`; `undefined`: no attributes contain objects. */
  encode(count: number, most: number): EncodedMembers | undefined {
    if (!this.#hasObjects) return undefined;
    for (const [row, text] of this.#waiting) this.#tree.add(row, storedAttributes(text));
    return this.#tree.encode(count, most);
  }
}

/** The attributes as they are read back. */
export const storedAttributes = (text: string): unknown => attributesOf({ attributes: text.toWellFormed() });
