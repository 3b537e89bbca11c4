// Compiles regular expressions of users. RE2 syntax, so without lookaround and backreferences.
// Invariant: matching takes time linear in the text, for every expression and text. Only this file imports re2js.
import { createRequire } from 'node:module';

export interface Regex {
  /** Returns true if the text contains a match. */
  test(text: string): boolean;
  /** Replaces every match with `by`, matches without a gap between them once. An empty match replaces nothing. */
  replaceAll(text: string, by: string): string;
}

/** Longest expression, in characters, since compiling takes time and memory in proportion. */
const MAX_PATTERN = 1000;

let library: typeof import('re2js') | undefined;
/** Loads the library with the first expression, since most configurations have none. */
const re2js = () => (library ??= createRequire(import.meta.url)('re2js') as typeof import('re2js'));

/** Compiles an expression (https://github.com/google/re2/wiki/Syntax). Returns an error text if it is invalid. */
export function compileRegex(pattern: string): Regex | string {
  if (pattern.length > MAX_PATTERN)
    return `regular expression too long: ${pattern.length} characters, the maximum is ${MAX_PATTERN}`;
  const { RE2JS, RE2JSException } = re2js();
  try {
    const compiled = RE2JS.compile(pattern);
    return {
      test: (text: string) => compiled.test(text),
      replaceAll(text: string, by: string): string {
        if (!compiled.test(text)) return text;
        const matcher = compiled.matcher(text);
        let out = '';
        let from = 0;
        // Where the last match ends.
        let last = -1;
        while (matcher.find()) {
          const [start, end] = [matcher.start(), matcher.end()];
          if (start === end) continue;
          if (start !== last) out += text.slice(from, start) + by;
          from = end;
          last = end;
        }
        return out + text.slice(from);
      },
    };
  } catch (error) {
    if (error instanceof RE2JSException) return `invalid regular expression: ${error.message}`;
    throw error;
  }
}
