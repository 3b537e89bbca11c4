// Options of built-in scorers.
import { unknownName } from '../../../core/nearest-name.ts';

/** Problems of options that a scorer does not have. */
export const unknownOptions = (options: object, known: readonly string[]): string[] =>
  Object.keys(options)
    .filter((name) => !known.includes(name))
    .map((name) => unknownName('option', name, known));
