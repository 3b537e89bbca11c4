// The models that have their own series in the metrics of language models, by the setting `llm.models`. Hot path.
// Invariant: a name has the same slot for ever, and there are never more slots than settings allow. Names of requests
// come from clients, so a name gets a slot only with a response of that model, and only if it is short and printable.
import { privateArrays, type ArraySource } from '../../core/shared-arrays.ts';
import { wildcard } from '../../core/wildcard.ts';
import { WrittenNames } from './written-names.ts';

/** Label of all models without a slot of their own. */
const OTHER = 'other';
/** Slot of OTHER; with an empty list of patterns, of all models. */
const OTHER_SLOT = 0;
/** Longer names have no slot. */
const MAX_NAME = 128;
/** So many names that are counted as OTHER are remembered, so that they are not matched again. */
const MAX_REMEMBERED = 1024;

/** Settings of the label `model`. */
export interface ModelNameOptions {
  /** Names of models, which may contain `*`. Empty: all models have one slot, whose name is empty. */
  readonly models: readonly string[];
  /** Maximum number of names that a pattern with `*` gives a slot to. */
  readonly max_models: number;
}

export class ModelNames {
  /** Number of slots there can be. */
  readonly size: number;
  readonly #patterns: readonly ((name: string) => boolean)[];
  readonly #slots = new Map<string, number>();
  /** Slot → name. */
  readonly #names: WrittenNames;
  #remembered = 0;

  /** `arrays`: memory that another thread shares, if one reads or adds the names. */
  constructor({ models, max_models }: ModelNameOptions, arrays: ArraySource = privateArrays) {
    this.#patterns = models.filter((model) => model.includes('*')).map(wildcard);
    const listed = new Set([
      models.length === 0 ? '' : OTHER,
      ...models.filter((model) => !model.includes('*')),
    ]);
    this.size = listed.size + (this.#patterns.length > 0 ? max_models : 0);
    const longest = Math.max(MAX_NAME, ...models.map(({ length }) => length));
    this.#names = new WrittenNames(this.size, longest, arrays);
    for (const [slot, name] of this.#names.all.entries()) this.#slots.set(name, slot);
    for (const name of listed) this.#add(name);
  }

  /** The slot of a model. `mayAdd`: the name may get a slot of its own now. */
  slotOf(name: string, mayAdd: boolean): number {
    const known = this.#slots.get(name);
    if (known !== undefined) return known;
    if (this.#patterns.length === 0 || !mayAdd) return OTHER_SLOT;
    const isOwn = this.#names.count < this.size && isLabel(name) && this.#patterns.some((fits) => fits(name));
    if (isOwn) return this.#add(name);
    if (this.#remembered < MAX_REMEMBERED) {
      this.#remembered++;
      this.#slots.set(name, OTHER_SLOT);
    }
    return OTHER_SLOT;
  }

  /** Number of slots in use. */
  get count(): number {
    return this.#names.count;
  }

  /** The value of the label `model` for a slot that `slotOf` has returned. */
  nameOf(slot: number): string {
    return this.#names.all[slot]!;
  }

  #add(name: string): number {
    const found = this.#slots.get(name);
    if (found !== undefined) return found;
    const slot = this.#names.add(name);
    this.#slots.set(name, slot);
    return slot;
  }
}

const isLabel = (name: string): boolean =>
  name !== '' && name.length <= MAX_NAME && name.isWellFormed() && !/\p{Cc}/u.test(name);
