// What is known about the records of a block, or about those of one shape of a page, for skipping them (possible.ts).
// Invariant: it is true of every record of the block, or of the shape.
import type { Known, Knowledge } from '../query/possible.ts';
import type { BlockDirectory } from './block-directory.ts';
import type { Page } from './page.ts';
import { LLM_TEXTS } from './llm-numbers.ts';
import {
  attributeValue,
  columnOf,
  NATIVE_NUMBERS,
  rangeOfNumber,
  rowsWith,
  type NumberRange,
} from './native-number.ts';
import { hashOfMember, MemberKnowledge } from './member-knowledge.ts';
import { nativeText } from './page-words.ts';
import { canBeTraced } from './request-traces.ts';
import { attributesShared, HAS, type NativeFacts, type Shape } from './shape.ts';

const MISSING: Known = { values: [undefined] };
const EMPTY: Known = { values: [''] };

/** Attributes that are part of the searchable text (searchable-text.ts); of other records than requests, the first. */
const TEXT_ATTRIBUTES = ['exc_info', 'path', 'cause', 'detail'];
const NATIVE_FLAGS: ReadonlySet<string> = new Set(['async', 'is_sampled', 'has_bodies']);

/** The value of the attribute; `undefined` if a native record with this fact has no such attribute. */
const factValue = (name: string, fact: unknown): unknown =>
  (fact === '' && (name === 'detail' || name === 'remote')) || (fact === 0 && name === 'retries')
    ? undefined
    : fact;

export class BlockKnowledge implements Knowledge {
  readonly #directory: BlockDirectory;
  /** `undefined`: the block may have any. */
  readonly #attributes: ReadonlySet<string> | undefined;
  readonly #members: MemberKnowledge | undefined;
  readonly #mayHaveHash: (hash: number) => boolean;

  /** `mayHaveHash`: looks up a hash in the Bloom filter of the block. */
  constructor(directory: BlockDirectory, mayHaveHash: (hash: number) => boolean) {
    this.#directory = directory;
    this.#attributes = directory.attributes && new Set(directory.attributes);
    this.#members = directory.members && new MemberKnowledge(directory.members);
    this.#mayHaveHash = mayHaveHash;
  }

  member(name: string): Known | undefined {
    return this.#mayBeNative(name) ? undefined : this.#members?.known(name);
  }

  mayHave(name: string, texts: readonly string[]): boolean {
    if (this.#mayBeNative(name) || this.#members?.hasHashes(name) !== true) return true;
    return texts.some((text) => this.#mayHaveHash(hashOfMember(name, text)));
  }

  /** The number of the column of a member; `missing`: no record has it; `undefined`: columns do not tell. */
  findMember(name: string): number | 'missing' | undefined {
    return this.#members?.find(name);
  }

  /** True if a native record may have an attribute of this name besides its further attributes. */
  #mayBeNative(name: string): boolean {
    const isName = NATIVE_NUMBERS.has(name) || LLM_TEXTS.has(name) || NATIVE_FLAGS.has(name) || isFact(name);
    return isName && this.#directory.native?.['method']?.length !== 0;
  }

  column(name: string): Known | undefined {
    const { columns, durationNs } = this.#directory;
    if (name === 'durationNs')
      return durationNs && { min: durationNs[0], max: durationNs[1], mayBeMissing: false };
    return columns && Object.hasOwn(columns, name) ? { values: columns[name]! } : undefined;
  }

  attribute(name: string): Known | undefined {
    const { native, hasOthers } = this.#directory;
    if (this.#attributes === undefined || this.#attributes.has(name)) return undefined;
    const number = NATIVE_NUMBERS.get(name);
    // Only blocks that say so have requests to language models.
    if (number?.kind === 'llm' || LLM_TEXTS.has(name))
      return this.#directory.hasLlm === true ? undefined : MISSING;
    if (number !== undefined || NATIVE_FLAGS.has(name))
      return native?.['method']?.length === 0 ? MISSING : undefined;
    if (!isFact(name)) return MISSING;
    const facts = native && Object.hasOwn(native, name) ? native[name] : undefined;
    if (facts === undefined) return undefined;
    const values = facts.map((fact) => factValue(name, fact));
    return { values: hasOthers === false ? values : [...values, undefined] };
  }
}

const FACTS: ReadonlySet<string> = new Set([
  'method',
  'path',
  'protocol',
  'cause',
  'detail',
  'remote',
  'attempts',
  'retries',
] satisfies (keyof NativeFacts)[]);
const isFact = (name: string): boolean => FACTS.has(name);

/** True if native records of a shape may have an attribute of this name that is not stored as an attribute. */
export function isNative(name: string, { has, native }: Shape): boolean {
  if (native === undefined) return false;
  if (Object.hasOwn(attributesShared(native), name)) return true;
  const number = NATIVE_NUMBERS.get(name);
  const isOfModel = number?.kind === 'llm' || LLM_TEXTS.has(name);
  return isOfModel ? (has & HAS.llm) !== 0 : number !== undefined || isFact(name) || NATIVE_FLAGS.has(name);
}

/** What the records of one shape have in common, or what is known about one of them. */
export class RowsKnowledge implements Knowledge {
  readonly #page: Page;
  readonly #index: number;
  readonly #shape: Shape;
  readonly #row: number | undefined;
  /** Something was asked for that differs from row to row, so that more is known about a single row. */
  dependsOnRow = false;
  /** Something was asked for that differs from page to page. */
  dependsOnPage = false;

  /** `index`: of the shape. `row`: a single row of this shape; `undefined`: all. */
  constructor(page: Page, index: number, row?: number) {
    this.#page = page;
    this.#index = index;
    this.#shape = page.shapes[index]!;
    this.#row = row;
  }

  get message(): string | undefined {
    const { has } = this.#shape;
    if ((has & HAS.native) !== 0) return this.#page.messageOf(this.#index);
    if ((has & HAS.message) === 0) return '';
    if (this.#row !== undefined) return this.#page.messages.at(this.#page.rankOf(HAS.message, this.#row));
    this.dependsOnRow = true;
    return undefined;
  }

  get text(): string | undefined {
    const { kind, native, has } = this.#shape;
    if ((has & HAS.attributes) !== 0) {
      this.dependsOnPage = true;
      if (this.#mayHaveText()) return undefined;
    }
    return native !== undefined && kind === 'request' ? textOf(this.#page, this.#index) : this.message;
  }

  /** True if attributes besides the native ones may be part of the searchable text. */
  #mayHaveText(): boolean {
    const { attributeNames } = this.#page;
    const names = this.#shape.kind === 'request' ? TEXT_ATTRIBUTES : TEXT_ATTRIBUTES.slice(0, 1);
    return (
      !attributeNames || attributeNames.hasOthers || names.some((name) => attributeNames.names.includes(name))
    );
  }

  column(name: string): Known | undefined {
    const { has } = this.#shape;
    switch (name) {
      case 'requestId':
        return (has & (HAS.ownId | HAS.requestId)) === 0 ? EMPTY : undefined;
      case 'traceId':
        // A record may get that of its request.
        if (canBeTraced(this.#shape.kind) && (has & (HAS.ownId | HAS.requestId)) !== 0) return undefined;
        return (has & (HAS.ownTrace | HAS.trace)) === 0 ? EMPTY : undefined;
      case 'spanId':
        return (has & (HAS.ownSpan | HAS.span)) === 0 ? EMPTY : undefined;
      case 'parentSpanId':
        return (has & HAS.parent) === 0 ? EMPTY : undefined;
      case 'durationNs':
        if (this.#row !== undefined) return { values: [this.#page.durationNs[this.#row]] };
        this.dependsOnRow = this.dependsOnPage = true;
        return this.#page.rangeOf(name, durationRange);
      default:
        return Object.hasOwn(this.#shape, name) ? { values: [this.#shape[name as keyof Shape]] } : undefined;
    }
  }

  attribute(name: string): Known | undefined {
    const { has, native } = this.#shape;
    if ((has & HAS.attributes) !== 0) {
      this.dependsOnPage = true;
      const names = this.#page.attributeNames;
      if (!names || names.hasOthers) return undefined;
      if (names.names.includes(name)) return this.#valuesOf(name);
    }
    if (native === undefined) return MISSING;
    const number = NATIVE_NUMBERS.get(name);
    if (number !== undefined) {
      if ((has & rowsWith(number)) === 0) return MISSING;
      if (this.#row !== undefined) {
        const rank = this.#page.rankOf(rowsWith(number), this.#row);
        return { values: [attributeValue(number, columnOf(this.#page, number)[rank]!)] };
      }
      this.dependsOnRow = this.dependsOnPage = true;
      return this.#page.rangeOf(name, (page) => rangeOfNumber(page, number));
    }
    if (isFact(name)) return { values: [factValue(name, native[name as keyof NativeFacts])] };
    if (name === 'response_id' && (has & HAS.llm) !== 0) return undefined;
    if (native.shared !== '') {
      const shared = attributesShared(native);
      if (Object.hasOwn(shared, name)) return { values: [shared[name]] };
    }
    const isSet =
      (name === 'async' && native.isAsync) ||
      (name === 'is_sampled' && native.isSampled) ||
      (name === 'has_bodies' && (has & HAS.bodies) !== 0);
    return isSet ? { values: [true] } : MISSING;
  }

  /** Values of an attribute with a column of its own. */
  #valuesOf(name: string): Known | undefined {
    // A name of a native attribute would be there twice.
    if (isNative(name, this.#shape)) return undefined;
    const column = this.#page.attributeValues(name);
    if (this.#row !== undefined) {
      const number = column.numbers[this.#page.rankOf(HAS.attributes, this.#row)]!;
      return number === -1 ? MISSING : { values: [column.value(number)] };
    }
    this.dependsOnRow = true;
    return column.all;
  }
}

/** The searchable texts of the native shapes of a page, by index, once they were made. */
const texts = new WeakMap<Page, (string | undefined)[]>();

function textOf(page: Page, index: number): string {
  let ofPage = texts.get(page);
  if (ofPage === undefined) texts.set(page, (ofPage = []));
  return (ofPage[index] ??= nativeText(page.shapes[index]!));
}

function durationRange({ durationNs }: Page): NumberRange {
  let [min, max] = [Infinity, 0];
  for (const value of durationNs) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max, mayBeMissing: false };
}
