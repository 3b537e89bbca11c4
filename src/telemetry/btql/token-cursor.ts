// Reads tokens one after the other, and says what was expected where another one is.
// Invariant: the last token is the end of the text, and reading does not go beyond it.
import type { QueryToken } from './tokens.ts';
import { QueryError } from './tree.ts';

export class TokenCursor {
  readonly #tokens: readonly QueryToken[];
  #i = 0;

  constructor(tokens: readonly QueryToken[]) {
    this.#tokens = tokens;
  }

  get token(): QueryToken {
    return this.#tokens[this.#i]!;
  }

  get isAtEnd(): boolean {
    return this.token.type === 'end';
  }

  peek(ahead: number): QueryToken {
    return this.#tokens[Math.min(this.#i + ahead, this.#tokens.length - 1)]!;
  }

  next(): QueryToken {
    const { token } = this;
    if (token.type !== 'end') this.#i++;
    return token;
  }

  isSign(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.type === 'sign' && token.text === text;
  }

  isWord(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.type === 'word' && token.text.toLowerCase() === text;
  }

  takeSign(text: string): boolean {
    const is = this.isSign(text);
    if (is) this.#i++;
    return is;
  }

  takeWord(text: string): boolean {
    const is = this.isWord(text);
    if (is) this.#i++;
    return is;
  }

  expectSign(text: string, where: string): void {
    if (!this.takeSign(text)) throw this.unexpected(`expected ${text} ${where}`);
  }

  expectWord(text: string, where: string): void {
    if (!this.takeWord(text)) throw this.unexpected(`expected ${text.toUpperCase()} ${where}`);
  }

  /** An error at the current token. */
  unexpected(expected: string): QueryError {
    const { token } = this;
    const found =
      token.type === 'end'
        ? 'the query ends here'
        : `found ${JSON.stringify(shownToken(token).slice(0, 40))}`;
    return new QueryError(`${expected}, but ${found}`, token.at);
  }

  text(what: string): string {
    const token = this.next();
    if (token.type !== 'string') throw new QueryError(`${what} must be a text in quotes`, token.at);
    return token.text;
  }

  /** A name of a column, plain or in quotes. */
  name(what: string): string {
    const { token } = this;
    if (token.type !== 'word' && token.type !== 'string') throw this.unexpected(`expected ${what}`);
    this.next();
    return token.text;
  }

  whole(what: string, min: number): number {
    const { at } = this.token;
    const isNegative = this.takeSign('-');
    const token = this.next();
    const value = token.type === 'number' ? (isNegative ? -token.value : token.value) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < min)
      throw new QueryError(`${what} must be a whole number of at least ${min}`, at);
    return value;
  }

  list<T>(item: () => T): T[] {
    const items = [item()];
    while (this.takeSign(',')) items.push(item());
    return items;
  }
}

const shownToken = (token: QueryToken): string =>
  token.type === 'string' ? `${token.quote}${token.text}${token.quote}` : token.text;
