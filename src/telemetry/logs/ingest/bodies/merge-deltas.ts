// Merges the deltas of a stream, as the OpenAI SDKs do (`accumulateDelta`): joins texts, appends list entries or merges
// them by their `index`, merges objects, and keeps the last one of other values.
// Invariant: `isComplete` is false if a value was dropped, `isExact` if the result may be wrong.
import { isObject, MAX_LIST_ENTRIES, type JsonObject } from '../../../../protocol/llm/json-values.ts';

export type MergedValue = Record<string, unknown>;

/** Texts that are not joined, since servers send them whole, some of them in every delta. */
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

/** An object without a prototype, so `__proto__` is an ordinary name in it. */
export const emptyFields = (): MergedValue => Object.create(null) as MergedValue;

const isMissing = (value: unknown): boolean => value === undefined || value === null;

export class Merger {
  /** False: two values could not be merged, so the result may be wrong. */
  isExact = true;
  /** False: a value was dropped because of a limit. */
  isComplete = true;

  /**
   * Merges a delta into `into`. The result may contain objects of the delta. `joinsTexts`: true joins texts, false
   * keeps the last one.
   */
  merge(into: MergedValue, delta: JsonObject, joinsTexts: boolean, depth = 0): void {
    for (const key of Object.keys(delta)) {
      const value = delta[key];
      if (isMissing(value)) continue;
      const isNew = !Object.hasOwn(into, key);
      if (isNew && Object.keys(into).length >= MAX_FIELDS) this.isComplete = false;
      else into[key] = this.#value(key, isNew ? undefined : into[key], value, joinsTexts, depth);
    }
  }

  #value(key: string, old: unknown, value: unknown, joinsTexts: boolean, depth: number): unknown {
    if (isObject(value)) return this.#object(old, value, joinsTexts, depth);
    if (isMissing(old)) return value;
    if (typeof old === 'string' && typeof value === 'string') {
      if (!joinsTexts) return value;
      return WHOLE_TEXTS.has(key) ? this.#sameText(old, value) : old + value;
    }
    if (Array.isArray(old) && Array.isArray(value)) return this.#list(old, value, joinsTexts, depth);
    if (typeof old === typeof value && typeof old !== 'object') return value;
    return this.#mismatch(old);
  }

  /** Merges a text that is not joined. */
  #sameText(old: string, value: string): string {
    if (old === '' || value === '' || old === value) return old || value;
    return this.#mismatch(old);
  }

  #object(old: unknown, value: JsonObject, joinsTexts: boolean, depth: number): unknown {
    if (!isMissing(old) && !isObject(old)) return this.#mismatch(old);
    if (depth >= MAX_DEPTH) return isMissing(old) ? value : this.#mismatch(old);
    const into = isMissing(old) ? emptyFields() : (old as MergedValue);
    this.merge(into, value, joinsTexts, depth + 1);
    return into;
  }

  #list(old: unknown[], value: readonly unknown[], joinsTexts: boolean, depth: number): unknown[] {
    for (const entry of value) {
      const index = isObject(entry) ? entry['index'] : undefined;
      // Only entries with an index are merged with each other.
      const position =
        typeof index === 'number' && old.length <= MAX_LIST_ENTRIES
          ? old.findIndex((other) => isObject(other) && other['index'] === index)
          : -1;
      if (position === -1) old.push(entry);
      else old[position] = this.#object(old[position], entry as JsonObject, joinsTexts, depth);
    }
    return old;
  }

  #mismatch<T>(kept: T): T {
    this.isExact = false;
    return kept;
  }
}
