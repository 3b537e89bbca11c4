// Recognizes paths that name a target, in any spelling (docs/contracts/serving.md 1.1).
// Invariant: a path that a server could read as naming a target never passes as another path.

/** Name of an environment or a deployment: empty only if more of the path follows. */
const NAME = String.raw`([^/?]+|(?=\/))`;
/** A target prefix. A path that begins with one is never forwarded unchanged. */
export const TARGET = String.raw`\/(production|development)|\/environments\/${NAME}|\/deployment\/${NAME}`;
/** Matches a path that names a target; groups as in TARGET. */
export const IS_TARGET = new RegExp(`^(?:${TARGET})(?=[/?]|$)`);

/** Longest part of a path that an error repeats, in characters. */
const SHOWN = 100;
/** Quotes and shortens a text of the client for an error. */
export const shown = (text: string): string => JSON.stringify(text.slice(0, SHOWN));

/** Spellings that may hide a target: escapes, and dot or empty segments. */
const MAY_HIDE = /%|\/\.|\/\//;

/**
 * Returns the normalized path, quoted, if the path names a target only after escapes are decoded and dot and empty
 * segments are removed, as servers do to compare paths (RFC 3986 6.2.2); `undefined` for any other path. Forwarded
 * unchanged, such a path would reach the default deployment instead of the one that it names.
 */
export function disguised(target: string): string | undefined {
  if (!MAY_HIDE.test(target)) return undefined;
  const end = target.indexOf('?');
  const path = end === -1 ? target : target.slice(0, end);
  const segments: string[] = [];
  for (const segment of path.replace(/%([0-7][0-9a-f])/gi, unescaped).split('/'))
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  const meant = `/${segments.join('/')}`;
  return IS_TARGET.test(meant) ? shown(meant) : undefined;
}

const unescaped = (_: string, hex: string): string => String.fromCharCode(parseInt(hex, 16));
