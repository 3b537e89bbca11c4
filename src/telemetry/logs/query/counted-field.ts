// A field whose values are counted, and a query without its conditions on that field.
// Invariant: only conditions that all records must meet are left out, so that the other query matches more records.
import { annotationPath, attributeName, findField, type FieldValues } from './field-names.ts';
import { allOf } from './parser.ts';
import type { QueryNode } from './query-node.ts';

export interface CountedField {
  /** Key of a group query. */
  readonly key: string;
  /** Names that the field has in conditions. */
  readonly names: readonly string[];
}

/** Forms of values that are too many, or no values of a record. */
const UNCOUNTED: ReadonlySet<FieldValues> = new Set(['message', 'includes', 'duration', 'ms']);

/** The field that a name of the query bar stands for; `undefined`: its values cannot be counted. */
export function countedField(name: string): CountedField | undefined {
  const isAttribute = name.startsWith('@');
  const written = isAttribute ? name.slice(1) : name;
  const known = isAttribute ? undefined : findField(written);
  if (known !== undefined && UNCOUNTED.has(known.values)) return undefined;
  const key = known?.name ?? attributeName(written);
  const path = isAttribute || known !== undefined ? undefined : annotationPath(written);
  return { key: key === 'severity' ? 'level' : key, names: path === undefined ? [key] : [key, path] };
}

/** True if a node has only conditions on these names. */
function isOnly(node: QueryNode, names: readonly string[]): boolean {
  switch (node.op) {
    case 'and':
    case 'or':
      return node.of.length > 0 && node.of.every((part) => isOnly(part, names));
    case 'not':
      return isOnly(node.of, names);
    case 'field':
    case 'exists':
      return names.includes(node.name);
    default:
      return false;
  }
}

/** A query without the conditions that are only on one field. */
export function withoutField(node: QueryNode, { names }: CountedField): QueryNode {
  const conditions = (one: QueryNode): QueryNode[] => (one.op === 'and' ? one.of.flatMap(conditions) : [one]);
  return allOf(conditions(node).filter((one) => !isOnly(one, names)));
}
