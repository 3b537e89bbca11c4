// Splits the text of the query bar into tokens, and into pieces that an editor colours.
// Invariant: the pieces cover the text without gaps and overlaps, for every text, in time linear in its length. A part
// that cannot be read is a problem with its place, and reading goes on behind it.

/** A part of a query's text. Places are indexes into it, in UTF-16 code units. */
export interface QueryPlace {
  readonly at: number;
  /** 0: something is missing at this place. */
  readonly length: number;
  /** Text to write in its place instead. */
  readonly suggestion?: string;
}

/** An error in the text of a query. */
export interface QueryProblem extends QueryPlace {
  readonly problem: string;
}

/** What a piece of the text is: `space` between terms, the parts of a condition (`field`, `operator`, `value`), … */
export type PieceKind =
  | 'space'
  | 'word'
  | 'quoted'
  | 'regex'
  | 'field'
  | 'operator'
  | 'value'
  | 'separator'
  | 'connective'
  | 'negation'
  | 'parenthesis';

export interface QueryPiece {
  readonly kind: PieceKind;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export type Operator = ':' | '=' | '!=' | '>' | '>=' | '<' | '<=';

export interface TokenValue {
  readonly text: string;
  /** A quoted value is a text: `*` in it is a character, and digits in it are not a number. */
  readonly isQuoted: boolean;
  readonly at: number;
  readonly end: number;
}

interface Span {
  readonly at: number;
  /** Exclusive. */
  readonly end: number;
}

type Connective = '(' | ')' | 'or' | 'and' | 'not';
type ConnectiveToken = { [T in Connective]: Span & { readonly type: T } }[Connective];

/** `key operator values`. */
export interface FieldTerm extends Span {
  readonly type: 'field';
  readonly key: string;
  /** Written `@key`: an attribute, even if a field has the same name. */
  readonly isAttribute: boolean;
  readonly operator: Operator;
  readonly values: readonly TokenValue[];
}

interface TextTerm extends Span {
  readonly type: 'text';
  readonly text: string;
  readonly isQuoted: boolean;
  /** A `*` follows it directly. */
  readonly isPrefix: boolean;
}

interface RegexTerm extends Span {
  readonly type: 'regex';
  readonly pattern: string;
}

/** A term that could not be read. Its problem is reported. */
interface WrongTerm extends Span {
  readonly type: 'wrong';
}

export type Term = FieldTerm | TextTerm | RegexTerm | WrongTerm;
export type Token = ConnectiveToken | Term;

interface LexedQuery {
  readonly tokens: readonly Token[];
  readonly problems: readonly QueryProblem[];
  /** There are more tokens than the maximum. The others are not read. */
  readonly isCut: boolean;
}

const KEY = /(@?)([\p{L}_][\p{L}\p{M}\p{N}_.-]*|(?<=@)(?="))/uy;
const OPERATOR = /:?(!=|>=|<=|=|>|<)|:/y;
const UNQUOTED_WORD = /[^\s()"|]+/y;
const UNQUOTED_VALUE = /[^\s()"|,]+/y;
/** Maximum length of a field name, since the lookup of an attribute tries every dot of its name in every record. */
const MAX_KEY_LENGTH = 256;
const SPACE = /\s*/y;
/** Text up to the first unescaped `/`, the flag `i`, then the end of the term. */
const REGEX = /\/((?:[^/\\]|\\[^])+)\/(i?)(?=[\s()|]|$)/uy;
const OR = /OR(?=[\s("])/y;
const WORD_OPERATORS = { OR: 'or', AND: 'and', NOT: 'not' } as const;

/** Text in parentheses where a value is expected. */
const NESTED = /\([^)]*\)?/y;

class Lexer {
  readonly #text: string;
  readonly problems: QueryProblem[] = [];
  /** Without the spaces between them. */
  readonly pieces: QueryPiece[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** All tokens, at most `maxTokens`. */
  tokens(maxTokens: number): Token[] {
    const tokens: Token[] = [];
    for (;;) {
      this.#take(SPACE);
      if (this.#at === this.#text.length) return tokens;
      if (tokens.length === maxTokens) {
        const problem = `too many words and operators; the maximum is ${maxTokens}`;
        this.#wrong(problem, this.#at, this.#text.length);
        return tokens;
      }
      tokens.push(this.#next());
    }
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  /** Matches a sticky expression at the current position and moves behind the match. */
  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }

  /** The text from `start` up to the current position is a piece. */
  #piece(kind: PieceKind, start: number): void {
    this.pieces.push({ kind, start, end: this.#at });
  }

  #wrong(problem: string, at: number, end: number, suggestion?: string): WrongTerm {
    this.problems.push({ problem, at, length: end - at, ...(suggestion !== undefined && { suggestion }) });
    return { type: 'wrong', at, end };
  }

  #next(): Token {
    const at = this.#at;
    const character = this.#text[at]!;
    if (character === '(' || character === ')' || character === '|') {
      const end = ++this.#at;
      this.#piece(character === '|' ? 'connective' : 'parenthesis', at);
      return { type: character === '|' ? 'or' : character, at, end };
    }
    if (character === '"') return this.#quoted(at);
    if (character === '-' && /^[^\s)|]/u.test(this.#text.slice(at + 1, at + 3))) {
      const end = ++this.#at;
      this.#piece('negation', at);
      return { type: 'not', at, end };
    }
    if (character === '/') {
      const regex = this.#take(REGEX);
      if (regex !== undefined) {
        this.#piece('regex', at);
        return { type: 'regex', pattern: regexPattern(regex[1]!, regex[2]!), at, end: this.#at };
      }
    }
    return this.#field(at) ?? this.#word(at);
  }

  #quoted(at: number): Token {
    const { text } = this.#quotedValue();
    const isPrefix = this.#text[this.#at] === '*';
    if (isPrefix) this.#at++;
    this.#piece('quoted', at);
    return { type: 'text', text, isQuoted: true, isPrefix, at, end: this.#at };
  }

  /** Reads a text in quotes. `\"` is a quote and `\\` a backslash; any other backslash has no special meaning. */
  #quotedValue(): TokenValue {
    const at = this.#at++;
    let text = '';
    for (let from = this.#at; ; this.#at++) {
      const character = this.#text[this.#at];
      if (character === undefined) {
        const written = this.#text.slice(at);
        this.#wrong(
          'unclosed quote; add a closing " (write \\" for a quote inside the text)',
          at,
          this.#at,
          written === '"' || written.endsWith('\\') ? undefined : `${written}"`,
        );
        return { text: text + this.#text.slice(from), isQuoted: true, at, end: this.#at };
      }
      const next = this.#text[this.#at + 1];
      if (character === '\\' && (next === '"' || next === '\\')) {
        text += this.#text.slice(from, this.#at);
        from = ++this.#at;
      } else if (character === '"') {
        text += this.#text.slice(from, this.#at++);
        return { text, isQuoted: true, at, end: this.#at };
      }
    }
  }

  #field(at: number): Token | undefined {
    const key = this.#take(KEY);
    if (key === undefined) return undefined;
    const name = key[2] === '' ? this.#quotedValue().text : key[2]!;
    const keyEnd = this.#at;
    const operator = this.#take(OPERATOR);
    // `http://host` and `std::vector` are pasted text, not fields.
    const isText =
      operator?.[0] === ':' && (this.#text.startsWith('//', this.#at) || this.#text[this.#at] === ':');
    if (operator === undefined || isText) {
      this.#at = key[2] === '' ? keyEnd : at;
      if (key[2] !== '') return undefined;
      this.#piece('field', at);
      return this.#wrong(`missing operator after @"${name}"; write @"${name}":value`, at, keyEnd);
    }
    this.pieces.push(
      { kind: 'field', start: at, end: keyEnd },
      { kind: 'operator', start: keyEnd, end: this.#at },
    );
    const isLong = name.length > MAX_KEY_LENGTH;
    const tooLong = `field name too long: ${name.length} characters, the maximum is ${MAX_KEY_LENGTH}`;
    const wrong = isLong ? this.#wrong(tooLong, at, keyEnd) : undefined;
    const values = this.#values((isLong ? 'the field' : name) + operator[0]);
    if (wrong !== undefined || values.length === 0) return wrong ?? { type: 'wrong', at, end: this.#at };
    const written = (operator[1] ?? ':') as Operator;
    const isAttribute = key[1] === '@';
    return { type: 'field', key: name, isAttribute, operator: written, values, at, end: this.#at };
  }

  /** Reads `value`, `a,b` or `(a OR b)`. `before`: the key and the operator. */
  #values(before: string): TokenValue[] {
    const opened = this.#text[this.#at] === '(' ? this.#at : undefined;
    if (opened !== undefined) this.#pass('parenthesis');
    const values: TokenValue[] = [];
    for (;;) {
      if (opened !== undefined) this.#take(SPACE);
      const value = this.#value(before, opened !== undefined);
      if (value !== undefined) values.push(value);
      if (opened !== undefined) this.#take(SPACE);
      const character = this.#text[this.#at];
      if (opened === undefined) {
        if (character !== ',') return values;
        this.#pass('separator');
      } else if (character === ')') {
        this.#pass('parenthesis');
        return values;
      } else if (character === undefined) {
        this.#wrong('unclosed parenthesis; add a closing )', opened, opened + 1);
        return values;
      } else if (character === ',' || character === '|') {
        this.#pass('separator');
      } else {
        const at = this.#at;
        if (this.#take(OR) === undefined)
          this.#wrong(`missing OR or comma between values; write ${before}(a OR b)`, at, at + 1);
        else this.#piece('separator', at);
      }
    }
  }

  /** The next character is a piece. */
  #pass(kind: PieceKind): void {
    const at = this.#at++;
    this.#piece(kind, at);
  }

  /** A value; `undefined` if there is none, which is reported. */
  #value(before: string, isInList: boolean): TokenValue | undefined {
    const at = this.#at;
    if (this.#text[at] === '"') {
      const value = this.#quotedValue();
      this.#piece('quoted', at);
      // `key=""` matches a field that is present and empty.
      if (value.text !== '' || !before.endsWith(':')) return value;
    } else {
      const unquoted = this.#take(UNQUOTED_VALUE);
      if (unquoted !== undefined) {
        this.#piece('value', at);
        return { text: unquoted[0], isQuoted: false, at, end: this.#at };
      }
      // Otherwise reading would stop here for ever.
      if (isInList && this.#take(NESTED) !== undefined) this.#piece('value', at);
    }
    const advice =
      'put text with special characters in quotes, or write -key:* for records without the field';
    this.#wrong(`missing value after ${before}; ${advice}`, at, this.#at);
    return undefined;
  }

  #word(at: number): Token {
    const text = this.#take(UNQUOTED_WORD)![0];
    const end = this.#at;
    if (text === 'OR' || text === 'AND' || text === 'NOT') {
      this.#piece(text === 'NOT' ? 'negation' : 'connective', at);
      return { type: WORD_OPERATORS[text], at, end };
    }
    const isOperator = /^(?:[<>=:]|!=)/.test(text);
    this.#piece(isOperator ? 'operator' : 'word', at);
    if (isOperator)
      return this.#wrong(
        `missing field before ${text}; write a condition without spaces (status>=500), or text in quotes`,
        at,
        end,
      );
    if (text === '-') return this.#wrong('missing term after -; write it without a space (-health)', at, end);
    const word = text.endsWith('*') ? text.slice(0, -1) : text;
    if (word.includes('*'))
      return this.#wrong(
        'invalid * inside a word; write it at the end (time*), or use a regular expression (/ti.*out/)',
        at,
        end,
      );
    return { type: 'text', text: word, isQuoted: false, isPrefix: word !== text, at, end };
  }
}

/** Replaces `\/`, which is a slash inside an expression, and writes the flag `i` in RE2's form. */
function regexPattern(written: string, flag: string): string {
  const pattern = written.replace(/\\([^])/gu, (both, escaped: string) => (escaped === '/' ? '/' : both));
  return flag === 'i' ? `(?i)${pattern}` : pattern;
}

/** Splits a query's text into tokens, at most `maxTokens`, with all problems of their form. */
export function lex(text: string, maxTokens: number): LexedQuery {
  const lexer = new Lexer(text);
  const tokens = lexer.tokens(maxTokens);
  return { tokens, problems: lexer.problems, isCut: !lexer.isAtEnd };
}

/** The pieces of a text, for colours; of an unfinished text too. Together they are the text. */
export function piecesOf(text: string): QueryPiece[] {
  const lexer = new Lexer(text);
  lexer.tokens(Infinity);
  const pieces: QueryPiece[] = [];
  let end = 0;
  for (const piece of lexer.pieces) {
    if (piece.start > end) pieces.push({ kind: 'space', start: end, end: piece.start });
    pieces.push(piece);
    ({ end } = piece);
  }
  if (text.length > end) pieces.push({ kind: 'space', start: end, end: text.length });
  return pieces;
}
