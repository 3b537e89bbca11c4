// What a question says about where its records are: bounds that SQL and the full-text index can use.
// Must stay true: every record that matches keeps every bound; where that is not certain there is no bound.
import { KINDS, type RecordKind } from '../log-record.ts';
import { TEXT_COLUMNS } from './field-names.ts';
import type { Compare, Prefilter, QueryNode } from './query-node.ts';
import { isAscii, wordsOf } from './words.ts';

const LISTS = ['kinds', 'requestIds', 'traceIds', 'deployments', 'environments', 'replicas'] as const;
const RANGES = ['severity', 'status', 'durationNs'] as const;
type RangeName = (typeof RANGES)[number];
const LIST_OF: Readonly<Partial<Record<string, (typeof LISTS)[number]>>> = {
  requestId: 'requestIds',
  traceId: 'traceIds',
  deployment: 'deployments',
  environment: 'environments',
  replica: 'replicas',
};

const NOTHING: Prefilter = { kinds: [] };
const MAX = Number.MAX_SAFE_INTEGER;
/** Words of one text that are looked up: more cost more than they leave out. */
const MOST_WORDS = 16;

type Mutable = { -readonly [K in keyof Prefilter]: Prefilter[K] };

const isNothing = (of: Prefilter): boolean =>
  LISTS.some((name) => of[name]?.length === 0) ||
  RANGES.some((name) => of[name] && of[name][0] > of[name][1]);

/** Both hold: lists and ranges meet (`fts`: see below). */
function both(a: Prefilter, b: Prefilter): Prefilter {
  const result: Mutable = { ...a };
  for (const name of LISTS) {
    const [one, other]: (readonly string[] | undefined)[] = [a[name], b[name]];
    const met = one && other ? one.filter((value) => other.includes(value)) : (one ?? other);
    if (met) result[name] = met as readonly RecordKind[];
  }
  for (const name of RANGES) {
    const [one, other] = [a[name], b[name]];
    const met =
      one && other ? ([Math.max(one[0], other[0]), Math.min(one[1], other[1])] as const) : (one ?? other);
    if (met) result[name] = met;
  }
  return isNothing(result) ? NOTHING : result;
}

/** One of them holds: a list or range stays where each has it. */
function either(a: Prefilter, b: Prefilter): Prefilter {
  if (isNothing(a)) return b;
  if (isNothing(b)) return a;
  const result: Mutable = {};
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

/** Side by side, not one in the other: FTS5's parser goes only so deep. */
const joined = (parts: readonly (string | undefined)[], sign: 'AND' | 'OR'): string =>
  parts.length === 1 ? parts[0]! : parts.map((part) => `(${part})`).join(` ${sign} `);

/** All parts hold. */
function all(parts: readonly Prefilter[]): Prefilter {
  const result = parts.reduce(both, {});
  const fts = parts.flatMap((part) => part.fts ?? []);
  return isNothing(result) || fts.length === 0 ? result : { ...result, fts: joined(fts, 'AND') };
}

/** One of the parts holds. */
function any(parts: readonly Prefilter[]): Prefilter {
  const possible = parts.filter((part) => !isNothing(part));
  const fts = possible.map((part) => part.fts);
  const result = possible.reduce(either, NOTHING);
  return possible.length === 0 || fts.includes(undefined) ? result : { ...result, fts: joined(fts, 'OR') };
}

/**
 * Tokens that the index must have. A token holds letters and digits alone, no sign and no quote, and FTS5 takes what
 * stands in quotes as a text: nothing in it can become an operator.
 */
function tokens(of: readonly string[], prefix?: string): Prefilter {
  const longest = [...new Set(of)].sort((a, b) => b.length - a.length).slice(0, MOST_WORDS);
  const all = longest.map((word) => `"${word}"`);
  if (prefix !== undefined) all.push(`"${prefix}"*`);
  return all.length === 0 ? {} : { fts: all.join(' AND ') };
}

/**
 * What a part of the message says about its words. Of ASCII: those that end inside it are whole, the last one may go on;
 * the first may be the end of another word. Beyond ASCII what stands around can change a word; ideographs stand alone.
 */
function partOfMessage(text: string): Prefilter {
  if (!isAscii(text)) return tokens((text.match(/\p{Script=Han}/gu) ?? []).flatMap(wordsOf));
  const [, inside] = /^[a-z0-9]*([^]*)$/i.exec(text)!;
  const found = wordsOf(inside!);
  return tokens(found, /[a-z0-9]$/i.test(inside!) ? found.pop() : undefined);
}

function phrase(of: readonly string[], isPrefix: boolean): Prefilter {
  const found = of.flatMap(wordsOf);
  return tokens(found, isPrefix ? found.pop() : undefined);
}

/** Whole numbers that keep the comparison; a record that has none (0) does not. */
function range(name: RangeName, compare: Compare, value: number): Prefilter {
  if (compare === 'like') return {};
  const from =
    compare === '>' ? Math.floor(value) + 1 : compare === '<' || compare === '<=' ? 1 : Math.ceil(value);
  const to =
    compare === '<' ? Math.ceil(value) - 1 : compare === '>' || compare === '>=' ? MAX : Math.floor(value);
  return Number.isNaN(value) ? NOTHING : { [name]: [Math.max(1, from), to] };
}

/** Whole numbers that do not keep the comparison: bounds only where that is what lies below. */
function outside(name: RangeName, compare: Compare, value: number): Prefilter {
  if ((compare !== '>' && compare !== '>=') || Number.isNaN(value)) return {};
  return { [name]: [0, Math.max(0, compare === '>' ? Math.floor(value) : Math.ceil(value) - 1)] };
}

function ofField(name: string, compare: Compare, value: string | number, isNegated: boolean): Prefilter {
  if ((RANGES as readonly string[]).includes(name)) {
    const number = typeof value === 'number' ? value : value.trim() === '' ? Number.NaN : Number(value);
    return (isNegated ? outside : range)(name as RangeName, compare, number);
  }
  if (compare !== '=' || !(TEXT_COLUMNS as readonly string[]).includes(name)) return {};
  const text = String(value);
  if (name === 'kind') return { kinds: KINDS.filter((kind) => (kind === text) !== isNegated) };
  if (isNegated || text === '') return {};
  if (name === 'message') return partOfMessage(` ${text} `);
  const list = LIST_OF[name];
  return list === undefined ? {} : { [list]: [text] };
}

function ofExists(name: string, isNegated: boolean): Prefilter {
  if (name === 'kind') return isNegated ? NOTHING : {};
  // Of ids alone an empty one is stored as none at all.
  const list = isNegated && name !== 'requestId' && name !== 'traceId' ? LIST_OF[name] : undefined;
  if (list !== undefined) return { [list]: [''] };
  if (!(RANGES as readonly string[]).includes(name)) return {};
  return { [name]: isNegated ? [0, 0] : [1, MAX] };
}

function bounds(node: QueryNode, isNegated: boolean): Prefilter {
  switch (node.op) {
    case 'all':
      return isNegated ? NOTHING : {};
    case 'not':
      return bounds(node.of, !isNegated);
    case 'and':
    case 'or': {
      const parts = node.of.map((part) => bounds(part, isNegated));
      // Not all of them is one of them not; none of them is each of them not.
      return (node.op === 'and') !== isNegated ? all(parts) : any(parts);
    }
    case 'field':
      return ofField(node.name, node.compare, node.value, isNegated);
    case 'exists':
      return ofExists(node.name, isNegated);
    case 'words':
      return isNegated ? {} : phrase(node.words, node.isPrefix);
    case 'substring':
      return isNegated ? {} : partOfMessage(node.text);
    case 'regex':
      return {};
  }
}

/** Bounds that every record keeps which `compile(node)` lets through. */
export const prefilter = (node: QueryNode): Prefilter => bounds(node, false);
