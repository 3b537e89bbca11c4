// Names of fields that a client asks for: `fields` of a search, `columns` of a download.
// Invariant: an unknown name is a problem, since a client would wait for its values in vain.
import { unknownName } from '../../../core/nearest-name.ts';
import { isLogField, LOG_FIELDS } from './record-json.ts';

const MAX_NAMES = 100;
const MAX_NAME = 256;
const ATTRIBUTE = 'attributes.';

/** Path of the attribute that a name such as `attributes.user.id` means; `undefined` for other names. */
export const attributePath = (name: string): string | undefined =>
  name.startsWith(ATTRIBUTE) && name.length > ATTRIBUTE.length && name.length <= MAX_NAME
    ? name.slice(ATTRIBUTE.length)
    : undefined;

/** What is wrong with the names of a parameter; `undefined`: nothing. */
export function fieldsProblem(param: string, names: readonly string[]): string | undefined {
  if (names.length === 0 || names.length > MAX_NAMES)
    return `${param}: must have 1 to ${MAX_NAMES} names, has ${names.length}; leave it out for all fields`;
  const unknown = names.find((name) => !isLogField(name) && attributePath(name) === undefined);
  return unknown === undefined
    ? undefined
    : `${param}: ${unknownName('field', unknown.slice(0, MAX_NAME), [...LOG_FIELDS, `${ATTRIBUTE}NAME`])}`;
}
