// The parameter `with`: parts of an answer that are left out unless a client asks for them.
// Invariant: an unknown part is an error, since a client would wait for it in vain.
import { unknownName } from '../../core/nearest-name.ts';

/** The asked parts, of a text such as `status,docs`; a text is the problem. Routes that take it have no other parameter. */
export function withParam<P extends string>(
  query: URLSearchParams,
  parts: readonly P[],
): ReadonlySet<P> | string {
  for (const name of query.keys()) if (name !== 'with') return unknownName('parameter', name, ['with']);
  const asked = (query.get('with') ?? '').split(',').filter((part) => part !== '');
  const unknown = asked.find((part) => !parts.some((known) => known === part));
  return unknown === undefined ? new Set(asked as P[]) : `with: ${unknownName('part', unknown, parts)}`;
}
