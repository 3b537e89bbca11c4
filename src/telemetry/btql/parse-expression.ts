// Parses expressions, which both spellings of BTQL share.
// Invariant: text becomes a tree or a QueryError with its place. `a - b - c` is `(a - b) - c`, and `a and b and c` is one
// node.
import {
  callOf,
  QUERY_LIMITS,
  QueryError,
  UNITS,
  type BinaryOp,
  type BtqlValue,
  type Expr,
  type IntervalUnit,
  type Item,
  type SortItem,
} from './tree.ts';
import { TokenCursor } from './token-cursor.ts';
import type { QueryToken } from './tokens.ts';

/** Comparisons, by sign or word. */
const COMPARISONS: Readonly<Record<string, BinaryOp>> = {
  '=': 'eq',
  '==': 'eq',
  '!=': 'ne',
  '<>': 'ne',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
  eq: 'eq',
  ne: 'ne',
  lt: 'lt',
  le: 'le',
  gt: 'gt',
  ge: 'ge',
  like: 'like',
  ilike: 'ilike',
  match: 'match',
  includes: 'includes',
  contains: 'includes',
};
/** Comparisons that may follow NOT. */
const NEGATABLE = new Set(['like', 'ilike', 'match', 'includes', 'contains', 'in', 'between']);
const SUMS: Readonly<Record<string, BinaryOp>> = { '+': 'add', '-': 'sub' };
const PRODUCTS: Readonly<Record<string, BinaryOp>> = { '*': 'mul', '/': 'div', '%': 'mod' };
/** Functions that may be written without parentheses. */
const BARE = new Set(['current_date', 'current_timestamp']);
/** Words that end an expression in SQL, so that none of them is a name. */
const RESERVED = new Set(
  'select from where group having order limit offset union join inner outer left right cross on as by asc desc with then else end when'.split(
    ' ',
  ),
);

export class ExpressionParser extends TokenCursor {
  readonly #isSql: boolean;
  #depth = 0;

  /** `isSql`: words of SQL are no names, and an alias needs no AS. */
  constructor(tokens: readonly QueryToken[], isSql: boolean) {
    super(tokens);
    this.#isSql = isSql;
  }

  item(): Item {
    const { at } = this.token;
    const isStar = this.isSign('*');
    if (isStar) {
      this.next();
      return { op: 'star', at };
    }
    const expr = this.expression();
    const alias = this.#alias();
    return alias === undefined ? { expr } : { expr, alias };
  }

  sortItem(): SortItem {
    const expr = this.expression();
    const isDown = this.isWord('desc');
    if (isDown || this.isWord('asc')) this.next();
    return { expr, dir: isDown ? 'desc' : 'asc' };
  }

  #alias(): string | undefined {
    const isNamed = this.takeWord('as');
    const { token } = this;
    if (token.type === 'word' && (isNamed || (this.#isSql && !RESERVED.has(token.text.toLowerCase())))) {
      this.next();
      return token.text;
    }
    if (!isNamed) return undefined;
    if (token.type !== 'string') throw this.unexpected('expected a name after AS');
    this.next();
    return token.text;
  }

  /** One operand: a value, a name, a function or an expression in parentheses. */
  operand(): Expr {
    return this.#primary();
  }

  expression(): Expr {
    return this.#nested(() => {
      const cond = this.#or();
      const { at } = this.token;
      if (!this.takeSign('?')) return cond;
      const yes = this.expression();
      this.expectSign(':', 'between the two values of ? :');
      return { op: 'if', cond, yes, no: this.expression(), at };
    });
  }

  #nested<T>(parse: () => T): T {
    const { at } = this.token;
    if (++this.#depth > QUERY_LIMITS.depth)
      throw new QueryError(`the expression has more than ${QUERY_LIMITS.depth} levels`, at);
    const result = parse();
    this.#depth--;
    return result;
  }

  #or(): Expr {
    return this.#joined('or', () => this.#joined('and', () => this.#not()));
  }

  #joined(op: 'and' | 'or', operand: () => Expr): Expr {
    const { at } = this.token;
    const first = operand();
    if (!this.isWord(op)) return first;
    const children = [first];
    while (this.takeWord(op)) children.push(operand());
    return { op, children, at };
  }

  #not(): Expr {
    const { at } = this.token;
    if (!this.isWord('not')) return this.#comparison();
    this.next();
    return { op: 'not', expr: this.#nested(() => this.#not()), at };
  }

  #comparison(): Expr {
    let left = this.#chain(SUMS, () => this.#product());
    for (let length = 0; ; length++) {
      this.#limitChain(length);
      const { at } = this.token;
      if (this.takeWord('is')) {
        const isNegated = this.takeWord('not');
        this.expectWord('null', 'after IS');
        left = { op: isNegated ? 'isnotnull' : 'isnull', expr: left, at };
        continue;
      }
      const isNegated = this.isWord('not') && NEGATABLE.has(this.peek(1).text.toLowerCase());
      if (isNegated) this.next();
      const found = this.#compared(left, at);
      if (found === undefined) return left;
      left = isNegated ? { op: 'not', expr: found, at } : found;
    }
  }

  #compared(left: Expr, at: number): Expr | undefined {
    const { token } = this;
    if (token.type !== 'sign' && token.type !== 'word') return undefined;
    const name = token.text.toLowerCase();
    if (name === 'in' && token.type === 'word') {
      this.next();
      return { op: 'in', left, right: this.#values(), at };
    }
    if (name === 'between' && token.type === 'word') {
      this.next();
      const low = this.#chain(SUMS, () => this.#product());
      this.expectWord('and', 'between the bounds of BETWEEN');
      const high = this.#chain(SUMS, () => this.#product());
      return {
        op: 'and',
        children: [
          { op: 'ge', left, right: low, at },
          { op: 'le', left, right: high, at },
        ],
        at,
      };
    }
    const op = Object.hasOwn(COMPARISONS, name) ? COMPARISONS[name] : undefined;
    // `limit:` begins the next clause, and a comparison has something to compare with.
    if (op === undefined || this.isSign(':', 1)) return undefined;
    this.next();
    return { op, left, right: this.#chain(SUMS, () => this.#product()), at };
  }

  /** Values in parentheses or brackets. */
  #values(): Expr {
    const { at } = this.token;
    const close = this.takeSign('(') ? ')' : ']';
    if (close === ']') this.expectSign('[', 'or ( after IN');
    const value = this.isSign(close) ? [] : this.list(() => this.#nested(() => this.#constant()));
    this.expectSign(close, 'after the values');
    return { op: 'literal', value, at };
  }

  #constant(): BtqlValue {
    const { at } = this.token;
    const expr = this.#unary();
    if (expr.op !== 'literal')
      throw new QueryError('a list has values only: texts, numbers, true, false, null', at);
    return expr.value;
  }

  #product(): Expr {
    return this.#chain(PRODUCTS, () => this.#unary());
  }

  #chain(operators: Readonly<Record<string, BinaryOp>>, operand: () => Expr): Expr {
    let left = operand();
    for (let length = 0; ; length++) {
      this.#limitChain(length);
      const { token } = this;
      if (token.type !== 'sign') return left;
      if (token.text === '||' && operators === SUMS) {
        this.next();
        left = callOf('concat', [left, operand()], token.at);
        continue;
      }
      const op = Object.hasOwn(operators, token.text) ? operators[token.text] : undefined;
      if (op === undefined) return left;
      this.next();
      left = { op, left, right: operand(), at: token.at };
    }
  }

  #limitChain(length: number): void {
    if (length > QUERY_LIMITS.depth)
      throw new QueryError(`the expression has more than ${QUERY_LIMITS.depth} levels`, this.token.at);
  }

  #unary(): Expr {
    const { at } = this.token;
    if (!this.takeSign('-')) return this.#primary();
    const { token } = this;
    if (token.type === 'number') {
      this.next();
      return { op: 'literal', value: -token.value, at };
    }
    return { op: 'neg', expr: this.#nested(() => this.#unary()), at };
  }

  #primary(): Expr {
    const { token } = this;
    const { at } = token;
    switch (token.type) {
      case 'number':
        this.next();
        return { op: 'literal', value: token.value, at };
      case 'string':
        if (token.quote === '`') return this.#path();
        this.next();
        return { op: 'literal', value: token.text, at };
      case 'word':
        return this.#word(token.text.toLowerCase(), at);
      case 'sign':
        if (token.text === '(') {
          this.next();
          const expr = this.expression();
          this.expectSign(')', 'at the end of the parenthesis');
          return expr;
        }
        if (token.text === '[') return this.#values();
        break;
      case 'end':
    }
    throw this.unexpected('expected a value, a name or a function');
  }

  #word(name: string, at: number): Expr {
    const constants: Readonly<Record<string, BtqlValue>> = { null: null, true: true, false: false };
    if (Object.hasOwn(constants, name) && !this.isSign('.', 1)) {
      this.next();
      return { op: 'literal', value: constants[name]!, at };
    }
    if (name === 'interval' && (this.peek(1).type === 'number' || this.peek(1).type === 'string'))
      return this.#interval();
    if (name === 'case' && !this.isSign('.', 1)) return this.#case();
    if (this.isSign('(', 1)) return this.#call();
    if (BARE.has(name)) {
      const token = this.next();
      return callOf(token.text, [], at);
    }
    if (this.#isSql && RESERVED.has(name)) throw this.unexpected('expected a value, a name or a function');
    return this.#path();
  }

  /** `interval 1 day` or `interval '7 days'`. */
  #interval(): Expr {
    const { at } = this.next();
    const token = this.next();
    let [count, unit] = token.type === 'string' ? token.text.trim().split(/\s+/) : [token.text];
    const value = Number(count);
    if (unit === undefined && this.token.type === 'word') unit = this.next().text;
    const name = (unit ?? '').toLowerCase().replace(/s$/, '');
    if (!Number.isSafeInteger(value) || !(UNITS as readonly string[]).includes(name))
      throw new QueryError(`an interval is written "interval 1 day"; units: ${UNITS.join(', ')}`, at);
    return { op: 'interval', value, unit: name as IntervalUnit, at };
  }

  /** `case when a then b else c end`, as the same tree as `a ? b : c`. */
  #case(): Expr {
    const { at } = this.next();
    return this.#nested(() => {
      const parts: { cond: Expr; yes: Expr }[] = [];
      while (this.takeWord('when')) {
        const cond = this.expression();
        this.expectWord('then', 'after the condition');
        parts.push({ cond, yes: this.expression() });
        this.#limitChain(parts.length);
      }
      if (parts.length === 0) throw this.unexpected('expected WHEN after CASE');
      const last: Expr = this.takeWord('else') ? this.expression() : { op: 'literal', value: null, at };
      this.expectWord('end', 'at the end of CASE');
      return parts.reduceRight<Expr>((otherwise, part) => ({ op: 'if', ...part, no: otherwise, at }), last);
    });
  }

  #call(): Expr {
    const { text, at } = this.next();
    this.next();
    if (this.takeSign(')')) return callOf(text, [], at);
    const isDistinct = text.toLowerCase() === 'count' && this.takeWord('distinct');
    const args = this.list(() => {
      const star = this.token;
      return this.takeSign('*') ? ({ op: 'star', at: star.at } as const) : this.expression();
    });
    this.expectSign(')', `at the end of ${text}(`);
    return callOf(isDistinct ? 'count_distinct' : text, args, at);
  }

  /** `metadata.user."a b"[0]`. */
  #path(): Expr {
    const first = this.next();
    const name: (string | number)[] = [first.text];
    for (;;) {
      if (this.takeSign('.')) {
        const part = this.next();
        if (part.type !== 'word' && part.type !== 'string')
          throw new QueryError('expected a name after the dot', part.at);
        name.push(part.text);
      } else if (this.takeSign('[')) {
        const { token } = this;
        if (token.type === 'string') {
          this.next();
          name.push(token.text);
        } else name.push(this.whole('an index', Number.MIN_SAFE_INTEGER));
        this.expectSign(']', 'after the index');
      } else return { op: 'ident', name, at: first.at };
      if (name.length > QUERY_LIMITS.depth)
        throw new QueryError(`the name has more than ${QUERY_LIMITS.depth} parts`, first.at);
    }
  }
}
