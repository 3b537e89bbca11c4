// A question to the record, as a tree: what the query bar's text, the contract's parameters and exporters become.
// Must stay true: plain data that may cross threads; matching it against a record says the truth, and what prefilter.ts
// makes of it for SQL only ever leaves out records that do not match.
import type { RecordKind } from '../log-record.ts';

export type QueryNode =
  | { readonly op: 'all' }
  /** `and` of nothing holds always, `or` of nothing never. */
  | { readonly op: 'and' | 'or'; readonly of: readonly QueryNode[] }
  | { readonly op: 'not'; readonly of: QueryNode }
  /**
   * Words (words.ts) that stand in this order, next to each other, in the record's searchable text; the last may be the
   * start of a word. No words: holds always.
   */
  | { readonly op: 'words'; readonly words: readonly string[]; readonly isPrefix: boolean }
  /** Part of the message, letter by letter (the contract's `includes`). */
  | { readonly op: 'substring'; readonly text: string }
  /** RE2 expression, found anywhere in the message. */
  | { readonly op: 'regex'; readonly pattern: string }
  /**
   * A field of the record, by the record's own name for it (field-names.ts), or one of its attributes (`a.b`: the attribute
   * of that name, else `b` inside `a`; of a list, any of its values), compared with a value. `@status` is an attribute
   * that has the name of a field. A field that is not there (0 of numbers, an attribute that is missing, null or an
   * object) keeps no comparison; `not` is plain negation.
   */
  | {
      readonly op: 'field';
      readonly name: string;
      readonly compare: Compare;
      readonly value: string | number;
    }
  | { readonly op: 'exists'; readonly name: string };

/**
 * `=` on texts ignores no case. `*` in a value of `like` stands for any text. The order of texts is that of their UTF-16
 * code units; of a number and a text, the text must be a number.
 */
export type Compare = '=' | '>' | '>=' | '<' | '<=' | 'like';

/**
 * Bounds that every matching record keeps; `undefined`: no bound. The store turns them into SQL.
 * Lists are "one of these"; an empty list: nothing can match.
 * Ranges are inclusive whole numbers, 0 where the record has none.
 */
export interface Prefilter {
  readonly kinds?: readonly RecordKind[] | undefined;
  readonly requestIds?: readonly string[] | undefined;
  readonly traceIds?: readonly string[] | undefined;
  readonly deployments?: readonly string[] | undefined;
  readonly environments?: readonly string[] | undefined;
  readonly replicas?: readonly string[] | undefined;
  readonly severity?: readonly [number, number] | undefined;
  readonly status?: readonly [number, number] | undefined;
  readonly durationNs?: readonly [number, number] | undefined;
  /**
   * Expression for FTS5 over `indexed(searchable(record))` with words.ts' TOKENIZER (table with detail=none: quoted
   * single tokens and prefixes, joined by AND, OR and parentheses only). For binding, never for a statement's text.
   */
  readonly fts?: string | undefined;
}
