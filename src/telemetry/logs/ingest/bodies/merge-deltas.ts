// Merges the pieces in which a streamed answer sends its values, as the OpenAI SDKs do (`accumulateDelta`): texts are
// joined, entries of lists are appended or merged by their `index`, objects are merged, of other values the last counts.
// Invariant: if something is lost or uncertain, `isComplete` or `isExact` is false.
import { isObject, MAX_LIST_ENTRIES, type JsonObject } from './json-values.ts';

export type MergedValue = Record<string, unknown>;

/** Texts that are not joined, since servers send them whole, some of them with every piece. */
const WHOLE_TEXTS: ReadonlySet<string> = new Set([
  'id',
  'type',
  'role',
  'name',
  'object',
  'format',
  'call_id',
  'mime_type',
]);
/** Maximum depth of nesting that is merged. */
const MAX_DEPTH = 16;
/** Maximum number of fields of one object. */
const MAX_FIELDS = 256;

/** An empty object in which `__proto__` is a name like any other. */
export const emptyFields = (): MergedValue => Object.create(null) as MergedValue;

const isNothing = (value: unknown): boolean => value === undefined || value === null;

export class Merger {
  /** False: two pieces did not fit together, so what was merged may be wrong. */
  isExact = true;
  /** False: something was left out because of a limit. */
  isComplete = true;

  /**
   * Merges a piece into `into`. The piece's values become part of the result. `joinsTexts`: texts are joined; else the
   * last one counts.
   */
  merge(into: MergedValue, piece: JsonObject, joinsTexts: boolean, depth = 0): void {
    for (const key of Object.keys(piece)) {
      const value = piece[key];
      if (isNothing(value)) continue;
      const isNew = !Object.hasOwn(into, key);
      if (isNew && Object.keys(into).length >= MAX_FIELDS) this.isComplete = false;
      else into[key] = this.#value(key, isNew ? undefined : into[key], value, joinsTexts, depth);
    }
  }

  #value(key: string, old: unknown, value: unknown, joinsTexts: boolean, depth: number): unknown {
    if (isObject(value)) return this.#object(old, value, joinsTexts, depth);
    if (isNothing(old)) return value;
    if (typeof old === 'string' && typeof value === 'string') {
      if (!joinsTexts) return value;
      return WHOLE_TEXTS.has(key) ? this.whole(old, value) : old + value;
    }
    if (Array.isArray(old) && Array.isArray(value)) return this.#list(old, value, joinsTexts, depth);
    if (typeof old === typeof value && typeof old !== 'object') return value;
    return this.#unfit(old);
  }

  /** A text that comes whole. */
  whole(old: string, value: string): string {
    if (old === '' || value === '' || old === value) return old || value;
    return this.#unfit(old);
  }

  #object(old: unknown, value: JsonObject, joinsTexts: boolean, depth: number): unknown {
    if (!isNothing(old) && !isObject(old)) return this.#unfit(old);
    if (depth >= MAX_DEPTH) return isNothing(old) ? value : this.#unfit(old);
    const into = isNothing(old) ? emptyFields() : (old as MergedValue);
    this.merge(into, value, joinsTexts, depth + 1);
    return into;
  }

  #list(old: unknown[], value: readonly unknown[], joinsTexts: boolean, depth: number): unknown[] {
    for (const entry of value) {
      const index = isObject(entry) ? entry['index'] : undefined;
      // Only entries that all have an index are parts of each other.
      const place =
        typeof index === 'number' && old.length <= MAX_LIST_ENTRIES
          ? old.findIndex((other) => isObject(other) && other['index'] === index)
          : -1;
      if (place === -1) old.push(entry);
      else old[place] = this.#object(old[place], entry as JsonObject, joinsTexts, depth);
    }
    return old;
  }

  #unfit<T>(kept: T): T {
    this.isExact = false;
    return kept;
  }
}
