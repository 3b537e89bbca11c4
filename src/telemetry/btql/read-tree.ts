// Reads a query that was sent as a JSON tree, as Braintrust's SDK does.
// Invariant: the result has only what a Query may have; anything else is an error that names its place in the tree.
import { unknownName } from '../../core/nearest-name.ts';
import {
  BINARY,
  callOf,
  QUERY_LIMITS,
  QueryError,
  SHAPES,
  UNARY,
  UNITS,
  unpivotAlias,
  type BinaryOp,
  type BtqlValue,
  type Expr,
  type IntervalUnit,
  type Item,
  type Query,
  type RowShape,
  type SortItem,
  type Source,
  type UnaryOp,
  type Unpivot,
} from './tree.ts';

type Fields = Readonly<Record<string, unknown>>;

const OPS = ['ident', 'literal', 'star', 'function', 'and', 'or', 'if', 'interval', ...BINARY, ...UNARY];
const MAX_NESTED = 1;

class TreeReader {
  #nodes = 0;

  query(value: unknown, path: string, level: number): Query {
    const fields = fieldsAt(value, path);
    const items = (name: string): { [K in string]?: Item[] } =>
      given(fields, name)
        ? {
            [name]: listAt(fields[name], `${path}.${name}`).map((item, i) =>
              this.#item(item, `${path}.${name}[${i}]`),
            ),
          }
        : {};
    const expr = (name: string): { [K in string]?: Expr } =>
      given(fields, name) ? { [name]: this.expr(fields[name], `${path}.${name}`) } : {};
    const group = given(fields, 'group_by')
      ? {
          group_by: listAt(fields['group_by'], `${path}.group_by`).map((one, i) =>
            this.expr(one, `${path}.group_by[${i}]`),
          ),
        }
      : {};
    const sort = given(fields, 'sort')
      ? {
          sort: listAt(fields['sort'], `${path}.sort`).map((one, i) => this.#sort(one, `${path}.sort[${i}]`)),
        }
      : {};
    const each = <T>(name: string, read: (one: unknown, at: string) => T): { [K in string]?: T[] } =>
      given(fields, name) && !isEmptyList(fields[name])
        ? {
            [name]: listAt(fields[name], `${path}.${name}`).map((one, i) =>
              read(one, `${path}.${name}[${i}]`),
            ),
          }
        : {};
    return {
      ...items('select'),
      ...items('dimensions'),
      ...items('measures'),
      ...each('pivot', (one, at) => this.#measure(one, at)),
      ...each('unpivot', (one, at) => this.#unpivot(one, at)),
      from: this.#source(fields['from'], `${path}.from`, level),
      ...expr('filter'),
      ...group,
      ...expr('having'),
      ...sort,
      ...sampleAt(fields, path),
      ...wholeAt(fields, path, 'limit', 0),
      ...(given(fields, 'cursor') ? { cursor: textAt(fields['cursor'], `${path}.cursor`) } : {}),
      ...wholeAt(fields, path, 'preview_length', -1),
    };
  }

  /** A measure of `pivot`, as an expression or as `{"expr", "alias"}`, whose alias is the one of the measure. */
  #measure(value: unknown, path: string): Expr {
    const { op, expr } = fieldsAt(value, path);
    return op === undefined ? this.expr(expr, `${path}.expr`) : this.expr(value, path);
  }

  #unpivot(value: unknown, path: string): Unpivot {
    const { expr: given, alias } = fieldsAt(value, path);
    const expr = this.expr(given, `${path}.expr`);
    if (!Array.isArray(alias)) return { expr, alias: textAt(alias, `${path}.alias`) };
    if (alias.length !== 2) throw new QueryError(`${path}.alias must be one or two names`);
    const [key, name] = alias.map((one, i) => textAt(one, `${path}.alias[${i}]`)) as [string, string];
    return { expr, alias: unpivotAlias(key, name) };
  }

  #item(value: unknown, path: string): Item {
    const fields = fieldsAt(value, path);
    if (fields['op'] === 'star') return { op: 'star' };
    if (fields['op'] !== undefined) return { expr: this.expr(value, path) };
    const expr = this.expr(fields['expr'], `${path}.expr`);
    return given(fields, 'alias') ? { expr, alias: textAt(fields['alias'], `${path}.alias`) } : { expr };
  }

  #sort(value: unknown, path: string): SortItem {
    const { expr, dir } = fieldsAt(value, path);
    const direction = dir ?? 'asc';
    if (direction !== 'asc' && direction !== 'desc')
      throw new QueryError(`${path}.dir must be "asc" or "desc"`);
    return { expr: this.expr(expr, `${path}.expr`), dir: direction };
  }

  #source(value: unknown, path: string, level: number): Source {
    const fields = fieldsAt(value, path);
    if (fields['op'] === 'query') {
      if (level >= MAX_NESTED)
        throw new QueryError(`${path}: a query has at most ${MAX_NESTED} query inside it`);
      return { op: 'query', query: this.query(fields['query'], `${path}.query`, level + 1) };
    }
    if (fields['op'] !== 'function')
      throw new QueryError(`${path} must be {"op": "function", "name": …, "args": […]}`);
    const args = listAt(fields['args'] ?? [], `${path}.args`).map((arg, i) => {
      const { op, value: name } = fieldsAt(arg, `${path}.args[${i}]`);
      if (op !== 'literal') throw new QueryError(`${path}.args[${i}] must be a literal`);
      return { op, value: textAt(name, `${path}.args[${i}].value`) } as const;
    });
    const { shape } = fields;
    if (shape !== undefined && shape !== null && !(SHAPES as readonly unknown[]).includes(shape))
      throw new QueryError(unknownName('shape', textAt(shape, `${path}.shape`), SHAPES));
    return {
      op: 'function',
      name: callOf(nameAt(fields['name'], `${path}.name`), []).name,
      args,
      ...(shape === undefined || shape === null ? {} : { shape: shape as RowShape }),
    };
  }

  expr(value: unknown, path: string, depth = 1): Expr {
    if (depth > QUERY_LIMITS.depth)
      throw new QueryError(
        `${path.slice(0, 80)}…: the expression has more than ${QUERY_LIMITS.depth} levels`,
      );
    if (++this.#nodes > QUERY_LIMITS.nodes)
      throw new QueryError(`the query has more than ${QUERY_LIMITS.nodes} names, values and operators`);
    const fields = fieldsAt(value, path);
    const child = (name: string): Expr => this.expr(fields[name], `${path}.${name}`, depth + 1);
    const children = (name: string): Expr[] =>
      listAt(fields[name], `${path}.${name}`).map((one, i) =>
        this.expr(one, `${path}.${name}[${i}]`, depth + 1),
      );
    const op = textAt(fields['op'], `${path}.op`);
    switch (op) {
      case 'star':
        return { op };
      case 'ident':
        return { op, name: identAt(fields['name'], `${path}.name`) };
      case 'literal':
        return { op, value: literalAt(fields['value'], `${path}.value`, depth) };
      case 'interval':
        return { op, ...intervalAt(fields, path) };
      case 'function':
        return callOf(nameAt(fields['name'], `${path}.name`), given(fields, 'args') ? children('args') : []);
      case 'and':
      case 'or':
        return {
          op,
          children: given(fields, 'children') ? children('children') : [child('left'), child('right')],
        };
      case 'if':
        return given(fields, 'conds')
          ? this.#conditions(fields, path, depth)
          : { op, cond: child('cond'), yes: child('yes'), no: child('no') };
      default:
        if ((UNARY as readonly string[]).includes(op)) return { op: op as UnaryOp, expr: child('expr') };
        if (!(BINARY as readonly string[]).includes(op))
          throw new QueryError(`${path}.op: ${unknownName('operator', op, OPS)}`);
        // `includes` is sent with other names, too.
        return {
          op: op as BinaryOp,
          left: child(given(fields, 'haystack') ? 'haystack' : 'left'),
          right: child(given(fields, 'needle') ? 'needle' : 'right'),
        };
    }
  }

  /** `{"conds": [{"cond", "then"}, …], "else"}`. */
  #conditions(fields: Fields, path: string, depth: number): Expr {
    const last: Expr = given(fields, 'else')
      ? this.expr(fields['else'], `${path}.else`, depth + 1)
      : { op: 'literal', value: null };
    const parts = listAt(fields['conds'], `${path}.conds`);
    if (parts.length > QUERY_LIMITS.depth)
      throw new QueryError(`${path}.conds has more than ${QUERY_LIMITS.depth} conditions`);
    return parts.reduceRight<Expr>((no, part, i) => {
      const at = `${path}.conds[${i}]`;
      const { cond, then: yes } = fieldsAt(part, at);
      return {
        op: 'if',
        cond: this.expr(cond, `${at}.cond`, depth + 1),
        yes: this.expr(yes, `${at}.then`, depth + 1),
        no,
      };
    }, last);
  }
}

const given = (fields: Fields, name: string): boolean => fields[name] !== undefined && fields[name] !== null;
const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

function fieldsAt(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new QueryError(`${path} must be an object`);
  return value as Fields;
}

function listAt(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new QueryError(`${path} must be a list`);
  return value;
}

function textAt(value: unknown, path: string): string {
  if (typeof value !== 'string') throw new QueryError(`${path} must be a text`);
  return value;
}

function identAt(value: unknown, path: string): (string | number)[] {
  const parts = listAt(value, path);
  const isName =
    parts.length > 0 &&
    parts.length <= QUERY_LIMITS.depth &&
    typeof parts[0] === 'string' &&
    parts.every((part) => typeof part === 'string' || Number.isSafeInteger(part));
  if (!isName) throw new QueryError(`${path} must be a list of 1 to ${QUERY_LIMITS.depth} names`);
  return parts as (string | number)[];
}

function nameAt(value: unknown, path: string): string {
  const [name, ...rest] = identAt(fieldsAt(value, path)['name'], `${path}.name`);
  if (rest.length > 0) throw new QueryError(`${path}.name must have one name`);
  return String(name);
}

function literalAt(value: unknown, path: string, depth: number): BtqlValue {
  if (depth > QUERY_LIMITS.depth) throw new QueryError(`${path.slice(0, 80)}… has too many levels`);
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string')
    return value;
  if (Array.isArray(value)) return value.map((item, i) => literalAt(item, `${path}[${i}]`, depth + 1));
  throw new QueryError(`${path} must be a text, a number, true, false, null or a list of them`);
}

function intervalAt({ value, unit }: Fields, path: string): { value: number; unit: IntervalUnit } {
  if (!Number.isSafeInteger(value) || !(UNITS as readonly unknown[]).includes(unit))
    throw new QueryError(`${path} must have a whole "value" and a "unit": ${UNITS.join(', ')}`);
  return { value: value as number, unit: unit as IntervalUnit };
}

function wholeAt(fields: Fields, path: string, name: 'limit' | 'preview_length', min: number): object {
  if (!given(fields, name)) return {};
  const value = fields[name];
  if (!Number.isSafeInteger(value) || (value as number) < min)
    throw new QueryError(`${path}.${name} must be a whole number of at least ${min}`);
  return { [name]: value };
}

function sampleAt(fields: Fields, path: string): Pick<Query, 'sample'> {
  if (!given(fields, 'sample')) return {};
  const { rate, rows } = fieldsAt(fields['sample'], `${path}.sample`);
  if (typeof rate === 'number' && rate > 0 && rate <= 1) return { sample: { rate } };
  if (Number.isSafeInteger(rows) && (rows as number) > 0) return { sample: { rows: rows as number } };
  throw new QueryError(`${path}.sample must have a "rate" above 0 and at most 1, or a number of "rows"`);
}

/** Reads a query. Throws QueryError. */
export const readTree = (value: unknown): Query => new TreeReader().query(value, 'query', 0);
