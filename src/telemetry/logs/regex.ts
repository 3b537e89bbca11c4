// Regular expressions that users write: RE2 syntax, matched in time linear in the text.
// Must stay true: no text and no expression makes matching slow, so neither the built-in RegExp nor a feature that
// needs going back (lookaround, backreferences) is offered. Only this file imports re2js.
import { createRequire } from 'node:module';

export interface Regex {
  /** True where the expression is found anywhere in the text. */
  test(text: string): boolean;
  /** The text with every match replaced by `by`, which is taken as it stands (`$1` means nothing). */
  replaceAll(text: string, by: string): string;
}

/** Longest expression, in characters: compiling takes time and memory in proportion. */
const MAX_PATTERN = 1000;

let library: typeof import('re2js') | undefined;
/** Loaded with the first expression: most sidecars have none. */
const re2js = () => (library ??= createRequire(import.meta.url)('re2js') as typeof import('re2js'));

/** The expression ready for use, or in words what is wrong with it (https://github.com/google/re2/wiki/Syntax). */
export function compileRegex(pattern: string): Regex | string {
  if (pattern.length > MAX_PATTERN)
    return `the expression has ${pattern.length} characters, ${MAX_PATTERN} are allowed`;
  const { RE2JS, RE2JSException } = re2js();
  try {
    const compiled = RE2JS.compile(pattern);
    return {
      test: (text: string) => compiled.test(text),
      replaceAll: (text: string, by: string) =>
        compiled.test(text) ? compiled.matcher(text).replaceAll(() => by) : text,
    };
  } catch (error) {
    if (error instanceof RE2JSException) return `the expression cannot be read: ${error.message}`;
    throw error;
  }
}
