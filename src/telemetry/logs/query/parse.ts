// The query bar: text → a question to the record.
// Must stay true: every text is a question or a problem with its place, never an exception; whatever is accepted is
// bounded (length, depth, terms), so that a question costs no more than it looks.
import { compileRegex } from '../regex.ts';
import { fieldFilter, textNode } from './field-filter.ts';
import { lex, type QueryProblem, type Term, type Token } from './lex.ts';
import type { QueryNode } from './query-node.ts';

export type { QueryProblem } from './lex.ts';

export interface ParsedQuery {
  readonly node: QueryNode;
  /** What was accepted but may not have been meant, in words for people. */
  readonly hints: readonly string[];
}

/** Of a text in UTF-16 code units, of parentheses and negations around one term, of terms, of an expression, of a phrase's words. */
export const MOST = { text: 4096, depth: 32, terms: 100, tokens: 600, regex: 256, words: 100 } as const;

const isProblem = (x: object): x is QueryProblem => 'problem' in x;

/** What is wrong with a regular expression in words; `undefined`: nothing. */
export function regexProblem(pattern: string): string | undefined {
  if (pattern.length > MOST.regex) return `a regular expression has at most ${MOST.regex} characters`;
  const compiled = compileRegex(pattern);
  return typeof compiled === 'string' ? compiled : undefined;
}

/** All of them; one alone is itself, none holds always. */
export function allOf(of: readonly QueryNode[]): QueryNode {
  if (of.length === 1) return of[0]!;
  return of.length === 0 ? { op: 'all' } : { op: 'and', of };
}

const anyOf = (of: readonly QueryNode[]): QueryNode => (of.length === 1 ? of[0]! : { op: 'or', of });
const not = (of: QueryNode): QueryNode => ({ op: 'not', of });

/** A long phrase over a long text that nearly repeats it costs the product of both. */
const bounded = (node: QueryNode, at: number): QueryNode | QueryProblem =>
  node.op === 'words' && node.words.length > MOST.words
    ? { problem: `a text that is searched has at most ${MOST.words} words`, at }
    : node;

class Parser {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  readonly hints = new Set<string>();
  #next = 0;
  #terms = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens;
    this.#end = end;
  }

  query(): QueryNode | QueryProblem {
    if (this.#tokens.length === 0) return { op: 'all' };
    const node = this.#or(0);
    const left = this.#tokens[this.#next];
    if (isProblem(node) || left === undefined) return node;
    return { problem: 'this ) closes nothing: put it in quotes where it is text', at: left.at };
  }

  #or(depth: number): QueryNode | QueryProblem {
    const of: QueryNode[] = [];
    do {
      const node = this.#and(depth);
      if (isProblem(node)) return node;
      of.push(node);
    } while (this.#skip('or'));
    return anyOf(of);
  }

  #and(depth: number): QueryNode | QueryProblem {
    const of: QueryNode[] = [];
    for (;;) {
      const node = this.#unary(depth);
      if (isProblem(node)) return node;
      of.push(node);
      if (this.#skip('and')) continue;
      const next = this.#tokens[this.#next]?.type;
      if (next === undefined || next === 'or' || next === ')') return allOf(of);
    }
  }

  #skip(type: Token['type']): boolean {
    if (this.#tokens[this.#next]?.type !== type) return false;
    this.#next++;
    return true;
  }

  #unary(depth: number): QueryNode | QueryProblem {
    const token = this.#tokens[this.#next];
    if (token === undefined) return { problem: 'a term is missing at the end', at: this.#end };
    if (depth > MOST.depth)
      return { problem: `it goes more than ${MOST.depth} parentheses deep here`, at: token.at };
    if (token.type === 'or' || token.type === 'and' || token.type === ')')
      return { problem: `a term is missing before this (a text goes into quotes)`, at: token.at };
    this.#next++;
    if (token.type === 'not') {
      const node = this.#unary(depth + 1);
      return isProblem(node) ? node : not(node);
    }
    if (token.type !== '(') return this.#term(token);
    const node = this.#or(depth + 1);
    if (isProblem(node) || this.#skip(')')) return node;
    return { problem: 'this parenthesis is not closed: a ) is missing', at: token.at };
  }

  #term(token: Term): QueryNode | QueryProblem {
    this.#terms += token.type === 'field' ? token.values.length : 1;
    if (this.#terms > MOST.terms) return { problem: `a query has at most ${MOST.terms} terms`, at: token.at };
    if (token.type === 'field') return this.#field(token);
    if (token.type === 'regex') {
      const problem = regexProblem(token.pattern);
      return problem === undefined ? { op: 'regex', pattern: token.pattern } : { problem, at: token.at };
    }
    const { text, isQuoted, isPrefix } = token;
    if (text === '')
      return isQuoted ? { problem: 'there is nothing between these quotes', at: token.at } : { op: 'all' };
    if (!isQuoted) this.#doubt(text);
    return bounded(textNode(text, isPrefix), token.at);
  }

  #doubt(text: string): void {
    if (text === 'or' || text === 'and' || text === 'not')
      this.hints.add(`${text} is searched as a word; the operator is ${text.toUpperCase()}`);
    if (text.startsWith('/'))
      this.hints.add(
        `${text} is searched as words; a regular expression stands between slashes, one inside as \\/`,
      );
  }

  #field({
    key,
    isLiteral,
    operator,
    values,
    at,
  }: Extract<Term, { type: 'field' }>): QueryNode | QueryProblem {
    if (values.length > 1 && operator !== ':' && operator !== '=' && operator !== '!=')
      return { problem: `${key}${operator} is compared with one value`, at };
    const of: QueryNode[] = [];
    for (const value of values) {
      const node = fieldFilter(key, isLiteral, operator, value, (hint) => this.hints.add(hint));
      const bound = isProblem(node) ? node : bounded(node, value.at);
      if (isProblem(bound)) return bound;
      of.push(bound);
    }
    return operator === '!=' ? not(anyOf(of)) : anyOf(of);
  }
}

/**
 * The question that the query bar's text asks; an empty text asks for everything. Terms next to each other must all
 * hold; `OR` or `|`, `NOT` or `-`, `AND` and parentheses combine them (source: contracts/logplane.md D3).
 */
export function parseQuery(text: string): ParsedQuery | QueryProblem {
  if (text.length > MOST.text)
    return { problem: `a query has at most ${MOST.text} characters`, at: MOST.text };
  const tokens = lex(text, MOST.tokens);
  if (isProblem(tokens)) return tokens;
  const parser = new Parser(tokens, text.length);
  const node = parser.query();
  return isProblem(node) ? node : { node, hints: [...parser.hints] };
}
