// The fields of rows as names in queries refer to them, with those that follow from others.
// Invariant: a name is looked up as the log store does it: as a whole, then as a path, so `metadata.a.b` is also the member
// "a.b" of the metadata.
import { LATEST_NS } from '../../core/time.ts';
import { attributeAt } from '../logs/logs.ts';
import { timeOfValue } from './btql-time.ts';
import { asNumber, type Compiled } from './compiled.ts';
import type { Ident } from './tree.ts';

/** The latest time that the store holds. */
const LATEST_MS = Number(LATEST_NS / 1_000_000n);

/** Returns a function that reads the value of a name with dots. */
export type ReadField<Row> = (name: string) => (row: Row) => unknown;

/** A row as results show it. */
export const readRow: ReadField<Readonly<Record<string, unknown>>> = (name) => (row) =>
  attributeAt(row, name);

type Derived = <Row>(read: ReadField<Row>) => (row: Row) => unknown;

const numbers = <Row>(read: ReadField<Row>, ...names: readonly string[]): ((row: Row) => number | null)[] =>
  names.map((name) => {
    const of = read(`metrics.${name}`);
    return (row) => {
      const value = of(row);
      return typeof value === 'number' ? asNumber(value) : null;
    };
  });

const duration: Derived = (read) => {
  const [start, end] = numbers(read, 'start', 'end');
  return (row) => {
    const [from, to] = [start!(row), end!(row)];
    return from === null || to === null ? null : Math.round((to - from) * 1e6) / 1e6;
  };
};

/** The stored value of the first of these metrics that has one, else the derived value. */
const storedOr =
  (names: readonly string[], derived: Derived): Derived =>
  (read) => {
    const stored = numbers(read, ...names);
    const other = derived(read);
    return (row) => {
      for (const of of stored) {
        const value = of(row);
        if (value !== null) return value;
      }
      return other(row);
    };
  };

const totalTokens: Derived = (read) => {
  const [prompt, completion] = numbers(read, 'prompt_tokens', 'completion_tokens');
  return (row) => {
    const [a, b] = [prompt!(row), completion!(row)];
    return a === null && b === null ? null : (a ?? 0) + (b ?? 0);
  };
};

/** Names of fields that follow from others, and the fields that they are read from. */
const DERIVED: Readonly<Record<string, { readonly from: readonly string[]; readonly of: Derived }>> = {
  'metrics.total_tokens': {
    from: ['total_tokens', 'tokens', 'prompt_tokens', 'completion_tokens'],
    of: storedOr(['total_tokens', 'tokens'], totalTokens),
  },
  'metrics.duration': { from: ['duration', 'start', 'end'], of: storedOr(['duration'], duration) },
  duration: { from: ['duration', 'start', 'end'], of: storedOr(['duration'], duration) },
  'metrics.latency': {
    from: ['latency', 'duration', 'start', 'end'],
    of: storedOr(['latency', 'duration'], duration),
  },
  latency: { from: ['latency', 'duration', 'start', 'end'], of: storedOr(['latency', 'duration'], duration) },
};

const nameOf = ({ name }: Ident): string => name.join('.');

export const isDerived = (ident: Ident): boolean => Object.hasOwn(DERIVED, nameOf(ident));

/** Members of these are numbers; other values in them count as missing. */
const isNumeric = ({ name: [head, ...rest] }: Ident): boolean =>
  rest.length > 0 && (head === 'metrics' || head === 'scores');

function leadingNames({ name }: Ident): string[] {
  const end = name.findIndex((part) => typeof part === 'number');
  return (end === -1 ? name : name.slice(0, end)) as string[];
}

/** Compiles a name to a function that reads its value. */
export function compileField<Row>(ident: Ident, read: ReadField<Row>): Compiled<Row> {
  const name = nameOf(ident);
  if (Object.hasOwn(DERIVED, name)) return { type: 'number', of: DERIVED[name]!.of(read), isConstant: false };
  const lead = leadingNames(ident);
  const rest = ident.name.slice(lead.length);
  const first = read(lead.join('.'));
  const path = rest.length === 0 ? first : (row: Row) => follow(first(row), rest);
  if (name === 'created') {
    const of = (row: Row): unknown => path(row) ?? null;
    // A row that says it was created at a time beyond all others is not at that time in the store.
    const ms = (row: Row): number | null => {
      const at = timeOfValue(of(row));
      return at === null || at >= LATEST_MS ? null : at;
    };
    return { type: 'time', of, ms, isConstant: false };
  }
  if (isNumeric(ident))
    return {
      type: 'number',
      of(row) {
        const value = path(row);
        return typeof value === 'number' ? value : null;
      },
      isConstant: false,
    };
  return { type: 'any', of: (row) => path(row) ?? null, isConstant: false };
}

function follow(value: unknown, path: readonly (string | number)[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof part === 'number') at = Array.isArray(at) ? (at as unknown[]).at(part) : null;
    else at = attributeAt(at, part);
    if (at === undefined || at === null) return null;
  }
  return at;
}
