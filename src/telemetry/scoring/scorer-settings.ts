// Reads the settings that all stored scorers have, and says what is wrong with them.
// Invariant: an unknown field is an error, with the known field that is nearest to it.
import { unknownName } from '../../core/nearest-name.ts';
import { keysAt, read, type SettingProblem } from '../../core/read-settings.ts';
import { required, text, type AnySchema, type Settings } from '../../core/settings.ts';

const NAME = /^[^\p{Cc}]{1,128}$/u;

/** The fields of every stored scorer, for the schema of a kind. */
export const COMMON_FIELDS = {
  name: required(
    'a name of 1 to 128 characters',
    '',
    (input) => (NAME.test(input) ? { value: input } : { problem: 'must be a name of 1 to 128 characters' }),
    String,
  ),
  slug: text({
    default: '',
    pattern: /^([a-z0-9][a-z0-9_-]{0,127})?$/,
    like: 'small letters, digits, - and _',
    doc: '',
  }),
  description: text({ default: '', pattern: /^[^]{0,1000}$/, like: 'up to 1000 characters', doc: '' }),
};

/** Reads the fields of a scorer. null counts as a field that is not given. `others`: known fields beside the schema. */
export function readFields<S extends AnySchema>(
  schema: S,
  given: Readonly<Record<string, unknown>>,
  others: readonly string[] = [],
): { readonly settings: Settings<S> } | { readonly problems: readonly string[] } {
  const fields = Object.fromEntries(
    Object.entries(given).filter(([name, value]) => value !== null && !others.includes(name)),
  );
  const result = read(schema, fields);
  if (result.ok) return { settings: result.settings };
  const known = [...keysAt(schema, []), ...others];
  return { problems: result.problems.flatMap((problem) => problemTexts(problem, known)) };
}

const problemTexts = ({ path, message, unknown }: SettingProblem, known: readonly string[]): string[] =>
  unknown === undefined
    ? [`${path.join('.')} ${message}`]
    : unknown.map((key) => unknownName('field', key, known));

/** The slug of a scorer without one. */
export const slugOf = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 128) || 'scorer';
