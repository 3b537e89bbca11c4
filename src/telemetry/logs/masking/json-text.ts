// Masks a body of JSON without parsing it as a whole: every text is decoded, masked and encoded again if that changed it,
// and values at given paths are replaced. All other characters stay as they were sent.
// Invariant: a masked body of valid JSON is valid JSON. A body that is cut is masked up to its end.
import { PathMatcher, type JsonPath, type PathState } from './json-path.ts';

/** What is done with a value at a path. */
export interface PathRule {
  readonly path: JsonPath;
  /** The text that the value becomes. `value`: the text, or the JSON of another value. */
  readonly replace: (value: string) => string;
}

export interface MaskedJson {
  readonly text: string;
  /** False: the text is not JSON, so values at paths may not have been found. */
  readonly isJson: boolean;
}

interface Container {
  readonly isList: boolean;
  readonly state: PathState;
  /** Of the next item. */
  index: number;
  /** Name of the current member. */
  name: string;
  /** What comes next in JSON, white space aside. */
  next: 'name' | ':' | 'value' | ',';
}

const NUMBER = /-?\d[\d.eE+-]*/y;
/** Digits that a rule may find in a number. Some programs write them as `4111111111111111.0`. */
const LONG_NUMBER = /^-?(\d{9,19})(?:\.0+)?$/;
const WORD = /[a-z]+/y;
const LITERAL = /^(?:true|false|null)$/;

/** True if a body seems to be JSON. */
export const looksLikeJson = (text: string): boolean => /^\s*[[{"]/.test(text);

/** Index behind the text that begins at `at`; -1: it has no end. */
function endOfText(json: string, at: number): number {
  for (let quote = json.indexOf('"', at + 1); quote !== -1; quote = json.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (json[quote - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return -1;
}

/** The value of a text in JSON. A broken escape stays as it is. */
function decode(literal: string): string {
  const inner = literal.slice(1, -1);
  if (!inner.includes('\\')) return inner;
  try {
    return JSON.parse(literal) as string;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return inner;
  }
}

export class JsonMasker {
  readonly #mask: (text: string, before: string) => string;
  readonly #matcher: PathMatcher;
  readonly #rules: readonly PathRule[];

  /** `mask`: masks a text; `before`: name of its member. */
  constructor(mask: (text: string, before: string) => string, rules: readonly PathRule[]) {
    this.#mask = mask;
    this.#rules = rules;
    this.#matcher = new PathMatcher(rules.map(({ path }) => path));
  }

  /** Masks JSON, also several values one after the other. */
  mask(json: string): MaskedJson {
    return new Pass(json, this.#mask, this.#matcher, this.#rules).run();
  }
}

/** One pass over a body. */
class Pass {
  readonly #json: string;
  readonly #mask: (text: string, before: string) => string;
  readonly #matcher: PathMatcher;
  readonly #rules: readonly PathRule[];
  readonly #open: Container[] = [];
  #isJson = true;
  #out = '';
  /** Up to here everything is in `#out`. */
  #from = 0;
  #at = 0;

  constructor(
    json: string,
    mask: (text: string, before: string) => string,
    matcher: PathMatcher,
    rules: readonly PathRule[],
  ) {
    this.#json = json;
    this.#mask = mask;
    this.#matcher = matcher;
    this.#rules = rules;
  }

  run(): MaskedJson {
    const json = this.#json;
    while (this.#at < json.length) {
      const character = json[this.#at]!;
      const container = this.#open.at(-1);
      if (container?.next === 'name' && character === '"') this.#name(container);
      else if (isSpace(character)) this.#at++;
      else if (character === ',') this.#comma(container);
      else if (character === ':') this.#colon(container);
      else if (character === '}' || character === ']') this.#close(character, container);
      else this.#value(character, container);
    }
    return { text: this.#out + json.slice(this.#from), isJson: this.#isJson };
  }

  #name(container: Container): void {
    const end = endOfText(this.#json, this.#at);
    const literal = end === -1 ? `${this.#json.slice(this.#at)}"` : this.#json.slice(this.#at, end);
    container.name = decode(literal);
    container.next = ':';
    this.#text(literal, end, '');
  }

  #colon(container: Container | undefined): void {
    this.#at++;
    if (container?.next === ':') container.next = 'value';
    else this.#isJson = false;
  }

  #comma(container: Container | undefined): void {
    this.#at++;
    if (container?.next !== ',') this.#isJson = false;
    if (container === undefined) return;
    if (container.isList) container.index++;
    container.next = container.isList ? 'value' : 'name';
  }

  #close(character: string, container: Container | undefined): void {
    this.#at++;
    if (container === undefined || container.isList !== (character === ']')) this.#isJson = false;
    this.#open.pop();
  }

  #value(character: string, container: Container | undefined): void {
    if (container !== undefined) {
      if (container.next !== 'value') this.#isJson = false;
      container.next = ',';
    }
    const state = this.#stateOf(container);
    const rule = this.#matcher.ended(state);
    if (rule !== -1) return this.#replaceValue(rule);
    if (character === '"') {
      const end = endOfText(this.#json, this.#at);
      const literal = end === -1 ? `${this.#json.slice(this.#at)}"` : this.#json.slice(this.#at, end);
      return this.#text(literal, end, container?.name ?? '');
    }
    if (character === '{' || character === '[') {
      const isList = character === '[';
      this.#open.push({
        isList,
        state,
        index: 0,
        name: isList ? (container?.name ?? '') : '',
        next: isList ? 'value' : 'name',
      });
      this.#at++;
      return;
    }
    NUMBER.lastIndex = this.#at;
    const [number = ''] = NUMBER.exec(this.#json) ?? [];
    if (number === '') return this.#word();
    const digits = LONG_NUMBER.exec(number)?.[1] ?? '';
    const masked = digits === '' ? '' : this.#mask(digits, container?.name ?? '');
    if (masked !== digits) this.#put(JSON.stringify(masked), this.#at, this.#at + number.length);
    this.#at += number.length;
  }

  /** Passes over `true`, `false` or `null`, the last one of a body that is cut, or what is not JSON. */
  #word(): void {
    WORD.lastIndex = this.#at;
    const [word = ''] = WORD.exec(this.#json) ?? [];
    const end = this.#at + Math.max(1, word.length);
    if (!LITERAL.test(word) && end < this.#json.length) this.#isJson = false;
    this.#at = end;
  }

  #stateOf(container: Container | undefined): PathState {
    if (container === undefined) return this.#matcher.root;
    return this.#matcher.next(container.state, container.isList ? container.index : container.name);
  }

  /** Masks a text. `end`: behind it; -1: the body ends within it. */
  #text(literal: string, end: number, before: string): void {
    const text = decode(literal);
    const masked = this.#mask(text, before);
    const next = end === -1 ? this.#json.length : end;
    if (masked !== text) {
      const encoded = JSON.stringify(masked);
      this.#put(end === -1 ? encoded.slice(0, -1) : encoded, this.#at, next);
    }
    this.#at = next;
  }

  #replaceValue(rule: number): void {
    const end = this.#endOfValue(this.#at);
    const raw = this.#json.slice(this.#at, end);
    const value = raw.startsWith('"') ? decode(raw) : raw;
    this.#put(JSON.stringify(this.#rules[rule]!.replace(value)), this.#at, end);
    this.#at = end;
  }

  /** Index behind the value that begins at `at`. */
  #endOfValue(at: number): number {
    const json = this.#json;
    let depth = 0;
    for (let i = at; i < json.length; i++) {
      const character = json[i]!;
      if (character === '"') {
        const end = endOfText(json, i);
        if (end === -1) return json.length;
        i = end - 1;
      } else if (character === '{' || character === '[') depth++;
      else if (character === '}' || character === ']') {
        if (depth === 0) return i;
        depth--;
      } else if (depth === 0 && (character === ',' || isSpace(character))) return i;
      if (depth === 0 && /["}\]]/.test(character)) return i + 1;
    }
    return json.length;
  }

  #put(text: string, from: number, to: number): void {
    this.#out += this.#json.slice(this.#from, from) + text;
    this.#from = to;
  }
}

const isSpace = (character: string): boolean =>
  character === ' ' || character === '\n' || character === '\r' || character === '\t';
