// Parses the text of the query bar on the server, which checks regular expressions too.
// Invariant: a query that is accepted can be compiled (match.ts).
import { compileRegex } from '../regex.ts';
import { parseWith, QUERY_LIMITS, type InvalidQuery, type ParsedQuery } from './parser.ts';

/** Returns an error text for an invalid regular expression, `undefined` for a valid one. */
export function regexProblem(pattern: string): string | undefined {
  if (pattern.length > QUERY_LIMITS.regexLength)
    return `regular expression too long: ${pattern.length} characters, the maximum is ${QUERY_LIMITS.regexLength}`;
  const compiled = compileRegex(pattern);
  return typeof compiled === 'string' ? compiled : undefined;
}

/** Parses a text of the query bar (parser.ts). */
export const parseQuery = (text: string): ParsedQuery | InvalidQuery => parseWith(text, regexProblem);
