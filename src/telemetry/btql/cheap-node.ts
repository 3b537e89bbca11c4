// Leaves out the parts of a query of the store that would take longer than reading the rows.
// Invariant: the result finds every record that the query finds.
import type { QueryNode } from '../logs/logs.ts';

/** Conditions on attributes that are tested for each record. */
const MAX_CONDITIONS = 200;
/** Fields that the store looks up. */
const IDS = new Set(['requestId', 'traceId', 'spanId', 'parentSpanId']);

function conditionsOf(node: QueryNode): number {
  switch (node.op) {
    case 'and':
    case 'or':
      return node.of.reduce((sum, one) => sum + conditionsOf(one), 0);
    case 'not':
      return conditionsOf(node.of);
    case 'field':
    case 'exists':
      return IDS.has(node.name) ? 0 : 1;
    default:
      return 1;
  }
}

/** The query, or those of its conditions joined by AND that are few enough; `undefined`: none are. */
export function cheapNode(node: QueryNode | undefined): QueryNode | undefined {
  if (node === undefined || conditionsOf(node) <= MAX_CONDITIONS) return node;
  if (node.op !== 'and') return undefined;
  let left = MAX_CONDITIONS;
  const kept = node.of.filter((one) => {
    const conditions = conditionsOf(one);
    if (conditions > left) return false;
    left -= conditions;
    return true;
  });
  return kept.length === 0 ? undefined : { op: 'and', of: kept };
}
