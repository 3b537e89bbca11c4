// Finds the annotations because of which a query may match a record that it does not match without them.
// Invariant: a record that only matches with its annotations has at least one that passes the test.
import { ANNOTATIONS, type Annotation } from '../annotation.ts';
import { mergedContent } from '../merge-annotations.ts';
import { isColumn } from './field-names.ts';
import { attributePath, presenceTest, valueTest, type ValueTest } from './field-test.ts';
import type { QueryNode } from './query-node.ts';

/** Attributes that are part of the searchable text (searchable-text.ts). */
const TEXT_NAMES = ['exc_info', 'path', 'cause', 'detail'];

/** A condition that annotations can change. */
interface ChangedCondition {
  /** First parts of its name: attributes that, if they change, can change what it finds. */
  readonly heads: readonly string[];
  /** Name of the attribute, and the test of its value. `undefined`: any change counts. */
  readonly value: { readonly path: string; readonly matches: ValueTest } | undefined;
}

export interface AnnotationFilter {
  /** False if no annotation that changes only these attributes passes. */
  mayPass(names: readonly string[]): boolean;
  passes(annotation: Annotation): boolean;
}

/** The name, and all its beginnings that end before a dot. */
function headsOf(path: string): string[] {
  const heads = [path];
  for (let dot = path.indexOf('.'); dot !== -1; dot = path.indexOf('.', dot + 1))
    heads.push(path.slice(0, dot));
  return heads;
}

function conditionsOf(node: QueryNode, isNegated: boolean): ChangedCondition[] {
  switch (node.op) {
    case 'and':
    case 'or':
      return node.of.flatMap((part) => conditionsOf(part, isNegated));
    case 'not':
      return conditionsOf(node.of, !isNegated);
    case 'words':
      return [{ heads: TEXT_NAMES, value: undefined }];
    case 'field':
    case 'exists': {
      if (isColumn(node.name)) return [];
      const path = attributePath(node.name);
      const matches = node.op === 'exists' ? presenceTest(node.name) : valueTest(node);
      return [{ heads: headsOf(path), value: isNegated ? undefined : { path, matches } }];
    }
    case 'all':
    case 'substring':
    case 'regex':
      return [];
  }
}

/** All values that a name may stand for, whichever of its dots separate names of objects. */
function* valuesAt(object: unknown, name: string): Generator {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return;
  const members = object as Record<string, unknown>;
  if (Object.hasOwn(object, name)) yield members[name];
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const head = name.slice(0, dot);
    if (Object.hasOwn(object, head)) yield* valuesAt(members[head], name.slice(dot + 1));
  }
}

/** The names of the attributes that an annotation changes. */
export const changedNames = ({ fields = {} }: Annotation): string[] => [ANNOTATIONS, ...Object.keys(fields)];

/** Returns the test of a query. */
export function annotationFilter(node: QueryNode): AnnotationFilter {
  const conditions = conditionsOf(node, false);
  return {
    mayPass: (names) => conditions.some(({ heads }) => names.some((name) => heads.includes(name))),
    passes(annotation) {
      const { fields = {} } = annotation;
      let merged: unknown;
      return conditions.some(({ heads, value }) => {
        if (heads.some((head) => Object.hasOwn(fields, head))) return true;
        if (!heads.includes(ANNOTATIONS)) return false;
        if (value === undefined) return true;
        // What later annotations of the record do not replace is found in the merged record with the same value.
        merged ??= { [ANNOTATIONS]: mergedContent([annotation]) };
        for (const found of valuesAt(merged, value.path)) if (value.matches(found)) return true;
        return false;
      });
    },
  };
}
