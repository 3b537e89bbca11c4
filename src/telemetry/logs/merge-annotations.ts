// Merges annotations into the record that they are for.
// Invariant: the order of storing decides, so of two annotations that set the same name the later one wins. A withdrawn
// one counts as if it had never been stored.
import { ANNOTATIONS, isAnnotationName, isPlainObject, standing, type Annotation } from './annotation.ts';
import { attributesOf, type LogRecord } from './log-record.ts';

type Plain = Record<string, unknown>;

const PATCHES = ['scores', 'feedback', 'metadata'] as const;

/** Applies a JSON merge patch (RFC 7396). `target` is not changed. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) return patch;
  // Without a prototype, so `__proto__` is an ordinary name.
  const out = Object.assign(Object.create(null) as Plain, isPlainObject(target) ? target : {});
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete out[name];
    else out[name] = mergePatch(out[name], value);
  }
  return out;
}

/**
 * The attribute `annotations` of a record: scores, feedback and metadata by name, `comments` and `tags` as lists,
 * `expected`. Parts without a value are left out. `contents`: in the order of storing.
 */
export function mergedContent(contents: readonly Annotation[]): Plain {
  const out: Plain = {};
  for (const name of PATCHES) {
    const patches = contents.flatMap((content) => content[name] ?? []);
    const merged = patches.reduce<unknown>(mergePatch, {}) as Plain;
    if (Object.keys(merged).length > 0) out[name] = merged;
  }
  const last = contents.findLast((content) => Object.hasOwn(content, 'expected'));
  if (last !== undefined && last.expected !== null) out['expected'] = last.expected;
  const tags = new Set(contents.flatMap((content) => content.tags ?? []));
  if (tags.size > 0) out['tags'] = [...tags];
  const comments = contents.flatMap(({ comment }) => comment ?? []);
  if (comments.length > 0) out['comments'] = comments;
  return out;
}

/**
 * A record with its annotations: `fields` are merged into the attributes, the rest is the attribute `annotations`. An
 * attribute of its own that has this name, or one that begins with `annotations.`, is left out.
 */
export function withAnnotations(record: LogRecord, all: readonly Annotation[]): LogRecord {
  const contents = standing(all);
  const patches = contents.flatMap(({ fields }) => fields ?? []);
  const merged = patches.reduce<unknown>(mergePatch, mergePatch(attributesOf(record), {})) as Plain;
  for (const name of Object.keys(merged)) if (isAnnotationName(name)) delete merged[name];
  const annotations = mergedContent(contents);
  if (Object.keys(annotations).length > 0) merged[ANNOTATIONS] = annotations;
  const attributes = JSON.stringify(merged);
  return { ...record, attributes: attributes === '{}' ? '' : attributes };
}
