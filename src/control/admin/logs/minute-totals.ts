// Questions that the sums of whole minutes can answer, without a record being read.
// Must stay true: what is said to be one asks about nothing but the fields that those sums are kept by.
import { SUMMED_FIELDS, type QueryNode } from '../../../telemetry/logs/logs.ts';

const NAMES: ReadonlySet<string> = new Set([...SUMMED_FIELDS, 'severity']);

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
