// The grammar of the query bar for browsers: parser, pieces for colours, names for completion, limits.
// Invariant: no file that this one loads needs Node, so that it can be bundled for a browser.
import { causes } from '../../../core/errors.ts';
import { KINDS } from '../log-record.ts';
import { LEVELS } from './field-filter.ts';
import { ANNOTATION_FIELDS, QUERY_FIELDS } from './field-names.ts';
import { parseWith, type InvalidQuery, type ParsedQuery, type RegexCheck } from './parser.ts';

export type { QueryHint } from './field-filter.ts';
export type { FieldValues } from './field-names.ts';
export { piecesOf, type PieceKind, type QueryPiece, type QueryPlace, type QueryProblem } from './lex.ts';
export { QUERY_LIMITS, type InvalidQuery, type ParsedQuery, type RegexCheck } from './parser.ts';
export type { QueryNode } from './query-node.ts';

/** Names for completion. `fields`: the usual name of each first, with the form of its values. */
export const QUERY_NAMES = {
  fields: QUERY_FIELDS,
  annotations: ANNOTATION_FIELDS,
  levels: LEVELS,
  kinds: KINDS,
  causes,
} as const;

/**
 * Parses a text of the query bar, as the server does. Without `checkRegex` every regular expression is accepted, so that
 * only the server finds those that are invalid.
 */
export const parseQuery = (
  text: string,
  checkRegex: RegexCheck = () => undefined,
): ParsedQuery | InvalidQuery => parseWith(text, checkRegex);
