// Reads raw input against a schema of settings, and lists what is in a schema.
// Invariant: all problems are reported at once, one for each setting.
import { infoOf, type AnySchema, type SettingInfo, type Settings } from './settings.ts';

type SchemaPath = readonly (string | number)[];

/** One thing wrong with the input: where, and the end of a sentence. */
export interface SettingProblem {
  readonly path: SchemaPath;
  readonly message: string;
  /** Keys that are in the input of a section and not in its schema. */
  readonly unknown?: readonly string[];
}

/** Reads raw input against a schema and returns either frozen settings or all problems. */
export function read<S extends AnySchema>(
  schema: S,
  input: unknown,
): { ok: true; settings: Settings<S> } | { ok: false; problems: SettingProblem[] } {
  const result = schema.safeParse(input);
  if (result.success) return { ok: true, settings: deepFreeze(result.data) };
  const problems = new Map<string, SettingProblem>();
  for (const issue of result.error.issues) {
    const problem = problemOf(schema, input, issue);
    const key = JSON.stringify(problem.path);
    if (!problems.has(key)) problems.set(key, problem);
  }
  return { ok: false, problems: Array.from(problems.values()) };
}

type Issue = NonNullable<ReturnType<AnySchema['safeParse']>['error']>['issues'][number];

function problemOf(schema: AnySchema, input: unknown, issue: Issue): SettingProblem {
  let [node, value]: [object, unknown] = [schema, input];
  const path: (string | number)[] = [];
  for (const key of issue.path as SchemaPath) {
    const info = infoOf(node);
    // An item of a list that is one setting is not named by itself.
    if (info) break;
    path.push(key);
    [node, value] = [childOf(node, key)!, (value as Record<string | number, unknown> | undefined)?.[key]];
  }
  const info = infoOf(node);
  if (info) {
    const own = issue.code === 'custom' ? (issue.params?.['problem'] as string | undefined) : undefined;
    return { path, message: own ?? info.problem(value) };
  }
  if (issue.code === 'unrecognized_keys')
    return { path, message: 'has unknown settings', unknown: issue.keys };
  if (issue.code === 'too_small') return { path, message: 'is empty, must have at least one entry' };
  const isList = issue.code === 'invalid_type' && issue.expected === 'array';
  return { path, message: `must be ${isList ? 'a list' : 'a section (key: value lines)'}` };
}

const deepFreeze = <T>(value: T): T => {
  if (value !== null && typeof value === 'object' && !(value instanceof URL) && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
};

/** The parts of a schema that matter here. */
interface Definition {
  /** The schema without its default. */
  readonly innerType?: object;
  readonly element?: object;
  readonly shape?: Readonly<Record<string, object>>;
}

/** The definition of a section or list. */
function definitionOf(schema: object): Definition {
  const { def } = schema as { def: Definition };
  return def.innerType === undefined ? def : definitionOf(def.innerType);
}

/** The schema of a key of a section, or of the items of a list. */
function childOf(schema: object, key: string | number): object | undefined {
  const { element, shape } = definitionOf(schema);
  return element ?? shape?.[key];
}

/** A setting of a schema. Items of lists have `[]` in the path. */
export interface SettingAt {
  readonly path: readonly string[];
  readonly info: SettingInfo;
}

/** All settings of a schema, in order. */
export function settingsIn(schema: object, path: readonly string[] = []): SettingAt[] {
  const info = infoOf(schema);
  if (info) return [{ path, info }];
  const { element, shape = {} } = definitionOf(schema);
  if (element) return settingsIn(element, [...path, '[]']);
  return Object.entries(shape).flatMap(([key, inner]) => settingsIn(inner, [...path, key]));
}

/** The keys of the section at a path: for "did you mean …?". */
export function keysAt(schema: object, path: SchemaPath): string[] {
  const at = path.reduce<object | undefined>((node, key) => node && childOf(node, key), schema);
  return at === undefined ? [] : Object.keys(definitionOf(at).shape ?? {});
}

/** The JSON schema (draft 2020-12) of a configuration file, for editors. */
export const jsonSchema = (schema: AnySchema): Record<string, unknown> => ({
  ...schema.toJSONSchema({
    io: 'input',
    override: ({ zodSchema, jsonSchema: of }) => void Object.assign(of, infoOf(zodSchema)?.json),
  }),
});
