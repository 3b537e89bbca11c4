// Converts the attributes of a log line to JSON text, redacted and limited in size.
// Invariant: the cost is limited for every object, however deep, wide or long it is.
import { REDACTED, type Redactor } from './redact.ts';
import { printable } from './terminal-escapes.ts';

/** Limits of the attributes of a record. */
export interface AttributeLimits {
  /** Number of values. */
  readonly values: number;
  /** Levels of nesting. */
  readonly depth: number;
  /** Characters of all names and texts, and of one text. */
  readonly characters: number;
  readonly text: number;
}

const LIMITS: AttributeLimits = { values: 512, depth: 6, characters: 64 * 1024, text: 32 * 1024 };

type Plain = Record<string, unknown>;

/** Attributes within their limits, redacted. */
export interface BoundedAttributes {
  readonly object: Plain;
  /** Number of values that were dropped, and of texts that were cut. */
  readonly dropped: number;
  readonly cut: number;
  /** What the object has of each limited amount. */
  readonly has: AttributeLimits;
}

/**
 * The attributes as JSON text; empty if there are none. Values beyond the limits are dropped; `attributes_dropped` is
 * their number. A text that is too long is cut and ends with `…`.
 */
export function attributesText(
  attributes: Readonly<Plain>,
  redactor: Redactor,
  limits: AttributeLimits = LIMITS,
): string {
  const { object, dropped } = boundedAttributes(attributes, redactor, limits);
  if (dropped > 0) object['attributes_dropped'] = dropped;
  const text = JSON.stringify(object);
  return text === '{}' ? '' : text;
}

/** The attributes within the limits, redacted. */
export function boundedAttributes(
  attributes: Readonly<Plain>,
  redactor: Redactor,
  limits: AttributeLimits,
): BoundedAttributes {
  const copy = new BoundedCopy(redactor, limits);
  const object = copy.object(attributes, 0);
  const { dropped, cut, has } = copy;
  return { object, dropped, cut, has };
}

function setMember(object: Plain, name: string, value: unknown): void {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

class BoundedCopy {
  dropped = 0;
  cut = 0;
  #values = 0;
  #characters = 0;
  #depth = 0;
  #longest = 0;
  readonly #redactor: Redactor;
  readonly #limits: AttributeLimits;

  constructor(redactor: Redactor, limits: AttributeLimits) {
    this.#redactor = redactor;
    this.#limits = limits;
  }

  get has(): AttributeLimits {
    return {
      values: this.#values,
      depth: this.#depth,
      characters: this.#characters,
      text: this.#longest,
    };
  }

  /** Copies an object. `__proto__` is an ordinary name in the copy. */
  object(source: Readonly<Plain>, depth: number): Plain {
    // An object without a prototype would be several times slower, also when it becomes JSON.
    const out: Plain = {};
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
      else setMember(out, this.#redactor.redactText(key), kept);
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
    if (typeof value === 'number') return this.#redactor.redactNumber(value);
    if (typeof value !== 'object' || value === null) return value;
    if (depth >= this.#limits.depth) return undefined;
    if (depth >= this.#depth) this.#depth = depth + 1;
    return Array.isArray(value) ? this.#list(value, depth + 1) : this.object(value as Plain, depth + 1);
  }

  #text(value: string): string | undefined {
    const text = this.#redactor.redactText(printable(value));
    const free = Math.min(this.#limits.text, this.#limits.characters - this.#characters);
    if (free <= 0 && text !== '') return undefined;
    this.#characters += Math.min(text.length, free);
    if (text.length > this.#longest) this.#longest = text.length;
    if (text.length <= free) return text;
    this.cut++;
    return `${text.slice(0, free)}…`.toWellFormed();
  }

  #isFull(): boolean {
    return this.#values >= this.#limits.values || this.#characters >= this.#limits.characters;
  }
}

/** False for empty values, booleans, and a number of tokens. */
const isSecret = (key: string, value: unknown): boolean =>
  value !== null &&
  value !== '' &&
  typeof value !== 'boolean' &&
  !(typeof value === 'number' && /token$/i.test(key));
