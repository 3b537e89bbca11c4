// JSONDiff: how alike two JSON values are, field by field.
// Invariant: all values that are walked were checked for their size and depth before.
import { isObject, parsedJson, type JsonObject } from '../../../protocol/llm/json-values.ts';
import { ComparisonWork } from './comparison-work.ts';
import { textSimilarity } from './edit-distance.ts';
import { numberSimilarity } from './numeric-diff.ts';
import type { ScoreFunction } from './score-function.ts';

/** Objects: mean over all fields of both. Lists: by position. Texts as Levenshtein, numbers as NumericDiff. */
export const jsonDiff: ScoreFunction = ({ output, expected }) => {
  if (output === undefined && expected === undefined)
    return { reason: 'the span has no output and no expected value' };
  const work = new ComparisonWork();
  if (!work.accepts(output) || !work.accepts(expected)) return { reason: work.problem };
  const score = similarity(output, expected, work);
  return work.problem === '' ? { score } : { reason: work.problem };
};

function similarity(one: unknown, other: unknown, work: ComparisonWork): number {
  const [a, b] = [structured(one, work), structured(other, work)];
  if (!work.spend(1)) return 0;
  if (Array.isArray(a) && Array.isArray(b)) return ofLists(a, b, work);
  if (isObject(a) && isObject(b)) return ofObjects(a, b, work);
  if (typeof a === 'string' && typeof b === 'string') return textSimilarity(a, b, work);
  if (typeof a === 'number' && typeof b === 'number') return numberSimilarity(a, b);
  if (isNothing(a) || isNothing(b)) return isNothing(a) && isNothing(b) ? 1 : 0;
  return textSimilarity(JSON.stringify(a), JSON.stringify(b), work);
}

function ofLists(a: readonly unknown[], b: readonly unknown[], work: ComparisonWork): number {
  if (a.length === 0 && b.length === 0) return 1;
  const [shorter, longer] = a.length <= b.length ? [a, b] : [b, a];
  return (
    shorter.reduce<number>((sum, value, i) => sum + similarity(value, longer[i], work), 0) / longer.length
  );
}

function ofObjects(a: JsonObject, b: JsonObject, work: ComparisonWork): number {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  if (keys.size === 0) return 1;
  let sum = 0;
  for (const key of keys) sum += similarity(own(a, key), own(b, key), work);
  return sum / keys.size;
}

const isNothing = (value: unknown): boolean => value === undefined || value === null;

const own = (object: JsonObject, key: string): unknown =>
  Object.hasOwn(object, key) ? object[key] : undefined;

/** A text that holds an object or list as that; other values as they are. */
export function structured(value: unknown, work: ComparisonWork): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  const inner = parsedJson(value);
  // A text that only begins like JSON is compared as a text.
  return inner !== undefined && work.accepts(inner) ? inner : value;
}
