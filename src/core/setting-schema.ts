// What a schema of settings is made of: single values, sections of them, and lists of sections.
// Invariant: reading never throws, whatever the input is, and notes a problem for everything that is wrong.

/** A place in the input: keys of sections and positions in lists. */
export type SchemaPath = readonly (string | number)[];

/** One thing wrong with the input: where, and the end of a sentence. */
export interface SettingProblem {
  readonly path: SchemaPath;
  readonly message: string;
  /** Keys that are in the input of a section and not in its schema. */
  readonly unknown?: readonly string[];
}

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Reads a value of type `T`. */
export interface Schema<T> {
  /** The value of an input. If a problem is noted, what it returns is not to be used. */
  read(input: unknown, path: SchemaPath, problems: SettingProblem[]): T;
  /** True if the input may be missing. */
  readonly isOptional: boolean;
  /** JSON schema (draft 2020-12) of the input, as a file has it. */
  readonly json: JsonSchema;
}

/** A schema of any type. */
export type AnySchema = Schema<unknown>;

/** The type of what a schema reads. */
export type Settings<S extends AnySchema> = S extends Schema<infer T> ? T : never;

/** What help, docs and error messages need to know of a setting. */
export interface SettingInfo {
  /** Form of the values, for people: `duration`, `bytes`, `integer`, … */
  readonly kind: string;
  /** One sentence: what it does. */
  readonly doc: string;
  /** The default as text; `undefined` if there is none. */
  readonly defaultText: string | undefined;
  /** True: values are never shown. */
  readonly secret: boolean;
  /** A short name besides the long one: `listen` gives `--listen` and `WEIR_LISTEN`. */
  readonly alias: string | undefined;
  /** Value → text: the inverse of parsing. */
  readonly show: (value: unknown) => string;
}

/** An input that is not a value of a setting. `problem`: the end of an error message, if the usual one does not say it. */
export class Refusal {
  readonly problem: string | undefined;

  constructor(problem?: string) {
    this.problem = problem;
  }
}

/** One setting. */
export class ValueSchema<T> implements Schema<T> {
  readonly info: SettingInfo;
  readonly json: JsonSchema;
  readonly isOptional: boolean;
  readonly #parse: (input: unknown) => T | Refusal;
  readonly #problem: (input: unknown) => string;

  /**
   * `parse` is called with a missing input only if it may not be missing. `problem`: the end of an error message:
   * `is 5, must be a whole number from 6 to 10`. `byDefault`: the value if the input is missing; `undefined`: without one.
   */
  constructor(
    info: SettingInfo,
    json: JsonSchema,
    parse: (input: unknown) => T | Refusal,
    problem: (input: unknown) => string,
    missing: { readonly value: T } | undefined,
  ) {
    this.info = info;
    this.json = json;
    this.isOptional = missing !== undefined;
    this.#parse = missing ? (input) => (input === undefined ? missing.value : parse(input)) : parse;
    this.#problem = problem;
  }

  read(input: unknown, path: SchemaPath, problems: SettingProblem[]): T {
    const value = this.#parse(input);
    if (value instanceof Refusal) problems.push({ path, message: value.problem ?? this.#problem(input) });
    return value as T;
  }
}

type Shape = Readonly<Record<string, AnySchema>>;
type OptionalKeys<S extends Shape> = {
  [K in keyof S]: undefined extends Settings<S[K]> ? K : never;
}[keyof S];
/** The type of a section. Values that may be missing are optional. */
export type SectionOf<S extends Shape> = {
  [K in Exclude<keyof S, OptionalKeys<S>>]: Settings<S[K]>;
} & { [K in OptionalKeys<S>]?: Settings<S[K]> };

/** Named settings and no others. A missing section has all defaults. */
export class SectionSchema<S extends Shape> implements Schema<SectionOf<S>> {
  readonly shape: S;
  readonly isOptional = true;

  constructor(shape: S) {
    this.shape = shape;
  }

  get json(): JsonSchema {
    const inner = Object.entries(this.shape);
    const required = inner.filter(([, { isOptional }]) => !isOptional).map(([key]) => key);
    return {
      default: {},
      type: 'object',
      properties: Object.fromEntries(inner.map(([key, { json }]) => [key, json])),
      ...(required.length > 0 && { required }),
      additionalProperties: false,
    };
  }

  read(input: unknown = {}, path: SchemaPath, problems: SettingProblem[]): SectionOf<S> {
    const settings: Record<string, unknown> = {};
    if (typeof input !== 'object' || input === null || Array.isArray(input))
      problems.push({ path, message: 'must be a section (key: value lines)' });
    else {
      for (const [key, schema] of Object.entries(this.shape)) {
        const value = schema.read((input as Record<string, unknown>)[key], [...path, key], problems);
        if (value !== undefined) settings[key] = value;
      }
      const unknown = Object.keys(input).filter((key) => !Object.hasOwn(this.shape, key));
      if (unknown.length > 0) problems.push({ path, message: 'has unknown settings', unknown });
    }
    return settings as SectionOf<S>;
  }
}

/** A list of sections. */
export class ListSchema<S extends AnySchema> implements Schema<Settings<S>[]> {
  readonly item: S;
  readonly isOptional = true;
  readonly #min: number;

  /** `min`: fewest items; a missing list has none. */
  constructor(item: S, min: number) {
    this.item = item;
    this.#min = min;
  }

  get json(): JsonSchema {
    return { default: [], minItems: this.#min, type: 'array', items: this.item.json };
  }

  read(input: unknown = [], path: SchemaPath, problems: SettingProblem[]): Settings<S>[] {
    if (!Array.isArray(input)) problems.push({ path, message: 'must be a list' });
    else if (input.length < this.#min)
      problems.push({ path, message: 'is empty, must have at least one entry' });
    else return Array.from(input, (one, i) => this.item.read(one, [...path, i], problems) as Settings<S>);
    return [];
  }
}
