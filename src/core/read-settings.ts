// Reads raw input against a schema of settings, and lists what is in a schema.
// Invariant: all problems are reported at once, one for each setting.
import {
  ListSchema,
  SectionSchema,
  ValueSchema,
  type AnySchema,
  type JsonSchema,
  type SchemaPath,
  type SettingInfo,
  type SettingProblem,
  type Settings,
} from './setting-schema.ts';

export type { SettingProblem } from './setting-schema.ts';

/** Reads raw input against a schema and returns either frozen settings or all problems. */
export function read<S extends AnySchema>(
  schema: S,
  input: unknown,
): { ok: true; settings: Settings<S> } | { ok: false; problems: readonly SettingProblem[] } {
  const problems: SettingProblem[] = [];
  const settings = schema.read(input, [], problems) as Settings<S>;
  return problems.length > 0 ? { ok: false, problems } : { ok: true, settings: deepFreeze(settings) };
}

const deepFreeze = <T>(value: T): T => {
  if (value !== null && typeof value === 'object' && !(value instanceof URL) && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
};

/** The schema of a key of a section, or of the items of a list. */
function childOf(schema: AnySchema, key: string | number): AnySchema | undefined {
  if (schema instanceof ListSchema) return schema.item;
  return schema instanceof SectionSchema ? schema.shape[key] : undefined;
}

/** A setting of a schema. Items of lists have `[]` in the path. */
export interface SettingAt {
  readonly path: readonly string[];
  readonly info: SettingInfo;
}

/** All settings of a schema, in order. */
export function settingsIn(schema: AnySchema, path: readonly string[] = []): SettingAt[] {
  if (schema instanceof ValueSchema) return [{ path, info: schema.info }];
  if (schema instanceof ListSchema) return settingsIn(schema.item, [...path, '[]']);
  if (!(schema instanceof SectionSchema)) return [];
  return Object.entries<AnySchema>(schema.shape).flatMap(([key, inner]) => settingsIn(inner, [...path, key]));
}

/** The keys of the section at a path: for "did you mean …?". */
export function keysAt(schema: AnySchema, path: SchemaPath): string[] {
  const at = path.reduce<AnySchema | undefined>((node, key) => node && childOf(node, key), schema);
  return at instanceof SectionSchema ? Object.keys(at.shape) : [];
}

/** The JSON schema (draft 2020-12) of a configuration file, for editors. */
export const jsonSchema = ({ json }: AnySchema): JsonSchema => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  ...json,
});
