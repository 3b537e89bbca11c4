// The path of a request as the routes of a key name it: without a target, and without `/sync`. Hot path.
// Invariant: a path that a server could read as another one has no such name.
import { TARGET } from './target-path.ts';

/** A target prefix or nothing, then `/sync` or nothing, both before more of the path. */
const PREFIX = new RegExp(`^(?:${TARGET})?(?:\\/sync)?(?=\\/)`);

/** Characters of a path that are written without escapes. A backslash is a slash to some servers. */
const PLAIN = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/]*$/;
/** Empty segments, and dot segments. */
const HIDDEN = /\/(?:\/|\.{1,2}(?:[/;]|$))/;

/**
 * Path of a request target, such as `/v1/chat/completions` for `/environments/prod/sync/v1/chat/completions?a=1`.
 * `undefined` for a path with escapes, dot segments or empty segments, which servers may read as another path.
 */
export function routePathOf(target: string): string | undefined {
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  if (!PLAIN.test(path) || HIDDEN.test(path)) return undefined;
  return path.replace(PREFIX, '');
}
