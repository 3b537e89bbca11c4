// Decides whether the totals per minute can answer a query, without reading records.
import { SUMMED_FIELDS, type QueryNode } from '../../../telemetry/logs/logs.ts';

const NAMES: ReadonlySet<string> = new Set([...SUMMED_FIELDS, 'severity']);

/** True if a query uses only fields that the totals are grouped by. */
export function hasMinuteTotals(node: QueryNode): boolean {
  switch (node.op) {
    case 'all':
      return true;
    case 'and':
    case 'or':
      return node.of.every(hasMinuteTotals);
    case 'not':
      return hasMinuteTotals(node.of);
    case 'field':
    case 'exists':
      return node.name !== 'level' && NAMES.has(node.name);
    default:
      return false;
  }
}

export const MINUTE_NS = 60_000_000_000n;
