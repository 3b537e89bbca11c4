// What the directory of a block says about the members of its attributes: which have columns, and which values occur.
// Invariant: what it says is true of every record of the block that has no native attribute of that name.
import type { Known } from '../query/possible.ts';
import { hashOfId } from './bloom-filter.ts';
import type { EncodedMembers, MemberNames } from './member-tree.ts';
import type { MemberValue } from './member-column.ts';

/** Values of a member that are listed at most, and characters of their JSON. */
const MAX_VALUES = 64;
const MAX_CHARACTERS = 1024;

/** Of a column: bounds of its numbers, or all values, or whether its texts are in the Bloom filter of the block. */
type MemberFacts =
  | { readonly min: number; readonly max: number }
  | { readonly values: readonly MemberValue[] }
  | { readonly isHashed: boolean };

/** As in the directory. Readers ignore members that they do not know. */
export interface MemberDirectory {
  readonly columns: readonly string[];
  /** By number of the column. */
  readonly facts: readonly MemberFacts[];
  readonly others?: readonly string[];
  readonly open?: readonly string[];
  readonly hasMore?: true;
}

function factsOf(known: EncodedMembers['columns'][number]['known']): MemberFacts {
  if (known === undefined) return { isHashed: false };
  if ('min' in known) return known;
  const areFew = known.values.length <= MAX_VALUES && JSON.stringify(known.values).length <= MAX_CHARACTERS;
  return areFew ? known : { isHashed: true };
}

export function memberDirectory({ names, columns }: EncodedMembers): MemberDirectory {
  return {
    columns: names.columns,
    facts: columns.map(({ known }) => factsOf(known)),
    ...(names.others.length > 0 && { others: names.others }),
    ...(names.open.length > 0 && { open: names.open }),
    ...(names.hasMore && { hasMore: true }),
  };
}

/** Hash of a value of a member. Numbers have the hash of their text. */
export const hashOfMember = (name: string, value: string): number => hashOfId(`${name}\0${value}`);

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** Adds hashes of the values that the directory does not list, and of the items of lists. */
export function addMemberHashes({ names, columns }: EncodedMembers, add: (hash: number) => void): void {
  for (const [i, { known }] of columns.entries()) {
    if (known === undefined || 'min' in known || !('isHashed' in factsOf(known))) continue;
    for (const value of known.values)
      for (const item of Array.isArray(value) ? (value as unknown[]) : [value])
        if (isScalar(item)) add(hashOfMember(names.columns[i]!, String(item)));
  }
}

/** Finds names of members. */
export class MemberIndex {
  readonly #columns: ReadonlyMap<string, number>;
  readonly #others: ReadonlySet<string>;
  readonly #open: readonly string[];
  readonly #hasMore: boolean;

  constructor({ columns, others = [], open = [], hasMore = false }: Partial<MemberNames>) {
    this.#columns = new Map(columns?.map((name, i) => [name, i]));
    this.#others = new Set(others);
    this.#open = open.map((name) => `${name}.`);
    this.#hasMore = hasMore;
  }

  /** The number of the column of a name; `missing`: no row has it; `undefined`: columns do not tell. */
  find(name: string): number | 'missing' | undefined {
    const column = this.#columns.get(name);
    if (column !== undefined) return column;
    const mayBe = this.#hasMore || this.#others.has(name) || this.#open.some((one) => name.startsWith(one));
    return mayBe ? undefined : 'missing';
  }
}

const MISSING: Known = { values: [undefined] };

/** What is known about the members in a block. */
export class MemberKnowledge extends MemberIndex {
  readonly #facts: readonly MemberFacts[];

  constructor(directory: MemberDirectory) {
    super(directory);
    this.#facts = directory.facts;
  }

  known(name: string): Known | undefined {
    const column = this.find(name);
    if (column === 'missing') return MISSING;
    const facts = column === undefined ? undefined : this.#facts[column]!;
    if (facts === undefined || 'isHashed' in facts) return undefined;
    return 'values' in facts ? { values: [undefined, ...facts.values] } : { ...facts, mayBeMissing: true };
  }

  /** True if the texts of a name are in the Bloom filter of the block. */
  hasHashes(name: string): boolean {
    const column = this.find(name);
    const facts = typeof column === 'number' ? this.#facts[column] : undefined;
    return facts !== undefined && 'isHashed' in facts && facts.isHashed;
  }
}
