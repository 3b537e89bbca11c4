// Checks JSON values against a JSON schema (draft 2020-12, and what draft 7 spells differently).
// Invariant: a check takes at most MAX_STEPS steps, whatever schema and value are; a keyword that is not checked is an
// error, so a value never passes by a spelling mistake.
import { nearest } from '../../../core/nearest-name.ts';
import { isObject, type JsonObject } from '../../../protocol/llm/json-values.ts';
import { complexity } from './comparison-work.ts';
import { ANNOTATIONS, KEYWORDS } from './schema-keywords.ts';

const MAX_STEPS = 1_000_000;
/** Schemas inside each other while a value is checked: a `$ref` may lead back to itself. */
const MAX_NESTING = 500;
const MAX_SCHEMA_BYTES = 64 * 1024;
const MAX_PROBLEMS = 10;

/** Checks one value. */
export type SchemaCheck = (value: unknown, run: SchemaRun) => boolean;

/** One check of a value, and how much it may still do. */
export class SchemaRun {
  #steps = MAX_STEPS;
  #nesting = 0;
  /** Why the check did not come to an end; '' if it did. */
  problem = '';

  /** Takes so many steps. Returns false if there are none left; what is checked then has no meaning. */
  spend(steps: number): boolean {
    this.#steps -= steps;
    if (this.#steps < 0) this.problem ||= 'checking the schema takes too long';
    return this.problem === '';
  }

  /** Checks a value against one of the schemas. */
  within(value: unknown, checks: readonly SchemaCheck[]): boolean {
    if (++this.#nesting > MAX_NESTING) this.problem ||= 'the schema refers to itself without an end';
    const isValid = this.spend(1) && checks.every((check) => check(value, this));
    this.#nesting--;
    return isValid;
  }
}

/** Makes checks of schemas, and lists what is wrong with them. */
export class SchemaCompiler {
  readonly problems: string[] = [];
  readonly #root: unknown;
  /** By schema, since a reference may lead to any of them. */
  readonly #compiled = new Map<object, SchemaCheck>();

  constructor(root: unknown) {
    this.#root = root;
  }

  /** `at`: path of the schema, such as `schema.properties.name`. */
  compile(schema: unknown, at: string): SchemaCheck {
    if (typeof schema === 'boolean') return () => schema;
    if (!isObject(schema)) return this.wrong(at, 'must be a schema: an object, true or false');
    const known = this.#compiled.get(schema);
    if (known !== undefined) return known;
    const checks: SchemaCheck[] = [];
    const all: SchemaCheck = (value, run) => run.within(value, checks);
    // Before its keywords, since they may refer to it.
    this.#compiled.set(schema, all);
    for (const [name, value] of Object.entries(schema)) {
      const keyword = Object.hasOwn(KEYWORDS, name) ? KEYWORDS[name]! : undefined;
      if (keyword !== undefined) checks.push(...[keyword(value, `${at}.${name}`, this, schema)].flat());
      else if (!ANNOTATIONS.has(name) && !name.startsWith('x-')) this.#unknown(at, name);
    }
    return all;
  }

  /** The check of a reference inside the schema: `#/$defs/name`. */
  refer(reference: unknown, at: string): SchemaCheck {
    if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference))
      return this.wrong(at, 'must be a place in this schema, such as #/$defs/name');
    const schema = this.#find(reference);
    return schema === undefined
      ? this.wrong(at, `leads to nothing: ${reference.slice(0, 80)}`)
      : this.compile(schema, at);
  }

  /** Adds a problem. Returns a check that nothing passes. */
  wrong(at: string, problem: string): SchemaCheck {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(`${at} ${problem}`);
    return () => false;
  }

  /** RFC 6901, in the fragment of a URL. */
  #find(reference: string): unknown {
    let at: unknown = this.#root;
    for (const part of reference.split('/').slice(1)) {
      const key = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
      at = (at as JsonObject)[key];
    }
    return at;
  }

  #unknown(at: string, name: string): void {
    const near = nearest(name, Object.keys(KEYWORDS), 2);
    const hint = near === undefined ? 'weir does not check it' : `did you mean "${near}"?`;
    this.wrong(at, `has the keyword ${JSON.stringify(name.slice(0, 80))}; ${hint}`);
  }
}

/** Compiles a schema. `valid`: true or false, or why that cannot be told. */
export function compileSchema(
  schema: unknown,
): { readonly valid: (value: unknown) => boolean | { readonly reason: string } } | { problems: string[] } {
  if (typeof schema === 'object' && schema !== null) {
    const problem = complexity(schema);
    if (problem !== '') return { problems: [`schema: ${problem}`] };
    const bytes = Buffer.byteLength(JSON.stringify(schema));
    if (bytes > MAX_SCHEMA_BYTES)
      return { problems: [`schema has ${bytes} bytes; the maximum is ${MAX_SCHEMA_BYTES}`] };
  }
  const compiler = new SchemaCompiler(schema);
  const check = compiler.compile(schema, 'schema');
  if (compiler.problems.length > 0) return { problems: compiler.problems };
  return {
    valid: (value) => {
      const run = new SchemaRun();
      const isValid = check(value, run);
      return run.problem === '' ? isValid : { reason: run.problem };
    },
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A lone %: the text as it is.
    return part;
  }
}
