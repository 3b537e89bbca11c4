// Reads a YAML configuration file into single values with their lines. Only this file imports yaml.
// Invariant: nothing is checked here except the syntax.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe } from '../core/errors.ts';
import type { GivenValue, SettingPath } from './given-value.ts';
import { settings } from './schema.ts';

/** Loaded only if there is a file, since most sidecars have none. */
const loadYaml = () => createRequire(import.meta.url)('yaml') as typeof import('yaml');

/** The text of the file, or `undefined` and a problem. */
export function readText(file: string, problems: string[]): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    problems.push(`cannot read the configuration file: ${describe(error)}`);
    return undefined;
  }
}

/** Splits the text into values. Adds `file:line` of each value and section to `lines`, by path joined with dots. */
export function readYaml(
  file: string,
  source: string,
  lines: Map<string, string>,
  problems: string[],
): GivenValue[] {
  const { isMap, isScalar, isSeq, LineCounter, parseDocument } = loadYaml();
  const counter = new LineCounter();
  const document = parseDocument(source, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number) => `${file}:${counter.linePos(offset).line}`;
  for (const error of document.errors) problems.push(`${at(error.pos[0])}: ${error.message}`);
  if (document.errors.length > 0) return [];
  const given: GivenValue[] = [];
  // `here` is the line of the key, since the value may begin on the next line.
  const walk = (node: unknown, path: SettingPath, here: string): void => {
    lines.set(path.join('.'), here);
    if (isMap(node) && node.items.length > 0 && !isLeaf(path))
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : String(key);
        walk(value, [...path, name], isScalar(key) && key.range ? at(key.range[0]) : here);
      }
    else if (isSeq(node) && node.items.length > 0 && !isLeaf(path))
      node.items.forEach((item, i) => {
        const range = (item as { range?: [number, number, number] | null }).range;
        walk(item, [...path, i], range ? at(range[0]) : here);
      });
    else {
      const value: unknown =
        node === null || node === undefined ? null : (node as { toJS(d: unknown): unknown }).toJS(document);
      // `key:` without a value counts as absent, since that is how a section looks whose lines are commented out.
      if (value !== null) given.push({ path, value, origin: here });
    }
  };
  try {
    if (isMap(document.contents)) walk(document.contents, [], `${file}:1`);
    else if (document.contents !== null) problems.push(`${file}:1: must be a section (key: value lines)`);
  } catch (error) {
    // For example an alias without its anchor, which is found only when it is resolved.
    problems.push(`${file}: ${describe(error)}`);
  }
  return given;
}

/** True if a path is a setting, whose value may be a list. */
const isLeaf = (path: SettingPath): boolean =>
  settings.some(
    (s) =>
      s.path.length === path.length &&
      s.path.every((key, i) => key === path[i] || (key === '[]' && typeof path[i] === 'number')),
  );
