// Compiles a filter to a query of the log store, which finds the records that are worth reading.
// Invariant: every row that meets the filter is found. The rows that are found are tested again (evaluate.ts).
import { attributeName, ROW_CUT, spanIdOf, traceIdOf, type QueryNode } from '../logs/logs.ts';
import { cheapNode } from './cheap-node.ts';
import { NO_ROW, asTime, type Scope } from './compiled.ts';
import { compile } from './evaluate.ts';
import { isDerived } from './row-fields.ts';
import { functionName, QueryError, type BinaryOp, type Expr, type Ident } from './tree.ts';

export interface StoreFilter {
  /** `undefined`: no condition. */
  readonly node: QueryNode | undefined;
  /** Bounds of `created` in milliseconds, both inclusive. */
  readonly fromMs: number;
  readonly toMs: number;
}

export const equals = (name: string, value: string | number): QueryNode => ({
  op: 'field',
  name,
  compare: '=',
  value,
});
export const allOf = (of: readonly QueryNode[]): QueryNode => (of.length === 1 ? of[0]! : { op: 'and', of });
const anyOf = (of: readonly QueryNode[]): QueryNode => (of.length === 1 ? of[0]! : { op: 'or', of });

/** Only a part of the row is in the attributes, so they cannot be tested. */
const IS_CUT = equals(ROW_CUT, 'true');

/** Fields of a row that are not attributes of its record. */
const NOT_STORED = new Set([
  'id',
  'span_id',
  'root_span_id',
  'span_parents',
  'project_id',
  'org_id',
  'log_id',
  'is_root',
  'created',
  '_xact_id',
  '_pagination_key',
  'audit_data',
]);
const COMPARES: Readonly<Partial<Record<BinaryOp, '=' | '<' | '<=' | '>' | '>='>>> = {
  eq: '=',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
};
const SWAPPED: Readonly<Partial<Record<BinaryOp, BinaryOp>>> = {
  eq: 'eq',
  ne: 'ne',
  lt: 'gt',
  le: 'ge',
  gt: 'lt',
  ge: 'le',
};

/** Scope of expressions that refer to no row. */
const constants = ({ nowMs, westMs }: Pick<Scope<never>, 'nowMs' | 'westMs'>): Scope<never> => ({
  nowMs,
  westMs,
  field: ({ at }) => {
    throw new QueryError('not a constant', at);
  },
});

type Clock = Pick<Scope<never>, 'nowMs' | 'westMs'>;

/** The value of an expression that refers to no row; `undefined` for others. */
function constantTime(expr: Expr, clock: Clock): number | undefined {
  try {
    return asTime(compile(expr, constants(clock)), expr, NO_ROW)(NO_ROW) ?? undefined;
  } catch (error) {
    if (error instanceof QueryError) return undefined;
    throw error;
  }
}

/** Name of the attribute that a name refers to; `undefined` if the value is not one attribute. */
function storedName(expr: Expr): string | undefined {
  if (expr.op !== 'ident' || isDerived(expr) || NOT_STORED.has(String(expr.name[0]))) return undefined;
  if (expr.name.some((part) => typeof part === 'number')) return undefined;
  return attributeName(expr.name.join('.'));
}

const isName = (expr: Expr, name: string): expr is Ident =>
  expr.op === 'ident' && expr.name.length === 1 && expr.name[0] === name;

const literalValue = (expr: Expr): unknown => (expr.op === 'literal' ? expr.value : undefined);

/** The condition that an id has one of these values. */
function idNode(expr: Expr, values: readonly unknown[]): QueryNode | undefined {
  if (!values.every((value) => typeof value === 'string')) return undefined;
  const node = (name: string, of: (id: string) => string): QueryNode =>
    anyOf(values.map((value) => equals(name, of(value))));
  if (isName(expr, 'id')) return node('requestId', (id) => id);
  if (isName(expr, 'root_span_id')) return node('traceId', traceIdOf);
  if (isName(expr, 'span_id')) return node('spanId', spanIdOf);
  return undefined;
}

function comparisonNode(op: BinaryOp, left: Expr, value: unknown): QueryNode | undefined {
  if (isName(left, 'is_root'))
    return op === 'eq' && value === true
      ? { op: 'not', of: { op: 'exists', name: 'parentSpanId' } }
      : undefined;
  if (op === 'eq') {
    const ids = idNode(left, [value]);
    if (ids !== undefined) return ids;
  }
  const name = storedName(left);
  if (name === undefined) return undefined;
  if (op === 'ne') return { op: 'or', of: [{ op: 'exists', name }, IS_CUT] };
  const compare = COMPARES[op]!;
  const isValue = typeof value === 'string' || typeof value === 'number';
  // An order of booleans is not one of the store.
  const given = isValue ? value : typeof value === 'boolean' && op === 'eq' ? String(value) : undefined;
  return given === undefined
    ? undefined
    : { op: 'or', of: [{ op: 'field', name, compare, value: given }, IS_CUT] };
}

function binaryNode(expr: Extract<Expr, { readonly op: BinaryOp }>): QueryNode | undefined {
  const { op, left, right } = expr;
  const value = literalValue(right);
  if (op === 'in') {
    if (!Array.isArray(value)) return undefined;
    const nodes = (value as unknown[]).map((one) => comparisonNode('eq', left, one));
    return nodes.every((node) => node !== undefined) ? anyOf(nodes) : undefined;
  }
  if (op === 'includes') {
    const name = storedName(left);
    if (name === undefined || (typeof value !== 'string' && typeof value !== 'number')) return undefined;
    return { op: 'or', of: [{ op: 'field', name, compare: 'like', value: `*${value}*` }, IS_CUT] };
  }
  const swapped = SWAPPED[op];
  if (swapped === undefined) return undefined;
  if (left.op === 'literal') return comparisonNode(swapped, right, left.value);
  return right.op === 'literal' ? comparisonNode(op, left, value) : undefined;
}

/** The condition of a filter; `undefined`: none that the store can test. */
export function nodeOf(expr: Expr): QueryNode | undefined {
  switch (expr.op) {
    case 'and': {
      const parts = expr.children.map(nodeOf).filter((node) => node !== undefined);
      return parts.length === 0 ? undefined : allOf(parts);
    }
    case 'or': {
      const parts = expr.children.map(nodeOf);
      return parts.every((node) => node !== undefined) ? anyOf(parts) : undefined;
    }
    case 'isnotnull': {
      if (isName(expr.expr, 'error')) return { op: 'field', name: 'severity', compare: '>=', value: 17 };
      const name = storedName(expr.expr);
      return name === undefined ? undefined : { op: 'or', of: [{ op: 'exists', name }, IS_CUT] };
    }
    case 'ident':
      return comparisonNode('eq', expr, true) && isName(expr, 'is_root')
        ? comparisonNode('eq', expr, true)
        : undefined;
    case 'function':
      return functionName(expr) === 'contains' && expr.args.length === 2
        ? binaryNode({ op: 'includes', left: expr.args[0]!, right: expr.args[1]! })
        : undefined;
    case 'literal':
    case 'interval':
    case 'star':
    case 'not':
    case 'neg':
    case 'isnull':
    case 'if':
      return undefined;
    default:
      return binaryNode(expr);
  }
}

/** The condition that `created` is on one side of a time. A row without it has the time of its record. */
const createdNode = (compare: '<' | '<=' | '>' | '>=', ms: number): QueryNode => ({
  op: 'or',
  of: [
    { op: 'field', name: 'created', compare, value: ms, as: 'time' },
    { op: 'not', of: { op: 'exists', name: 'created' } },
    IS_CUT,
  ],
});

/** The bounds of `created` that conditions joined by AND set, and the conditions. */
function timesOf(expr: Expr, clock: Clock): { fromMs: number; toMs: number; nodes: QueryNode[] } {
  const range = { fromMs: -Infinity, toMs: Infinity, nodes: [] as QueryNode[] };
  const visit = (one: Expr): void => {
    if (one.op === 'and') return one.children.forEach(visit);
    if (!('left' in one)) return;
    const isLeft = isName(one.left, 'created');
    if (!isLeft && !isName(one.right, 'created')) return;
    const op = isLeft ? one.op : SWAPPED[one.op];
    const ms = constantTime(isLeft ? one.right : one.left, clock);
    if (ms === undefined || op === undefined) return;
    if (op === 'gt' || op === 'ge' || op === 'eq') range.fromMs = Math.max(range.fromMs, ms);
    if (op === 'lt' || op === 'le' || op === 'eq') range.toMs = Math.min(range.toMs, ms);
    const compare = COMPARES[op];
    if (compare !== undefined && compare !== '=') range.nodes.push(createdNode(compare, ms));
  };
  visit(expr);
  return range;
}

/** What the store can find out about a filter. */
export function storeFilter(filter: Expr | undefined, clock: Clock): StoreFilter {
  if (filter === undefined) return { node: undefined, fromMs: -Infinity, toMs: Infinity };
  const { nodes, ...range } = timesOf(filter, clock);
  const node = nodeOf(filter);
  const all = node ? [node, ...nodes] : nodes;
  return { node: cheapNode(all.length === 0 ? undefined : allOf(all)), ...range };
}

/** True if conditions joined by AND say which traces, spans or rows are wanted. */
export function namesIds(filter: Expr | undefined): boolean {
  if (filter === undefined) return false;
  if (filter.op === 'and') return filter.children.some(namesIds);
  if (!('left' in filter)) return false;
  const { op, left, right } = filter;
  const value = literalValue(right);
  const values = op === 'eq' ? [value] : op === 'in' && Array.isArray(value) ? (value as unknown[]) : [];
  return values.length > 0 && idNode(left, values) !== undefined;
}
