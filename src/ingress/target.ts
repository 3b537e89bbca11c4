// How a path names a target, in whatever spelling (contracts/baseten.md 1.1).
// Must stay true: a path that servers would take for one that names a target is not taken for another.

/** A name of an environment or a deployment: empty only where something stands below it. */
const NAME = String.raw`([^/?]+|(?=\/))`;
/** A target prefix; a path that begins with one is never passed on as it is. */
export const TARGET = String.raw`\/(production|development)|\/environments\/${NAME}|\/deployment\/${NAME}`;
/** True of a path that names a target; groups as in TARGET. */
export const IS_TARGET = new RegExp(`^(?:${TARGET})(?=[/?]|$)`);

/** What of a path an error repeats. */
const SHOWN = 100;
/** A text of the client as an error repeats it. */
export const shown = (text: string): string => JSON.stringify(text.slice(0, SHOWN));

/** What may hide a target: escapes, and dot or empty segments. */
const MAY_HIDE = /%|\/\.|\/\//;

/**
 * How a path would be written that names a target only once escapes are undone and dot and empty segments are removed,
 * as servers do that compare paths (RFC 3986 6.2.2), in quotes; `undefined` for any other path. Passed on as it is, it
 * would reach the default deployment in the place of the one that it names.
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
