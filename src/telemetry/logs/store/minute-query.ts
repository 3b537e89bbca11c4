// Tells which group queries can be answered from sums per minute instead of records.
// Invariant: a query that passes gives the same result for the records of one minute that are equal in SHAPE_COLUMNS.
import type { GroupKey, GroupQuery } from '../query/group-query.ts';
import type { QueryNode } from '../query/query-node.ts';
import { isShapeColumn } from './shape.ts';

export const MINUTE_MS = 60_000;

/** True if conditions and keys need only these fields and whole minutes. */
export function usesMinuteFields({ node, by }: Pick<GroupQuery, 'node' | 'by'>): boolean {
  const hasKey = (key: GroupKey): boolean =>
    'stepMs' in key ? key.stepMs % MINUTE_MS === 0 : key.field === 'level' || isShapeColumn(key.field);
  return hasFields(node) && by.every(hasKey);
}

function hasFields(node: QueryNode): boolean {
  switch (node.op) {
    case 'all':
      return true;
    case 'and':
    case 'or':
      return node.of.every(hasFields);
    case 'not':
      return hasFields(node.of);
    case 'field':
    case 'exists':
      return isShapeColumn(node.name);
    default:
      return false;
  }
}
