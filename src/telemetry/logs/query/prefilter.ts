// Derives from a query the conditions that indexes and filters can check before records are matched.
// Invariant: every record that matches the query meets every condition; where that is not certain, there is none.
import { KINDS, type RecordKind } from '../log-record.ts';
import { TEXT_COLUMNS } from './field-names.ts';
import { numeric } from './field-test.ts';
import type { Compare, Prefilter, QueryNode } from './query-node.ts';
import { allOf, anyOf, type WordTest } from './required-words.ts';
import { isAscii, wordsOf } from './words.ts';

const LISTS = ['kinds', 'requestIds', 'traceIds', 'deployments', 'environments', 'replicas'] as const;
const RANGES = ['severity', 'status', 'durationNs'] as const;
type RangeName = (typeof RANGES)[number];
const LIST_OF_FIELD: Readonly<Partial<Record<string, (typeof LISTS)[number]>>> = {
  requestId: 'requestIds',
  traceId: 'traceIds',
  deployment: 'deployments',
  environment: 'environments',
  replica: 'replicas',
};

/** No record meets it. */
const MATCHES_NONE: Prefilter = { kinds: [] };
const MAX = Number.MAX_SAFE_INTEGER;
/** Words of one text that are looked up. Looking up more costs more than it saves. */
const MAX_REQUIRED_WORDS = 16;

type MutablePrefilter = { -readonly [K in keyof Prefilter]: Prefilter[K] };

const matchesNone = (prefilter: Prefilter): boolean =>
  LISTS.some((name) => prefilter[name]?.length === 0) ||
  RANGES.some((name) => prefilter[name] && prefilter[name][0] > prefilter[name][1]);

/** Conditions of records that meet both: intersects lists and ranges. `words` are combined by `intersectAll`. */
function intersect(a: Prefilter, b: Prefilter): Prefilter {
  const result: MutablePrefilter = { ...a };
  for (const name of LISTS) {
    const [one, other]: (readonly string[] | undefined)[] = [a[name], b[name]];
    const common = one && other ? one.filter((value) => other.includes(value)) : (one ?? other);
    if (common) result[name] = common as readonly RecordKind[];
  }
  for (const name of RANGES) {
    const [one, other] = [a[name], b[name]];
    const common =
      one && other ? ([Math.max(one[0], other[0]), Math.min(one[1], other[1])] as const) : (one ?? other);
    if (common) result[name] = common;
  }
  return matchesNone(result) ? MATCHES_NONE : result;
}

/** Conditions of records that meet at least one: unites the lists and ranges that both have. `words`: see `uniteAll`. */
function unite(a: Prefilter, b: Prefilter): Prefilter {
  if (matchesNone(a)) return b;
  if (matchesNone(b)) return a;
  const result: MutablePrefilter = {};
  for (const name of LISTS) {
    const [one, other] = [a[name], b[name]];
    if (one && other) result[name] = [...new Set([...one, ...other])] as readonly RecordKind[];
  }
  for (const name of RANGES) {
    const [one, other] = [a[name], b[name]];
    if (one && other) result[name] = [Math.min(one[0], other[0]), Math.max(one[1], other[1])];
  }
  return result;
}

function intersectAll(parts: readonly Prefilter[]): Prefilter {
  const result = parts.reduce(intersect, {});
  const words = parts.flatMap((part) => part.words ?? []);
  return matchesNone(result) || words.length === 0 ? result : { ...result, words: allOf(words) };
}

function uniteAll(parts: readonly Prefilter[]): Prefilter {
  const possible = parts.filter((part) => !matchesNone(part));
  const words = possible.flatMap((part) => part.words ?? []);
  const result = possible.reduce(unite, MATCHES_NONE);
  return possible.length === 0 || words.length < possible.length
    ? result
    : { ...result, words: anyOf(words) };
}

/** Words that the text must contain, and the start of one more. */
function requiredWords(words: readonly string[], prefix?: string): Prefilter {
  const longest = [...new Set(words)].sort((a, b) => b.length - a.length).slice(0, MAX_REQUIRED_WORDS);
  const tests: WordTest[] = longest.map((word) => ({ word }));
  if (prefix !== undefined) tests.push({ prefix });
  return tests.length === 0 ? {} : { words: allOf(tests) };
}

/**
 * Words of a message that contains the text. ASCII: the first word is skipped, since it may be the end of a longer
 * one; the last is a prefix, since it may continue. Other texts: only ideographs, since neighbours can change a word.
 */
function substringWords(text: string): Prefilter {
  if (!isAscii(text)) return requiredWords((text.match(/\p{Script=Han}/gu) ?? []).flatMap(wordsOf));
  const [, rest] = /^[a-z0-9]*([^]*)$/i.exec(text)!;
  const words = wordsOf(rest!);
  return requiredWords(words, /[a-z0-9]$/i.test(rest!) ? words.pop() : undefined);
}

function phraseWords(phrase: readonly string[], isPrefix: boolean): Prefilter {
  const words = phrase.flatMap(wordsOf);
  return requiredWords(words, isPrefix ? words.pop() : undefined);
}

/** Range of integers for which the comparison is true. 0 is never in it, since it means that there is no value. */
function rangeOf(name: RangeName, compare: Compare, value: number): Prefilter {
  if (compare === 'like') return {};
  const from =
    compare === '>' ? Math.floor(value) + 1 : compare === '<' || compare === '<=' ? 1 : Math.ceil(value);
  const to =
    compare === '<' ? Math.ceil(value) - 1 : compare === '>' || compare === '>=' ? MAX : Math.floor(value);
  return Number.isNaN(value) ? MATCHES_NONE : { [name]: [Math.max(1, from), to] };
}

/** Range of integers for which the comparison is false. Empty unless these are all below a limit. */
function negatedRangeOf(name: RangeName, compare: Compare, value: number): Prefilter {
  if ((compare !== '>' && compare !== '>=') || Number.isNaN(value)) return {};
  return { [name]: [0, Math.max(0, compare === '>' ? Math.floor(value) : Math.ceil(value) - 1)] };
}

function fieldPrefilter(
  name: string,
  compare: Compare,
  value: string | number,
  isNegated: boolean,
): Prefilter {
  if ((RANGES as readonly string[]).includes(name)) {
    return (isNegated ? negatedRangeOf : rangeOf)(name as RangeName, compare, numeric(value));
  }
  if (compare !== '=' || !(TEXT_COLUMNS as readonly string[]).includes(name)) return {};
  const text = String(value);
  if (name === 'kind') return { kinds: KINDS.filter((kind) => (kind === text) !== isNegated) };
  if (isNegated || text === '') return {};
  // The spaces make the first and the last word of the message whole words.
  if (name === 'message') return substringWords(` ${text} `);
  const list = LIST_OF_FIELD[name];
  return list === undefined ? {} : { [list]: [text] };
}

function existsPrefilter(name: string, isNegated: boolean): Prefilter {
  if (name === 'kind') return isNegated ? MATCHES_NONE : {};
  // The store has no row for an empty request id or trace id, so SQL cannot look these up.
  const list = isNegated && name !== 'requestId' && name !== 'traceId' ? LIST_OF_FIELD[name] : undefined;
  if (list !== undefined) return { [list]: [''] };
  if (!(RANGES as readonly string[]).includes(name)) return {};
  return { [name]: isNegated ? [0, 0] : [1, MAX] };
}

function nodePrefilter(node: QueryNode, isNegated: boolean): Prefilter {
  switch (node.op) {
    case 'all':
      return isNegated ? MATCHES_NONE : {};
    case 'not':
      return nodePrefilter(node.of, !isNegated);
    case 'and':
    case 'or': {
      const parts = node.of.map((part) => nodePrefilter(part, isNegated));
      // De Morgan: a negated `and` is an `or` of negations, and a negated `or` is an `and` of negations.
      return (node.op === 'and') !== isNegated ? intersectAll(parts) : uniteAll(parts);
    }
    case 'field':
      return fieldPrefilter(node.name, node.compare, node.value, isNegated);
    case 'exists':
      return existsPrefilter(node.name, isNegated);
    case 'words':
      return isNegated ? {} : phraseWords(node.words, node.isPrefix);
    case 'substring':
      return isNegated ? {} : substringWords(node.text);
    case 'regex':
      return {};
  }
}

/** Conditions that every record meets for which `compile(node)` (match.ts) returns true. */
export const prefilter = (node: QueryNode): Prefilter => nodePrefilter(node, false);
