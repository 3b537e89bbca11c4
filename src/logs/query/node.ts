// A question to the record, as a tree: what the query bar's text, the contract's parameters and exporters become.
// Must stay true: plain data that may cross threads; matching it against a record says the truth, and what narrow.ts
// makes of it for SQL only ever leaves out records that do not match.
import type { Kind } from '../record.ts';

export type Node =
  | { readonly op: 'all' }
  | { readonly op: 'and' | 'or'; readonly of: readonly Node[] }
  | { readonly op: 'not'; readonly of: Node }
  /** Words that stand in this order, next to each other, in any case of letters; the last may be the start of a word. */
  | { readonly op: 'words'; readonly words: readonly string[]; readonly isPrefix: boolean }
  /** Part of the message, letter by letter (the contract's `includes`). */
  | { readonly op: 'substring'; readonly text: string }
  /** RE2 expression, found anywhere in the message. */
  | { readonly op: 'regex'; readonly pattern: string }
  /** A field of the record, or one of its attributes (`a.b` goes inside), compared with a value. */
  | {
      readonly op: 'field';
      readonly name: string;
      readonly compare: Compare;
      readonly value: string | number;
    }
  | { readonly op: 'exists'; readonly name: string };

/** `=` on texts ignores no case. `*` in a value of `like` stands for any text. */
export type Compare = '=' | '>' | '>=' | '<' | '<=' | 'like';

/**
 * Bounds that every matching record keeps; `undefined`: no bound. The store turns them into SQL.
 * Lists are "one of these"; an empty list: nothing can match.
 */
export interface Narrowing {
  readonly kinds?: readonly Kind[] | undefined;
  readonly requestIds?: readonly string[] | undefined;
  readonly traceIds?: readonly string[] | undefined;
  readonly deployments?: readonly string[] | undefined;
  readonly environments?: readonly string[] | undefined;
  readonly replicas?: readonly string[] | undefined;
  /** Inclusive. */
  readonly severity?: readonly [number, number] | undefined;
  readonly status?: readonly [number, number] | undefined;
  readonly durationNs?: readonly [number, number] | undefined;
  /** Expression for FTS5 (table with detail=none: single tokens joined by AND, OR and parentheses only). */
  readonly fts?: string | undefined;
}
