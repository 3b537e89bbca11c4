// The source tree as a parser sees it: imports, exported names, comments. For tests of the structure and of the docs.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync, type ParseResult } from 'oxc-parser';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** One `import` or `export … from` of a source file. Paths are relative to `src/`; a library keeps its name. */
export interface Import {
  readonly from: string;
  readonly to: string;
  /** A library or a module of Node, not a file of the project. */
  readonly isPackage: boolean;
  /** Everything that it names is a type, so that nothing is loaded at run time. */
  readonly isType: boolean;
}

const parsed = new Map<string, ParseResult>();

/** All files of `src/`, as paths relative to it. */
export const sourceFiles = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();

export const sourceText = (file: string): string => readFileSync(join(SRC, file), 'utf8');

export function parseSource(file: string): ParseResult {
  let result = parsed.get(file);
  if (result === undefined) {
    result = parseSync(file, sourceText(file));
    if (result.errors.length > 0) throw new Error(`${file}: ${result.errors[0]!.message}`);
    parsed.set(file, result);
  }
  return result;
}

/** What a file imports, and what it passes on with `export … from`. */
export function importsOf(file: string): Import[] {
  const { module } = parseSource(file);
  const imported = module.staticImports.map(({ moduleRequest, entries }) => ({
    to: moduleRequest.value,
    isType: entries.length > 0 && entries.every((entry) => entry.isType),
  }));
  const passedOn = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest, isType }) =>
      moduleRequest === null ? [] : [{ to: moduleRequest.value, isType }],
    ),
  );
  return [...imported, ...passedOn].map(({ to, isType }) => ({
    from: file,
    to: to.startsWith('.') ? relative(SRC, resolve(SRC, dirname(file), to)) : to,
    isPackage: !to.startsWith('.'),
    isType,
  }));
}

/** The names that a file exports and declares itself, types among them. */
export const declaredExports = (file: string): { name: string; isType: boolean }[] =>
  parseSource(file).module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest, exportName, isType }) =>
      moduleRequest === null && exportName.name !== null ? [{ name: exportName.name, isType }] : [],
    ),
  );
