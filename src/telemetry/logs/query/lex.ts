// The query bar's text, cut into tokens.
// Must stay true: every text becomes tokens or a problem with its place, in time linear in the text; what stands between
// double quotes is never anything but text.

/** What is wrong with a query in words, and where: index into the text, in UTF-16 code units. */
export interface QueryProblem {
  readonly problem: string;
  readonly at: number;
}

export type Operator = ':' | '=' | '!=' | '>' | '>=' | '<' | '<=';

export interface TokenValue {
  readonly text: string;
  /** Taken letter by letter: no `*`, no number. */
  readonly isQuoted: boolean;
  readonly at: number;
}

/** A sign or word that combines terms. */
export type Sign = { [T in '(' | ')' | 'or' | 'and' | 'not']: { readonly type: T; readonly at: number } }[
  '(' | ')' | 'or' | 'and' | 'not'];

export type Term = { readonly at: number } & (
  | {
      readonly type: 'text';
      readonly text: string;
      readonly isQuoted: boolean;
      /** A `*` stood right behind it. */
      readonly isPrefix: boolean;
    }
  | { readonly type: 'regex'; readonly pattern: string }
  | {
      readonly type: 'field';
      readonly key: string;
      /** Written `@key`: an attribute, whatever its name. */
      readonly isLiteral: boolean;
      readonly operator: Operator;
      readonly values: readonly TokenValue[];
    }
);

export type Token = Sign | Term;

const KEY = /(@?)([\p{L}_][\p{L}\p{M}\p{N}_.-]*|(?<=@)(?="))/uy;
const OPERATOR = /:?(!=|>=|<=|=|>|<)|:/y;
const BARE = /[^\s()"|]+/y;
const BARE_VALUE = /[^\s()"|,]+/y;
/** Of a field's name: an attribute is looked for at each of its dots, in every record. */
const LONGEST_KEY = 256;
const SPACE = /\s*/y;
/** Up to the first `/` that no backslash stands before; the flag `i`; then the end of the term. */
const REGEX = /\/((?:[^/\\]|\\[^])+)\/(i?)(?=[\s()|]|$)/uy;
const WORD_OPERATORS = { OR: 'or', AND: 'and', NOT: 'not' } as const;

const isProblem = (x: object): x is QueryProblem => 'problem' in x;

class Lexer {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** All tokens, or the first problem; at most `most` of them. */
  tokens(most: number): Token[] | QueryProblem {
    const tokens: Token[] = [];
    for (;;) {
      this.#take(SPACE);
      if (this.#at === this.#text.length) return tokens;
      if (tokens.length === most)
        return { problem: `a query has at most ${most} words and signs`, at: this.#at };
      const token = this.#next();
      if (isProblem(token)) return token;
      tokens.push(token);
    }
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }

  #next(): Token | QueryProblem {
    const at = this.#at;
    const sign = this.#text[at]!;
    if (sign === '(' || sign === ')' || sign === '|') {
      this.#at++;
      return { type: sign === '|' ? 'or' : sign, at };
    }
    if (sign === '"') return this.#quoted(at);
    if (sign === '-' && /^[^\s)|]/u.test(this.#text.slice(at + 1, at + 3))) {
      this.#at++;
      return { type: 'not', at };
    }
    if (sign === '/') {
      const regex = this.#take(REGEX);
      if (regex !== undefined) return { type: 'regex', pattern: patternOf(regex[1]!, regex[2]!), at };
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

  /** `\"` and `\\` stand for the sign itself; another backslash is a backslash. */
  #quotedValue(): TokenValue | QueryProblem {
    const at = this.#at++;
    let text = '';
    for (let from = this.#at; ; this.#at++) {
      const sign = this.#text[this.#at];
      if (sign === undefined)
        return { problem: 'this quote is not closed: a " is missing (write \\" for a quote inside)', at };
      const next = this.#text[this.#at + 1];
      if (sign === '\\' && (next === '"' || next === '\\')) {
        text += this.#text.slice(from, this.#at);
        from = ++this.#at;
      } else if (sign === '"') {
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
    if (name.length > LONGEST_KEY)
      return { problem: `a field's name has at most ${LONGEST_KEY} characters`, at };
    const operator = this.#take(OPERATOR);
    // `http://host` and `std::vector` are text that people paste, not fields.
    const isText =
      operator?.[0] === ':' && (this.#text.startsWith('//', this.#at) || this.#text[this.#at] === ':');
    if (operator === undefined || isText) {
      this.#at = at;
      if (key[2] !== '') return undefined;
      return { problem: `behind @"${name}" stands what is asked of it: @"${name}":value`, at };
    }
    const values = this.#values(name + operator[0]);
    if (isProblem(values)) return values;
    const written = (operator[1] ?? ':') as Operator;
    return { type: 'field', key: name, isLiteral: key[1] === '@', operator: written, values, at };
  }

  /** `value`, `a,b` or `(a OR b)`. */
  #values(before: string): TokenValue[] | QueryProblem {
    const opened = this.#text[this.#at] === '(' ? this.#at++ : undefined;
    const values: TokenValue[] = [];
    for (;;) {
      if (opened !== undefined) this.#take(SPACE);
      const value = this.#value(before);
      if (isProblem(value)) return value;
      values.push(value);
      if (opened !== undefined) this.#take(SPACE);
      const sign = this.#text[this.#at];
      if (opened === undefined) {
        if (sign !== ',') return values;
        this.#at++;
      } else if (sign === ')') {
        this.#at++;
        return values;
      } else if (sign === undefined) {
        return { problem: 'this parenthesis is not closed: a ) is missing', at: opened };
      } else if (sign === ',' || sign === '|') {
        this.#at++;
      } else if (this.#take(/OR(?=[\s("])/y) === undefined) {
        return {
          problem: `between the values of ${before} stands OR or a comma: ${before}(a OR b)`,
          at: this.#at,
        };
      }
    }
  }

  #value(before: string): TokenValue | QueryProblem {
    const at = this.#at;
    if (this.#text[at] === '"') {
      const value = this.#quotedValue();
      // `key=""`: is there, and is empty.
      if (isProblem(value) || value.text !== '' || !before.endsWith(':')) return value;
    } else {
      const bare = this.#take(BARE_VALUE);
      if (bare !== undefined) return { text: bare[0], isQuoted: false, at };
    }
    const why = 'a text with signs in it goes into quotes, and -key:* finds records without the field';
    return { problem: `a value is missing behind ${before} (${why})`, at };
  }

  #word(at: number): Token | QueryProblem {
    const text = this.#take(BARE)![0];
    if (text === 'OR' || text === 'AND' || text === 'NOT') return { type: WORD_OPERATORS[text], at };
    if (/^(?:[<>=:]|!=)/.test(text))
      return {
        problem: `a field is missing before ${text}: write it without spaces (status>=500), or a text in quotes`,
        at,
      };
    if (text === '-') return { problem: 'behind - stands what is left out, without a space', at };
    const bare = text.endsWith('*') ? text.slice(0, -1) : text;
    if (bare.includes('*'))
      return { problem: 'a * stands at the end of a word (time*); in the middle, use /ti.*out/', at };
    return { type: 'text', text: bare, isQuoted: false, isPrefix: bare !== text, at };
  }
}

/** `\/` is how a slash is written in here; to the expression it is the slash. */
function patternOf(written: string, flag: string): string {
  const pattern = written.replace(/\\([^])/gu, (both, sign: string) => (sign === '/' ? '/' : both));
  return flag === 'i' ? `(?i)${pattern}` : pattern;
}

/** The tokens of a query's text, at most `most` of them, or what is wrong with it. */
export const lex = (text: string, most: number): Token[] | QueryProblem => new Lexer(text).tokens(most);
