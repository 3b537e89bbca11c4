// Reads what a custom scorer returned.
// Invariant: a score is a number from 0 to 1 or null, has a name that can be stored, and no other score has this name.
import { isObject } from '../../../protocol/llm/json-values.ts';
import type { Score } from '../scorer.ts';

const MAX_SCORES = 32;
const NAME = /^[^\p{Cc}]{1,128}$/u;
const RIGHT = 'return a number from 0 to 1, null, or an object such as {"name": "length", "score": 0.5}';

/** Scores in an answer, or what is wrong with it, as the end of a sentence. `name`: of a score that has none. */
export function scoresOf(answer: unknown, name: string): readonly Score[] | string {
  const answers = Array.isArray(answer) ? answer : [answer];
  if (answers.length > MAX_SCORES) return `returned ${answers.length} scores; the maximum is ${MAX_SCORES}`;
  const scores: Score[] = [];
  for (const one of answers) {
    const score = scoreOf(one, name);
    if (typeof score === 'string') return score;
    if (scores.some((other) => other.name === score.name))
      return `returned two scores with the name ${JSON.stringify(score.name)}`;
    scores.push(score);
  }
  return scores;
}

function scoreOf(answer: unknown, byDefault: string): Score | string {
  if (!isObject(answer)) {
    const value = valueOf(answer);
    return typeof value === 'string' ? value : { name: byDefault, score: value };
  }
  const { name = byDefault, score, metadata } = answer;
  if (typeof name !== 'string' || !NAME.test(name))
    return `returned a score whose name is ${shown(name)}; a name has 1 to 128 characters`;
  const value = valueOf(score);
  if (typeof value === 'string') return value;
  if (metadata === undefined || metadata === null) return { name, score: value };
  return isObject(metadata)
    ? { name, score: value, metadata }
    : `returned metadata that is ${shown(metadata)}; it must be an object`;
}

function valueOf(score: unknown): number | null | string {
  if (score === null) return null;
  if (typeof score === 'boolean') return score ? 1 : 0;
  if (score === undefined) return `returned no score; ${RIGHT}`;
  return typeof score === 'number' && score >= 0 && score <= 1
    ? score
    : `returned the score ${shown(score)}; ${RIGHT}`;
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'undefined').slice(0, 60);
