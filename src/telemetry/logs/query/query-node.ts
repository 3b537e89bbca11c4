// A query on the log store as a tree, and the prefilter that is derived from it.
// Invariant: a query is plain data that can be sent to another thread; match.ts decides which records it matches.
import type { RecordKind } from '../log-record.ts';
import type { WordTest } from './required-words.ts';

export type QueryNode =
  | { readonly op: 'all' }
  /** An empty `and` matches every record, an empty `or` none. */
  | { readonly op: 'and' | 'or'; readonly of: readonly QueryNode[] }
  | { readonly op: 'not'; readonly of: QueryNode }
  /**
   * Words (words.ts) that are adjacent, in this order, in the searchable text of the record. `isPrefix`: the last one
   * may be the start of a word. Without words it matches every record.
   */
  | { readonly op: 'words'; readonly words: readonly string[]; readonly isPrefix: boolean }
  /** Text that the message contains; case matters (the contract's `includes`). */
  | { readonly op: 'substring'; readonly text: string }
  /** RE2 expression that matches anywhere in the message. */
  | { readonly op: 'regex'; readonly pattern: string }
  /**
   * Compares a field of the record (name: field-names.ts) or an attribute with a value. `a.b` is the attribute of that
   * name, otherwise `b` inside `a`; of a list, any element may match. `@status` is an attribute with the name of a
   * field. A missing value (0 of a number field; an attribute that is missing, null or an object) never matches. `not`
   * is plain negation, so it matches then. With `as: 'time'` only texts that are times (ISO 8601) match, whose
   * milliseconds since 1970 are compared with the value, a number.
   */
  | {
      readonly op: 'field';
      readonly name: string;
      readonly compare: Compare;
      readonly value: string | number;
      readonly as?: 'time';
    }
  | { readonly op: 'exists'; readonly name: string };

/**
 * Case matters in all comparisons of texts. `*` in a value of `like` stands for any text. Texts are ordered by their
 * UTF-16 code units. A text is compared with a number only if it is the text of a number.
 */
export type Compare = '=' | '>' | '>=' | '<' | '<=' | 'like';

/**
 * Conditions that every matching record meets. `undefined`: no condition.
 * Lists: the value is one of these; if a list is empty, no record matches.
 * Ranges: inclusive integers; 0 is the value of a record that has none.
 */
export interface Prefilter {
  readonly kinds?: readonly RecordKind[] | undefined;
  readonly requestIds?: readonly string[] | undefined;
  readonly traceIds?: readonly string[] | undefined;
  /** Request ids of which records without a trace id may have one of `traceIds` (store/request-traces.ts). */
  readonly tracedIds?: readonly string[] | undefined;
  readonly deployments?: readonly string[] | undefined;
  readonly environments?: readonly string[] | undefined;
  readonly replicas?: readonly string[] | undefined;
  readonly severity?: readonly [number, number] | undefined;
  readonly status?: readonly [number, number] | undefined;
  readonly durationNs?: readonly [number, number] | undefined;
  /** Words of `searchableText(record)`. */
  readonly words?: WordTest | undefined;
}
