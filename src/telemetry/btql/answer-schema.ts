// The schema of a result: the columns, and the types of their values.
// Invariant: a column that has a value in no row has no type.
import type { ValueType } from './compiled.ts';

/** JSON schema of a value. */
type ColumnSchema = Readonly<Record<string, string>>;

const OF_TYPE: Readonly<Partial<Record<ValueType, ColumnSchema>>> = {
  boolean: { type: 'boolean' },
  integer: { type: 'integer' },
  number: { type: 'number' },
  text: { type: 'string' },
  time: { type: 'string', format: 'date-time' },
};

function ofValue(value: unknown): ColumnSchema {
  if (value === null || value === undefined) return {};
  if (Array.isArray(value)) return { type: 'array' };
  return { type: typeof value };
}

/** `values`: name of a column → a value in it, or null. `types`: columns whose type is known. */
export function answerSchema(
  values: ReadonlyMap<string, unknown>,
  types: ReadonlyMap<string, ValueType>,
): object {
  const names = new Set([...types.keys(), ...values.keys()]);
  const properties = Object.fromEntries(
    Array.from(names, (name) => [name, OF_TYPE[types.get(name) ?? 'any'] ?? ofValue(values.get(name))]),
  );
  return { type: 'array', items: { type: 'object', properties } };
}
