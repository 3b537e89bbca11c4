// The rows of the table `annotations` of a day file, which finds the annotations of a record.
// Invariant: each annotation with a target has one row, in the file that has its record.
import { annotationOf, targetKeyOf } from '../annotation.ts';
import { changedNames } from '../query/annotation-filter.ts';
import type { BlockRows } from './block-rows.ts';

export interface AnnotationRow {
  readonly seq: number;
  /** Name of its target (annotation.ts). */
  readonly target: string;
  /** Names of the attributes that it changes, as JSON. */
  readonly names: string;
  /** Its content, as JSON. */
  readonly content: string;
}

/** The annotations among the rows from `from` on. */
export function annotationRowsOf(rows: BlockRows, from: number): AnnotationRow[] {
  const kinds = rows.shapes.map(({ kind }) => kind === 'annotation');
  if (!kinds.includes(true)) return [];
  const found: AnnotationRow[] = [];
  for (let row = from; row < rows.count; row++) {
    if (!kinds[rows.shape[row]!]) continue;
    const record = {
      kind: 'annotation' as const,
      requestId: rows.requestIds[row] ?? '',
      traceId: rows.traces[row] ?? '',
      spanId: rows.spans[row] ?? '',
      attributes: rows.attributes[row] ?? '',
    };
    const target = targetKeyOf(record);
    const content = annotationOf(record)!;
    if (target !== undefined)
      found.push({
        seq: rows.firstSeq + row,
        target,
        names: JSON.stringify(changedNames(content)),
        content: JSON.stringify(content),
      });
  }
  return found;
}
