// The parameter `with`: parts of an answer that are left out unless a client asks for them.
// Invariant: an unknown part is an error, since a client would wait for it in vain.
import { unknownName } from '../../core/nearest-name.ts';

/** The asked parts, of a text such as `status,docs`, or all problems. Routes that take it have no other parameter. */
export function withParam<P extends string>(
  query: URLSearchParams,
  parts: readonly P[],
): ReadonlySet<P> | { readonly problems: readonly string[] } {
  const problems = [...new Set(query.keys())]
    .filter((name) => name !== 'with')
    .map((name) => unknownName('parameter', name, ['with']));
  const asked = (query.get('with') ?? '').split(',').filter((part) => part !== '');
  const unknown = asked.find((part) => !parts.some((known) => known === part));
  if (unknown !== undefined) problems.push(`with: ${unknownName('part', unknown, parts)}`);
  return problems.length === 0 ? new Set(asked as P[]) : { problems };
}
