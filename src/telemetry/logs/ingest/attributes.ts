// Converts the attributes of a log line to JSON text, redacted and limited in size.
// Invariant: the cost is limited for every object, however deep, wide or long it is.
import { REDACTED, type Redactor } from './redact.ts';
import { printable } from './terminal-escapes.ts';

/** Limits: number of values, levels of nesting, characters of all names and texts, characters of one text. */
const MAX_VALUES = 512;
const MAX_DEPTH = 6;
const MAX_CHARACTERS = 64 * 1024;
const MAX_TEXT = 32 * 1024;

type Plain = Record<string, unknown>;

/**
 * The attributes as JSON text; empty if there are none. Values beyond the limits are dropped; `attributes_dropped` is
 * their number. A text that is too long is cut and ends with `…`.
 */
export function attributesText(attributes: Readonly<Plain>, redactor: Redactor): string {
  const copy = new BoundedCopy(redactor);
  const out = copy.object(attributes, 0);
  if (copy.dropped > 0) out['attributes_dropped'] = copy.dropped;
  const text = JSON.stringify(out);
  return text === '{}' ? '' : text;
}

class BoundedCopy {
  dropped = 0;
  #values = 0;
  #characters = 0;
  readonly #redactor: Redactor;

  constructor(redactor: Redactor) {
    this.#redactor = redactor;
  }

  /** Copies an object. The copy has no prototype, so `__proto__` is an ordinary name in it. */
  object(source: Readonly<Plain>, depth: number): Plain {
    const out = Object.create(null) as Plain;
    const keys = Object.keys(source);
    for (const [i, key] of keys.entries()) {
      if (this.#isFull()) {
        this.dropped += keys.length - i;
        break;
      }
      const value = source[key];
      if (value === undefined) continue;
      this.#characters += key.length;
      const kept =
        this.#redactor.isSecretName(key) && isSecret(key, value) ? REDACTED : this.#value(value, depth);
      if (kept === undefined) this.dropped++;
      else out[this.#redactor.redactText(key)] = kept;
    }
    return out;
  }

  #list(source: readonly unknown[], depth: number): unknown[] {
    const out: unknown[] = [];
    for (const [i, item] of source.entries()) {
      if (this.#isFull()) {
        this.dropped += source.length - i;
        break;
      }
      const kept = this.#value(item, depth);
      if (kept === undefined) this.dropped++;
      else out.push(kept);
    }
    return out;
  }

  /** `undefined`: beyond the limits. */
  #value(value: unknown, depth: number): unknown {
    this.#values++;
    if (typeof value === 'string') return this.#text(value);
    if (typeof value !== 'object' || value === null) return value;
    if (depth >= MAX_DEPTH) return undefined;
    return Array.isArray(value) ? this.#list(value, depth + 1) : this.object(value as Plain, depth + 1);
  }

  #text(value: string): string | undefined {
    const text = this.#redactor.redactText(printable(value));
    const free = Math.min(MAX_TEXT, MAX_CHARACTERS - this.#characters);
    if (free <= 0 && text !== '') return undefined;
    this.#characters += Math.min(text.length, free);
    return text.length > free ? `${text.slice(0, free)}…`.toWellFormed() : text;
  }

  #isFull(): boolean {
    return this.#values >= MAX_VALUES || this.#characters >= MAX_CHARACTERS;
  }
}

/** False for empty values, booleans, and a number of tokens. */
const isSecret = (key: string, value: unknown): boolean =>
  value !== null &&
  value !== '' &&
  typeof value !== 'boolean' &&
  !(typeof value === 'number' && /token$/i.test(key));
