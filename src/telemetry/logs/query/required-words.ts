// Words that a text must contain to match a query, as a tree: for Bloom filters, sets of words,
// and the full-text index of files of version 1.
// Invariant: a text that matches the query passes the test; a text that passes may still not match.

/**
 * Words are in the form of `wordsOf` (words.ts). `all`: every part; `any`: at least one part. `prefix`: a word that
 * begins with it.
 */
export type WordTest =
  | { readonly all: readonly WordTest[] }
  | { readonly any: readonly WordTest[] }
  | { readonly word: string }
  | { readonly prefix: string };

/** All tests. Joins them in one level instead of nesting them: FTS5 (files of version 1) limits the depth. */
export function allOf(tests: readonly WordTest[]): WordTest {
  const all = tests.flatMap((test) => ('all' in test ? test.all : [test]));
  return all.length === 1 ? all[0]! : { all };
}

/** At least one of the tests, also in one level. */
export function anyOf(tests: readonly WordTest[]): WordTest {
  const any = tests.flatMap((test) => ('any' in test ? test.any : [test]));
  return any.length === 1 ? any[0]! : { any };
}

/**
 * Returns false if a text surely fails the test. `hasWord` tells whether the text may contain a word. Prefixes count as
 * contained, since filters cannot look them up.
 */
export function mayContain(test: WordTest, hasWord: (word: string) => boolean): boolean {
  if ('word' in test) return hasWord(test.word);
  if ('all' in test) return test.all.every((part) => mayContain(part, hasWord));
  return 'any' in test ? test.any.some((part) => mayContain(part, hasWord)) : true;
}
