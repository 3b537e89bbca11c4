// Regular expressions of users, in time linear in the text: RE2's syntax, run by re2js.
// Must stay true: no text of a user ever reaches JavaScript's own RegExp, which may take for ever.
import { RE2JS } from 're2js';

export interface Regex {
  /** Whether the expression is found anywhere in the text. */
  test(text: string): boolean;
}

/** The expression compiled, or in words what is wrong with it (RE2's own message). */
export function compileRegex(pattern: string): Regex | string {
  try {
    const compiled = RE2JS.compile(pattern);
    return { test: (text) => compiled.test(text) };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
