// Parses the text of the query bar into a query.
// Invariant: the result is a query of limited size or an error with a position, for every text, never an exception.
import { compileRegex } from '../regex.ts';
import { fieldFilter, textNode } from './field-filter.ts';
import { lex, type QueryProblem, type Term, type Token } from './lex.ts';
import type { QueryNode } from './query-node.ts';

interface ParsedQuery {
  readonly node: QueryNode;
  /** Warnings for the user: parts that were accepted but may not mean what the user expects. */
  readonly hints: readonly string[];
}

/** Maximum size of a query. Lengths are in UTF-16 code units. */
export const QUERY_LIMITS = {
  length: 4096,
  tokens: 600,
  terms: 100,
  /** Parentheses and negations around one term. */
  depth: 32,
  regexLength: 256,
  /** Words of one text. A long phrase on a long text that nearly repeats it costs the product of both lengths. */
  words: 100,
} as const;

/** Names of operators in errors. */
const SHOWN = { or: 'OR', and: 'AND', ')': ')' } as const;

const isProblem = (x: object): x is QueryProblem => 'problem' in x;

/** Returns an error text for an invalid regular expression, `undefined` for a valid one. */
export function regexProblem(pattern: string): string | undefined {
  if (pattern.length > QUERY_LIMITS.regexLength)
    return `regular expression too long: ${pattern.length} characters, the maximum is ${QUERY_LIMITS.regexLength}`;
  const compiled = compileRegex(pattern);
  return typeof compiled === 'string' ? compiled : undefined;
}

/** Combines nodes that must all match. Without nodes it matches every record. */
export function allOf(of: readonly QueryNode[]): QueryNode {
  if (of.length === 1) return of[0]!;
  return of.length === 0 ? { op: 'all' } : { op: 'and', of };
}

const anyOf = (of: readonly QueryNode[]): QueryNode => (of.length === 1 ? of[0]! : { op: 'or', of });
const not = (of: QueryNode): QueryNode => ({ op: 'not', of });

const checkWordCount = (node: QueryNode, at: number): QueryNode | QueryProblem =>
  node.op === 'words' && node.words.length > QUERY_LIMITS.words
    ? { problem: `text too long: ${node.words.length} words, the maximum is ${QUERY_LIMITS.words}`, at }
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
    const rest = this.#tokens[this.#next];
    if (isProblem(node) || rest === undefined) return node;
    return { problem: 'unmatched ); put it in quotes to search for it', at: rest.at };
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
    if (token === undefined) return { problem: 'missing term at the end', at: this.#end };
    if (depth > QUERY_LIMITS.depth)
      return {
        problem: `too many nested parentheses and negations; the maximum is ${QUERY_LIMITS.depth}`,
        at: token.at,
      };
    if (token.type === 'or' || token.type === 'and' || token.type === ')')
      return {
        problem: `missing term before ${SHOWN[token.type]}; put it in quotes to search for it`,
        at: token.at,
      };
    this.#next++;
    if (token.type === 'not') {
      const node = this.#unary(depth + 1);
      return isProblem(node) ? node : not(node);
    }
    if (token.type !== '(') return this.#term(token);
    const node = this.#or(depth + 1);
    if (isProblem(node) || this.#skip(')')) return node;
    return { problem: 'unclosed parenthesis; add a closing )', at: token.at };
  }

  #term(token: Term): QueryNode | QueryProblem {
    this.#terms += token.type === 'field' ? token.values.length : 1;
    if (this.#terms > QUERY_LIMITS.terms)
      return { problem: `too many terms; the maximum is ${QUERY_LIMITS.terms}`, at: token.at };
    if (token.type === 'field') return this.#field(token);
    if (token.type === 'regex') {
      const problem = regexProblem(token.pattern);
      return problem === undefined ? { op: 'regex', pattern: token.pattern } : { problem, at: token.at };
    }
    const { text, isQuoted, isPrefix } = token;
    if (text === '')
      return isQuoted
        ? { problem: 'empty quotes; write the text to search for between them', at: token.at }
        : { op: 'all' };
    if (!isQuoted) this.#addHints(text);
    return checkWordCount(textNode(text, isPrefix), token.at);
  }

  #addHints(text: string): void {
    if (text === 'or' || text === 'and' || text === 'not')
      this.hints.add(`"${text}" is searched as a word; the operator is ${text.toUpperCase()}`);
    if (text.startsWith('/'))
      this.hints.add(
        `"${text}" is searched as words; a regular expression is written /expression/, with \\/ for a slash inside`,
      );
  }

  #field({
    key,
    isAttribute,
    operator,
    values,
    at,
  }: Extract<Term, { type: 'field' }>): QueryNode | QueryProblem {
    if (values.length > 1 && operator !== ':' && operator !== '=' && operator !== '!=')
      return { problem: `${key}${operator} takes one value; lists are allowed with :, = and !=`, at };
    const of: QueryNode[] = [];
    for (const value of values) {
      const node = fieldFilter(key, isAttribute, operator, value, (hint) => this.hints.add(hint));
      const checked = isProblem(node) ? node : checkWordCount(node, value.at);
      if (isProblem(checked)) return checked;
      of.push(checked);
    }
    return operator === '!=' ? not(anyOf(of)) : anyOf(of);
  }
}

/**
 * Parses a text; an empty one matches every record. Adjacent terms must all match. `OR` or `|`, `NOT` or `-`, `AND` and
 * parentheses combine terms (docs/contracts/logs.md 6).
 */
export function parseQuery(text: string): ParsedQuery | QueryProblem {
  if (text.length > QUERY_LIMITS.length)
    return {
      problem: `query too long: ${text.length} characters, the maximum is ${QUERY_LIMITS.length}`,
      at: QUERY_LIMITS.length,
    };
  const tokens = lex(text, QUERY_LIMITS.tokens);
  if (isProblem(tokens)) return tokens;
  const parser = new Parser(tokens, text.length);
  const node = parser.query();
  return isProblem(node) ? node : { node, hints: [...parser.hints] };
}
