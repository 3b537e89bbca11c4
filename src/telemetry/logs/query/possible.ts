// Evaluates a query for a group of records of which only some facts are known, so that whole groups can be skipped.
// Invariant: `none` and `all` are certain: match.ts agrees for every record that fits what is known.
import { isColumn } from './field-names.ts';
import {
  attributeAt,
  attributePath,
  messageTest,
  numeric,
  presenceTest,
  textsOf,
  valueTest,
  type ValueTest,
} from './field-test.ts';
import { phraseMatcher } from './phrase.ts';
import type { QueryNode } from './query-node.ts';
import { normalizeText } from './words.ts';

/**
 * What is known about one column or attribute of all records of a group.
 * `values`: a value that is not in the list does not occur. No value is 0 or '' in a column, `undefined` in an
 * attribute. Lists and objects are values as JSON.parse returns them.
 * `min`, `max`: every value is a number from min to max, inclusive. `mayBeMissing`: some records may have no value.
 */
export type Known =
  | { readonly values: readonly unknown[] }
  | { readonly min: number; readonly max: number; readonly mayBeMissing: boolean };

/** What is known about the records of a group. `undefined`: nothing is known. */
export interface Knowledge {
  /** Name: a field of `LogRecord`, as in TEXT_COLUMNS and NUMBER_COLUMNS (field-names.ts), but never `message`. */
  column(name: string): Known | undefined;
  /**
   * Name: a key of the attributes, without `@`, taken as a whole: for `a.b` this is called for `a.b`, then for `a`. If
   * no record has the attribute, the only value is `undefined`.
   */
  attribute(name: string): Known | undefined;
  /**
   * Name: as in `attribute`, with dots, for a value found in any way. If something is known, `attribute` is not called.
   */
  member?(name: string): Known | undefined;
  /** False if no record has a value under the name that is one of the texts, or the number of one of them. */
  mayHave?(name: string, texts: readonly string[]): boolean;
  /** The message that all records have. */
  readonly message?: string | undefined;
  /** The searchable text (searchable-text.ts) that all records have. */
  readonly text?: string | undefined;
}

/** How many records of a group match: none of them, perhaps some, or every one. */
export type Verdict = 'none' | 'some' | 'all';

/** Bits of an outcome: a record may match, and a record may not match. */
const MATCH = 1;
const MISMATCH = 2;
const EITHER = MATCH | MISMATCH;

const outcome = (isMatch: boolean): number => (isMatch ? MATCH : MISMATCH);

/** The group that is evaluated, with its normalized text once a test has needed it. */
class CurrentGroup {
  known!: Knowledge;
  #normalizedText: string | undefined;

  set(known: Knowledge): void {
    this.known = known;
    this.#normalizedText = undefined;
  }

  /** Of the searchable text; of the message, which is the beginning of that text, if only this is known. */
  normalizedText(): string | undefined {
    const text = this.known.text ?? this.known.message;
    return text === undefined ? undefined : (this.#normalizedText ??= normalizeText(text));
  }
}

type FieldNode = Extract<QueryNode, { readonly op: 'field' }>;
type Outcome = (group: CurrentGroup) => number;
/** Outcome of a test for every number in a range, both ends included. */
type RangeOutcome = (min: number, max: number) => number;

function comparedRange({ compare, value }: FieldNode, matches: ValueTest): RangeOutcome {
  const number = numeric(value);
  return (min, max) => {
    if (min === max) return outcome(matches(min));
    switch (compare) {
      case 'like':
        return EITHER;
      case '=':
        return number >= min && number <= max ? EITHER : MISMATCH;
      case '>':
      case '>=':
        return (matches(max) ? MATCH : 0) | (matches(min) ? 0 : MISMATCH);
      case '<':
      case '<=':
        return (matches(min) ? MATCH : 0) | (matches(max) ? 0 : MISMATCH);
    }
  };
}

/** Outcome of a test for values. `undefined` means that nothing is known. Missing values do not match. */
function knownOutcome(known: Known | undefined, matches: ValueTest, ofRange: RangeOutcome): number {
  if (known === undefined) return EITHER;
  if ('values' in known) {
    let result = 0;
    for (const value of known.values) {
      result |= outcome(matches(value));
      if (result === EITHER) break;
    }
    return result;
  }
  const ofMissing = known.mayBeMissing ? MISMATCH : 0;
  return known.min > known.max ? ofMissing : ofMissing | ofRange(known.min, known.max);
}

const messageOutcome =
  (matches: (message: string) => boolean): Outcome =>
  ({ known: { message } }) =>
    message === undefined ? EITHER : outcome(matches(message));

function columnOutcome(name: string, matches: ValueTest, ofRange: RangeOutcome): Outcome {
  if (name === 'message') return messageOutcome(matches);
  // In a column, 0 means that there is no value. It may be the end of a range, so the numbers on both sides are looked at apart from it.
  const ofColumn: RangeOutcome = (min, max) =>
    min > 0 || max < 0
      ? ofRange(min, max)
      : MISMATCH |
        (max > 0 ? ofRange(Number.MIN_VALUE, max) : 0) |
        (min < 0 ? ofRange(min, -Number.MIN_VALUE) : 0);
  return ({ known }) => knownOutcome(known.column(name), matches, ofColumn);
}

/** Ways to find an attribute: an attribute as a whole, then `b` inside `a` for each dot of the name. */
function lookups(path: string): { readonly head: string; readonly rest: string }[] {
  const found = [];
  for (let dot = path.indexOf('.'); dot !== -1; dot = path.indexOf('.', dot + 1))
    found.push({ head: path.slice(0, dot), rest: path.slice(dot + 1) });
  return found;
}

const isMissing = (value: unknown): boolean => value === undefined;

/** True if a record may lack the attribute, so that the next lookup counts. */
const mayBeMissing = (known: Known): boolean =>
  'values' in known ? known.values.some(isMissing) : known.mayBeMissing;

const withoutMissing = (known: Known): Known =>
  'values' in known
    ? { values: known.values.filter((value) => value !== undefined) }
    : { ...known, mayBeMissing: false };

function attributeOutcome(name: string, matches: ValueTest, ofRange: RangeOutcome): Outcome {
  const path = attributePath(name);
  const inside = lookups(path);
  return ({ known }) => {
    const member = known.member?.(path);
    if (member !== undefined) return knownOutcome(member, matches, ofRange);
    const whole = known.attribute(path);
    if (whole === undefined || !mayBeMissing(whole)) return knownOutcome(whole, matches, ofRange);
    let result = knownOutcome(withoutMissing(whole), matches, ofRange);
    for (const { head, rest } of inside) {
      const of = known.attribute(head);
      if (of === undefined) return EITHER;
      // Numbers contain nothing, so after a range the next lookup counts.
      if (!('values' in of)) continue;
      const values = of.values.map((value) => attributeAt(value, rest));
      const isLast = !values.some(isMissing);
      result |= knownOutcome(withoutMissing({ values }), matches, ofRange);
      if (isLast) return result;
    }
    return result | outcome(matches(undefined));
  };
}

const fieldOutcome = (name: string, matches: ValueTest, ofRange: RangeOutcome): Outcome =>
  (isColumn(name) ? columnOutcome : attributeOutcome)(name, matches, ofRange);

function wordsOutcome(words: readonly string[], isPrefix: boolean): Outcome {
  const contains = phraseMatcher(words, isPrefix);
  // Without words every text matches.
  if (contains('')) return () => MATCH;
  return (group) => {
    const text = group.normalizedText();
    if (text === undefined) return EITHER;
    if (contains(text)) return MATCH;
    return group.known.text === undefined ? EITHER : MISMATCH;
  };
}

function compileOutcome(node: QueryNode): Outcome {
  switch (node.op) {
    case 'all':
      return () => MATCH;
    case 'and':
    case 'or': {
      const parts = node.of.map(compileOutcome);
      // One part decides: a mismatch of all records for `and`, a match of all records for `or`.
      const [decisive, neutral] = node.op === 'and' ? [MISMATCH, MATCH] : [MATCH, MISMATCH];
      return (group) => {
        let mayBeNeutral = neutral;
        let result = 0;
        for (const part of parts) {
          const outcome = part(group);
          if ((outcome & neutral) === 0) return decisive;
          result |= outcome & decisive;
          mayBeNeutral &= outcome;
        }
        return result | mayBeNeutral;
      };
    }
    case 'not': {
      const of = compileOutcome(node.of);
      return (group) => {
        const outcome = of(group);
        return outcome === MATCH ? MISMATCH : outcome === MISMATCH ? MATCH : outcome;
      };
    }
    case 'words':
      return wordsOutcome(node.words, node.isPrefix);
    case 'substring':
    case 'regex':
      return messageOutcome(messageTest(node));
    case 'exists':
      return fieldOutcome(node.name, presenceTest(node.name), () => MATCH);
    case 'field': {
      const matches = valueTest(node);
      const outcome = fieldOutcome(node.name, matches, comparedRange(node, matches));
      const texts = isColumn(node.name) ? undefined : textsOf(node);
      if (texts === undefined) return outcome;
      const path = attributePath(node.name);
      return (group) => (group.known.mayHave?.(path, texts) === false ? MISMATCH : outcome(group));
    }
  }
}

/**
 * Returns a function that tells how many records of a group match. With one possible value per field, message and text
 * the verdict is `none` or `all`. Throws `TypeError` for an invalid regular expression, as `compile` in match.ts does.
 */
export function possible(node: QueryNode): (known: Knowledge) => Verdict {
  const evaluate = compileOutcome(node);
  const group = new CurrentGroup();
  return (known) => {
    group.set(known);
    const result = evaluate(group);
    return result === EITHER ? 'some' : result === MATCH ? 'all' : 'none';
  };
}
