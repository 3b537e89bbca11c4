// Splits the text of the query bar into tokens.
// Invariant: the result is tokens or an error with a position, for every text, in time linear in its length.

/** An error in the text of a query. */
export interface QueryProblem {
  readonly problem: string;
  /** Index into the text, in UTF-16 code units. */
  readonly at: number;
}

export type Operator = ':' | '=' | '!=' | '>' | '>=' | '<' | '<=';

export interface TokenValue {
  readonly text: string;
  /** A quoted value is a text: `*` in it is a character, and digits in it are not a number. */
  readonly isQuoted: boolean;
  readonly at: number;
}

type Connective = '(' | ')' | 'or' | 'and' | 'not';
type ConnectiveToken = { [T in Connective]: { readonly type: T; readonly at: number } }[Connective];

export type Term = { readonly at: number } & (
  | {
      readonly type: 'text';
      readonly text: string;
      readonly isQuoted: boolean;
      /** A `*` follows it directly. */
      readonly isPrefix: boolean;
    }
  | { readonly type: 'regex'; readonly pattern: string }
  | {
      readonly type: 'field';
      readonly key: string;
      /** Written `@key`: an attribute, even if a field has the same name. */
      readonly isAttribute: boolean;
      readonly operator: Operator;
      readonly values: readonly TokenValue[];
    }
);

export type Token = ConnectiveToken | Term;

const KEY = /(@?)([\p{L}_][\p{L}\p{M}\p{N}_.-]*|(?<=@)(?="))/uy;
const OPERATOR = /:?(!=|>=|<=|=|>|<)|:/y;
const UNQUOTED_WORD = /[^\s()"|]+/y;
const UNQUOTED_VALUE = /[^\s()"|,]+/y;
/** Maximum length of a field name, since the lookup of an attribute tries every dot of its name in every record. */
const MAX_KEY_LENGTH = 256;
const SPACE = /\s*/y;
/** Text up to the first unescaped `/`, the flag `i`, then the end of the term. */
const REGEX = /\/((?:[^/\\]|\\[^])+)\/(i?)(?=[\s()|]|$)/uy;
const WORD_OPERATORS = { OR: 'or', AND: 'and', NOT: 'not' } as const;

const isProblem = (x: object): x is QueryProblem => 'problem' in x;

class Lexer {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  tokens(maxTokens: number): Token[] | QueryProblem {
    const tokens: Token[] = [];
    for (;;) {
      this.#take(SPACE);
      if (this.#at === this.#text.length) return tokens;
      if (tokens.length === maxTokens)
        return { problem: `too many words and operators; the maximum is ${maxTokens}`, at: this.#at };
      const token = this.#next();
      if (isProblem(token)) return token;
      tokens.push(token);
    }
  }

  /** Matches a sticky expression at the current position and moves behind the match. */
  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }

  #next(): Token | QueryProblem {
    const at = this.#at;
    const character = this.#text[at]!;
    if (character === '(' || character === ')' || character === '|') {
      this.#at++;
      return { type: character === '|' ? 'or' : character, at };
    }
    if (character === '"') return this.#quoted(at);
    if (character === '-' && /^[^\s)|]/u.test(this.#text.slice(at + 1, at + 3))) {
      this.#at++;
      return { type: 'not', at };
    }
    if (character === '/') {
      const regex = this.#take(REGEX);
      if (regex !== undefined) return { type: 'regex', pattern: regexPattern(regex[1]!, regex[2]!), at };
    }
    return this.#field(at) ?? this.#word(at);
  }

  #quoted(at: number): Token | QueryProblem {
    const value = this.#quotedValue();
    if (isProblem(value)) return value;
    const isPrefix = this.#text[this.#at] === '*';
    if (isPrefix) this.#at++;
    return { type: 'text', text: value.text, isQuoted: true, isPrefix, at };
  }

  /** Reads a text in quotes. `\"` is a quote and `\\` a backslash; any other backslash has no special meaning. */
  #quotedValue(): TokenValue | QueryProblem {
    const at = this.#at++;
    let text = '';
    for (let from = this.#at; ; this.#at++) {
      const character = this.#text[this.#at];
      if (character === undefined)
        return { problem: 'unclosed quote; add a closing " (write \\" for a quote inside the text)', at };
      const next = this.#text[this.#at + 1];
      if (character === '\\' && (next === '"' || next === '\\')) {
        text += this.#text.slice(from, this.#at);
        from = ++this.#at;
      } else if (character === '"') {
        text += this.#text.slice(from, this.#at++);
        return { text, isQuoted: true, at };
      }
    }
  }

  #field(at: number): Token | QueryProblem | undefined {
    const key = this.#take(KEY);
    if (key === undefined) return undefined;
    let name = key[2]!;
    if (name === '') {
      const quoted = this.#quotedValue();
      if (isProblem(quoted)) return quoted;
      name = quoted.text;
    }
    if (name.length > MAX_KEY_LENGTH)
      return {
        problem: `field name too long: ${name.length} characters, the maximum is ${MAX_KEY_LENGTH}`,
        at,
      };
    const operator = this.#take(OPERATOR);
    // `http://host` and `std::vector` are pasted text, not fields.
    const isText =
      operator?.[0] === ':' && (this.#text.startsWith('//', this.#at) || this.#text[this.#at] === ':');
    if (operator === undefined || isText) {
      this.#at = at;
      if (key[2] !== '') return undefined;
      return { problem: `missing operator after @"${name}"; write @"${name}":value`, at };
    }
    const values = this.#values(name + operator[0]);
    if (isProblem(values)) return values;
    const written = (operator[1] ?? ':') as Operator;
    return { type: 'field', key: name, isAttribute: key[1] === '@', operator: written, values, at };
  }

  /** Reads `value`, `a,b` or `(a OR b)`. `before`: the key and the operator. */
  #values(before: string): TokenValue[] | QueryProblem {
    const opened = this.#text[this.#at] === '(' ? this.#at++ : undefined;
    const values: TokenValue[] = [];
    for (;;) {
      if (opened !== undefined) this.#take(SPACE);
      const value = this.#value(before);
      if (isProblem(value)) return value;
      values.push(value);
      if (opened !== undefined) this.#take(SPACE);
      const character = this.#text[this.#at];
      if (opened === undefined) {
        if (character !== ',') return values;
        this.#at++;
      } else if (character === ')') {
        this.#at++;
        return values;
      } else if (character === undefined) {
        return { problem: 'unclosed parenthesis; add a closing )', at: opened };
      } else if (character === ',' || character === '|') {
        this.#at++;
      } else if (this.#take(/OR(?=[\s("])/y) === undefined) {
        return { problem: `missing OR or comma between values; write ${before}(a OR b)`, at: this.#at };
      }
    }
  }

  #value(before: string): TokenValue | QueryProblem {
    const at = this.#at;
    if (this.#text[at] === '"') {
      const value = this.#quotedValue();
      // `key=""` matches a field that is present and empty.
      if (isProblem(value) || value.text !== '' || !before.endsWith(':')) return value;
    } else {
      const unquoted = this.#take(UNQUOTED_VALUE);
      if (unquoted !== undefined) return { text: unquoted[0], isQuoted: false, at };
    }
    const advice =
      'put text with special characters in quotes, or write -key:* for records without the field';
    return { problem: `missing value after ${before}; ${advice}`, at };
  }

  #word(at: number): Token | QueryProblem {
    const text = this.#take(UNQUOTED_WORD)![0];
    if (text === 'OR' || text === 'AND' || text === 'NOT') return { type: WORD_OPERATORS[text], at };
    if (/^(?:[<>=:]|!=)/.test(text))
      return {
        problem: `missing field before ${text}; write a condition without spaces (status>=500), or text in quotes`,
        at,
      };
    if (text === '-') return { problem: 'missing term after -; write it without a space (-health)', at };
    const word = text.endsWith('*') ? text.slice(0, -1) : text;
    if (word.includes('*'))
      return {
        problem:
          'invalid * inside a word; write it at the end (time*), or use a regular expression (/ti.*out/)',
        at,
      };
    return { type: 'text', text: word, isQuoted: false, isPrefix: word !== text, at };
  }
}

/** Replaces `\/`, which is a slash inside an expression, and writes the flag `i` in RE2's form. */
function regexPattern(written: string, flag: string): string {
  const pattern = written.replace(/\\([^])/gu, (both, escaped: string) => (escaped === '/' ? '/' : both));
  return flag === 'i' ? `(?i)${pattern}` : pattern;
}

/** Returns the tokens of a query's text, or its first error. */
export const lex = (text: string, maxTokens: number): Token[] | QueryProblem =>
  new Lexer(text).tokens(maxTokens);
