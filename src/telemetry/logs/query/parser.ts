// Parses the text of the query bar into a query, or into all its problems.
// Invariant: the result is a query of limited size or problems with places, for every text, never an exception.
import { fieldFilter, textNode, type QueryHint } from './field-filter.ts';
import { lex, type FieldTerm, type QueryProblem, type Term, type Token } from './lex.ts';
import type { QueryNode } from './query-node.ts';

export interface ParsedQuery {
  readonly node: QueryNode;
  /** Parts that were accepted but may not mean what the user expects, in the order of the text. */
  readonly hints: readonly QueryHint[];
}

/** A text that is not a query: its first problem, and all of them in the order of the text, one a place. */
export interface InvalidQuery extends QueryProblem {
  readonly problems: readonly QueryProblem[];
}

/** Returns what is wrong with a regular expression; `undefined`: nothing. */
export type RegexCheck = (pattern: string) => string | undefined;

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
  /** Problems that are reported. */
  problems: 50,
} as const;

/** Names of operators in errors. */
const SHOWN = { or: 'OR', and: 'AND', ')': ')' } as const;

const ALL: QueryNode = { op: 'all' };

/** Combines nodes that must all match. Without nodes it matches every record. */
export function allOf(of: readonly QueryNode[]): QueryNode {
  if (of.length === 1) return of[0]!;
  return of.length === 0 ? ALL : { op: 'and', of };
}

const anyOf = (of: readonly QueryNode[]): QueryNode => (of.length === 1 ? of[0]! : { op: 'or', of });
const not = (of: QueryNode): QueryNode => ({ op: 'not', of });

/** Problems of a text, one for each place: those behind the first one there are its consequences. */
class Problems {
  readonly #found = new Map<number, QueryProblem>();

  add(problem: QueryProblem): void {
    if (this.#found.size < QUERY_LIMITS.problems && !this.#found.has(problem.at))
      this.#found.set(problem.at, problem);
  }

  inOrder(): QueryProblem[] {
    return [...this.#found.values()].sort((a, b) => a.at - b.at);
  }
}

/** A part without a meaning is reported, and then matches every record, so that the rest is checked too. */
class Parser {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  readonly #checkRegex: RegexCheck;
  readonly #problems: Problems;
  readonly hints: QueryHint[] = [];
  #next = 0;
  #terms = 0;
  /** The query is too large, and the rest is not read. */
  #isOver = false;

  constructor(tokens: readonly Token[], end: number, checkRegex: RegexCheck, problems: Problems) {
    this.#tokens = tokens;
    this.#end = end;
    this.#checkRegex = checkRegex;
    this.#problems = problems;
  }

  query(): QueryNode {
    if (this.#tokens.length === 0) return ALL;
    const of = [this.#or(0)];
    for (;;) {
      const rest = this.#tokens[this.#next];
      if (rest === undefined) return allOf(of);
      this.#report('unmatched ); put it in quotes to search for it', rest);
      this.#next++;
      while (this.#skip('or') || this.#skip('and'));
      const next = this.#tokens[this.#next];
      if (next !== undefined && next.type !== ')') of.push(this.#or(0));
    }
  }

  #report(problem: string, { at, end }: { at: number; end: number }, suggestion?: string): QueryNode {
    if (!this.#isOver)
      this.#problems.add({ problem, at, length: end - at, ...(suggestion !== undefined && { suggestion }) });
    return ALL;
  }

  /** Reports a limit that is exceeded, and ends. */
  #stop(problem: string, place: { at: number; end: number }): QueryNode {
    this.#report(problem, place);
    this.#isOver = true;
    this.#next = this.#tokens.length;
    return ALL;
  }

  #or(depth: number): QueryNode {
    const of: QueryNode[] = [];
    do of.push(this.#and(depth));
    while (this.#skip('or'));
    return anyOf(of);
  }

  #and(depth: number): QueryNode {
    const of: QueryNode[] = [];
    for (;;) {
      of.push(this.#unary(depth));
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

  #unary(depth: number): QueryNode {
    const token = this.#tokens[this.#next];
    if (token === undefined)
      return this.#report('missing term at the end', { at: this.#end, end: this.#end });
    if (depth > QUERY_LIMITS.depth)
      return this.#stop(
        `too many nested parentheses and negations; the maximum is ${QUERY_LIMITS.depth}`,
        token,
      );
    if (token.type === 'or' || token.type === 'and' || token.type === ')')
      return this.#report(
        `missing term before ${SHOWN[token.type]}; put it in quotes to search for it`,
        token,
      );
    this.#next++;
    if (token.type === 'not') return not(this.#unary(depth + 1));
    if (token.type !== '(') return this.#term(token);
    const node = this.#or(depth + 1);
    return this.#skip(')') ? node : this.#report('unclosed parenthesis; add a closing )', token);
  }

  #term(token: Term): QueryNode {
    this.#terms += token.type === 'field' ? token.values.length : 1;
    if (this.#terms > QUERY_LIMITS.terms)
      return this.#stop(`too many terms; the maximum is ${QUERY_LIMITS.terms}`, token);
    if (token.type === 'wrong') return ALL;
    if (token.type === 'field') return this.#field(token);
    if (token.type === 'regex') {
      const problem = this.#checkRegex(token.pattern);
      return problem === undefined ? { op: 'regex', pattern: token.pattern } : this.#report(problem, token);
    }
    const { text, isQuoted, isPrefix, at, end } = token;
    if (text === '')
      return isQuoted ? this.#report('empty quotes; write the text to search for between them', token) : ALL;
    if (!isQuoted) this.#addHints(text, { at, length: end - at });
    return this.#checkWordCount(textNode(text, isPrefix), token);
  }

  #checkWordCount(node: QueryNode, place: { at: number; end: number }): QueryNode {
    return node.op === 'words' && node.words.length > QUERY_LIMITS.words
      ? this.#report(`text too long: ${node.words.length} words, the maximum is ${QUERY_LIMITS.words}`, place)
      : node;
  }

  #addHints(text: string, place: { at: number; length: number }): void {
    const operator = text.toUpperCase();
    if (text === 'or' || text === 'and' || text === 'not')
      this.#hint({
        text: `"${text}" is searched as a word; the operator is ${operator}`,
        ...place,
        suggestion: operator,
      });
    if (text.startsWith('/'))
      this.#hint({
        text: `"${text}" is searched as words; a regular expression is written /expression/, with \\/ for a slash inside`,
        ...place,
      });
  }

  #hint(hint: QueryHint): void {
    if (!this.hints.some(({ text, at }) => at === hint.at && text === hint.text)) this.hints.push(hint);
  }

  #field(term: FieldTerm): QueryNode {
    const { key, operator, values } = term;
    if (values.length > 1 && operator !== ':' && operator !== '=' && operator !== '!=')
      return this.#report(`${key}${operator} takes one value; lists are allowed with :, = and !=`, term);
    const of = values.map((value) => {
      const node = fieldFilter(term, value, (hint) => this.#hint(hint));
      return 'problem' in node
        ? this.#report(node.problem, value, node.suggestion)
        : this.#checkWordCount(node, value);
    });
    return operator === '!=' ? not(anyOf(of)) : anyOf(of);
  }
}

/**
 * Parses a text; an empty one matches every record. Adjacent terms must all match. `OR` or `|`, `NOT` or `-`, `AND` and
 * parentheses combine terms (docs/contracts/logs.md 6).
 */
export function parseWith(text: string, checkRegex: RegexCheck): ParsedQuery | InvalidQuery {
  const problems = new Problems();
  const { length } = QUERY_LIMITS;
  if (text.length > length) {
    const problem = `query too long: ${text.length} characters, the maximum is ${length}`;
    problems.add({ problem, at: length, length: text.length - length });
    return invalid(problems.inOrder());
  }
  const lexed = lex(text, QUERY_LIMITS.tokens);
  for (const problem of lexed.problems) problems.add(problem);
  const parser = new Parser(lexed.tokens, text.length, checkRegex, problems);
  const node = lexed.isCut ? ALL : parser.query();
  const found = problems.inOrder();
  return found.length > 0 ? invalid(found) : { node, hints: parser.hints };
}

const invalid = (problems: readonly QueryProblem[]): InvalidQuery => ({ ...problems[0]!, problems });
