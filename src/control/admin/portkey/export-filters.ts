// The filters of an export of Portkey's API, as a query of the log store, a time range, and a number of rows.
// Invariant: a filter that is unknown or has a wrong value is an error, since an export without it would have more records.
// Source: docs/contracts/portkey.md 5.2.
import { traceIdOfText } from '../../../core/exchange/foreign-ids.ts';
import { unknownName } from '../../../core/nearest-name.ts';
import { isObject, type JsonObject } from '../../../protocol/llm/json-values.ts';
import { providerPaths } from '../../../telemetry/exports/exports.ts';
import { contractQuery, type QueryNode } from '../../../telemetry/logs/logs.ts';
import { allOf } from '../logs/search-params.ts';
import { WEIGHTED } from './feedback.ts';
import type { InsertProblem } from './inserted-fields.ts';
import { TimeSpan } from './time-span.ts';

/** What the filters of an export say. Times in milliseconds since the epoch, both inclusive; `limit` 0: all rows. */
export interface ExportFilters {
  readonly node: QueryNode;
  readonly fromMs: number;
  readonly toMs: number;
  readonly offset: number;
  readonly limit: number;
}

type Compare = '>' | '>=' | '<' | '<=';
const COMPARES: Readonly<Record<string, Compare>> = { gte: '>=', lte: '<=', gt: '>', lt: '<' };

/** Attributes by the begins of `…_min` and `…_max`, and by the names of objects with gte, lte, gt and lt. */
const UNITS: Readonly<Record<string, string>> = {
  total_units: 'total_tokens',
  prompt_token: 'input_tokens',
  completion_token: 'output_tokens',
  cost: 'cost',
  weighted_feedback: `annotations.scores.${WEIGHTED}`,
};
const RANGES: Readonly<Record<string, string>> = {
  total_tokens: 'total_tokens',
  request_tokens: 'input_tokens',
  response_tokens: 'output_tokens',
  cost: 'cost',
};
/** Lists of texts, each with the condition of one text. */
const LISTS: Readonly<Record<string, (text: string) => QueryNode | string>> = {
  ai_model: (text) => modelNode(text),
  ai_org_model: providerModelNode,
  status_code: statusNode,
  trace_id: (text) => equal('traceId', traceIdOfText(text).id),
  virtual_keys: (text) => equal('virtual_key', text),
  configs: (text) => equal('config', text),
  prompt_slug: (text) => equal('prompt_slug', text),
  workspace_slug: (text) => equal('workspace_slug', text),
};
const TIMES = ['created_at', 'time_of_generation_min', 'time_of_generation_max'];
const NAMES = [
  ...TIMES,
  ...Object.keys(UNITS).flatMap((name) => [`${name}_min`, `${name}_max`]),
  ...Object.keys(RANGES),
  ...Object.keys(LISTS),
  'metadata',
  'page_size',
  'current_page',
  'query',
];
const MAX_VALUES = 500;
/** Values of all lists and of metadata together. Several times as many take all memory of the reader thread. */
const MAX_CONDITIONS = 2000;
const MAX_TEXT = 256;
/** Characters of a client's name that an error repeats. */
const SHOWN = 80;
/** Rows of a page without `page_size`. */
const USUAL_PAGE = 50_000;

const equal = (name: string, value: string | number): QueryNode => ({
  op: 'field',
  name,
  compare: '=',
  value,
});
const anyOf = (of: readonly QueryNode[]): QueryNode => (of.length === 1 ? of[0]! : { op: 'or', of });

const modelNode = (text: string): QueryNode => anyOf([equal('response_model', text), equal('model', text)]);

/** `provider__model`. The provider is an attribute of inserted logs, and follows from the path of others. */
function providerModelNode(text: string): QueryNode | string {
  const at = text.indexOf('__');
  if (at <= 0 || at + 2 === text.length) return 'must be provider__model, such as openai__gpt-4o';
  const provider = text.slice(0, at);
  const ofPath = providerPaths(provider).map((value): QueryNode => ({
    op: 'field',
    name: 'path',
    compare: 'like',
    value,
  }));
  const isUnnamed: QueryNode = { op: 'not', of: { op: 'exists', name: 'provider' } };
  const byPath: QueryNode = { op: 'and', of: [isUnnamed, { op: 'or', of: ofPath }] };
  return allOf([anyOf([equal('provider', provider), byPath]), modelNode(text.slice(at + 2))]);
}

function statusNode(text: string): QueryNode | string {
  if (/^[1-5]xx$/i.test(text)) {
    const from = Number(text[0]) * 100;
    return allOf([
      { op: 'field', name: 'status', compare: '>=', value: from },
      { op: 'field', name: 'status', compare: '<=', value: from + 99 },
    ]);
  }
  return /^[1-5]\d\d$/.test(text) ? equal('status', Number(text)) : 'must be a status such as 200 or 5xx';
}

/** `maxRows`: of one export; 0: no limit. */
export function readFilters(filters: unknown, maxRows: number): ExportFilters | InsertProblem {
  if (filters === undefined || filters === null) return new FilterReader({}, maxRows).read();
  return isObject(filters)
    ? new FilterReader(filters, maxRows).read()
    : { key: 'filters', problem: 'must be an object' };
}

class FilterReader {
  readonly #filters: JsonObject;
  readonly #maxRows: number;
  readonly #nodes: QueryNode[] = [equal('kind', 'request')];
  readonly #span = new TimeSpan();
  #conditions = 0;
  #problem: InsertProblem | undefined;

  constructor(filters: JsonObject, maxRows: number) {
    this.#filters = filters;
    this.#maxRows = maxRows;
  }

  read(): ExportFilters | InsertProblem {
    for (const [name, value] of Object.entries(this.#filters))
      if (value !== null && value !== undefined) this.#add(name, value);
    if (this.#conditions > MAX_CONDITIONS)
      this.#problem ??= {
        key: 'filters',
        problem: `have ${this.#conditions} values; at most ${MAX_CONDITIONS} are allowed`,
      };
    const rows = this.#rows();
    const { fromMs, toMs } = this.#span;
    if (fromMs > toMs) this.#wrong('created_at', 'ends before it begins');
    return this.#problem ?? { node: allOf(this.#nodes), fromMs, toMs, ...rows };
  }

  #add(name: string, value: unknown): void {
    const [, unit = '', side] = /^(.*)_(min|max)$/.exec(name) ?? [];
    if (name === 'created_at') this.#times(value);
    else if (TIMES.includes(name)) this.#time(name, side === 'min' ? 'gte' : 'lte', value);
    else if (Object.hasOwn(UNITS, unit))
      this.#compare(name, UNITS[unit]!, side === 'min' ? '>=' : '<=', value);
    else if (Object.hasOwn(RANGES, name)) this.#range(name, RANGES[name]!, value);
    else if (Object.hasOwn(LISTS, name)) this.#list(name, LISTS[name]!, value);
    else if (name === 'metadata') this.#metadata(value);
    else if (name === 'query') this.#query(value);
    else if (!NAMES.includes(name)) this.#wrong(name, unknown(name));
  }

  #times(value: unknown): void {
    for (const [side, time] of this.#sides('created_at', value)) this.#time(`created_at.${side}`, side, time);
  }

  #time(name: string, side: string, value: unknown): void {
    const problem = this.#span.add(side, value);
    if (problem !== undefined) this.#wrong(name, problem);
  }

  #range(name: string, attribute: string, value: unknown): void {
    for (const [side, bound] of this.#sides(name, value))
      this.#compare(`${name}.${side}`, attribute, COMPARES[side]!, bound);
  }

  /** The members gte, lte, gt and lt of an object. */
  #sides(name: string, value: unknown): (readonly [side: string, bound: unknown])[] {
    if (!isObject(value)) {
      this.#wrong(name, 'must be an object with gte, lte, gt or lt');
      return [];
    }
    const sides = Object.entries(value).filter(([, bound]) => bound !== null && bound !== undefined);
    const other = sides.find(([side]) => !Object.hasOwn(COMPARES, side));
    if (other !== undefined) this.#wrong(`${name}.${other[0]}`, 'is unknown; use gte, lte, gt or lt');
    return sides;
  }

  #compare(name: string, attribute: string, compare: Compare, given: unknown): void {
    const number = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
    if (typeof number !== 'number' || !Number.isFinite(number)) return this.#wrong(name, 'must be a number');
    // Costs are stored in the currency and asked for in hundredths of it.
    const value = attribute === 'cost' ? Math.round(number * 1e10) / 1e12 : number;
    this.#nodes.push({ op: 'field', name: attribute, compare, value });
  }

  #list(name: string, nodeOf: (text: string) => QueryNode | string, value: unknown): void {
    const texts = this.#texts(name, value);
    const nodes = texts.map(nodeOf);
    const problem = nodes.find((node) => typeof node === 'string');
    if (problem !== undefined) return this.#wrong(name, problem);
    if (nodes.length > 0) this.#nodes.push(anyOf(nodes.filter((node) => typeof node !== 'string')));
  }

  /** A text with commas, a list of texts, or a number. */
  #texts(name: string, value: unknown): string[] {
    const list: unknown[] =
      typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [value];
    const texts = list.map((one) => (typeof one === 'number' ? String(one) : one));
    const known = texts.filter((one): one is string => typeof one === 'string').map((one) => one.trim());
    if (known.length !== texts.length || known.length === 0 || known.includes(''))
      this.#wrong(name, 'must be a text with commas between the values, or a list of texts');
    else if (known.length > MAX_VALUES)
      this.#wrong(name, `has ${known.length} values; at most ${MAX_VALUES} are allowed`);
    else if (known.some((one) => one.length > MAX_TEXT))
      this.#wrong(name, `has a value of more than ${MAX_TEXT} characters`);
    else {
      this.#conditions += known.length;
      return known;
    }
    return [];
  }

  #metadata(value: unknown): void {
    if (!isObject(value)) return this.#wrong('metadata', 'must be an object');
    for (const [key, wanted] of Object.entries(value)) {
      const name = `metadata.${key}`;
      const values = (Array.isArray(wanted) ? (wanted as unknown[]) : [wanted]).map(plainValue);
      if (values.length === 0 || values.length > MAX_VALUES || values.includes(undefined))
        this.#wrong(name, 'must be a text, a number, true or false, or a list of these');
      else if (key.length > MAX_TEXT) this.#wrong(name, `has a name of more than ${MAX_TEXT} characters`);
      else {
        this.#conditions += values.length;
        this.#nodes.push(
          anyOf(values.flatMap((one) => [equal(name, one!), equal(`annotations.${name}`, one!)])),
        );
      }
    }
  }

  #query(value: unknown): void {
    const query = contractQuery({ q: value });
    if (!('problems' in query)) return void this.#nodes.push(query.node);
    const { problem, at } = query.problems[0]!;
    this.#wrong('query', at === undefined ? problem : `is wrong at character ${at + 1}: ${problem}`);
  }

  #rows(): Pick<ExportFilters, 'offset' | 'limit'> {
    const { page_size: size, current_page: page } = this.#filters;
    const limit = this.#count('page_size', size, 1);
    const pages = this.#count('current_page', page, 0);
    if (limit !== undefined && this.#maxRows > 0 && limit > this.#maxRows)
      this.#wrong('page_size', `must be at most ${this.#maxRows} (export_jobs.max_rows)`);
    const rows = limit ?? (this.#maxRows || USUAL_PAGE);
    return { limit: limit ?? (pages === undefined ? 0 : rows), offset: (pages ?? 0) * rows };
  }

  #count(name: string, value: unknown, least: number): number | undefined {
    if (value === undefined || value === null) return undefined;
    const count = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
    if (Number.isSafeInteger(count) && Number(count) >= least && Number(count) < 1e9) return Number(count);
    this.#wrong(name, `must be a whole number from ${least}`);
    return undefined;
  }

  #wrong(name: string, problem: string): void {
    this.#problem ??= { key: `filters.${name.slice(0, SHOWN)}`, problem };
  }
}

const plainValue = (value: unknown): string | number | undefined =>
  typeof value === 'boolean'
    ? String(value)
    : (typeof value === 'string' && value.length <= MAX_TEXT) || Number.isFinite(value)
      ? (value as string | number)
      : undefined;

const unknown = (name: string): string => `is an ${unknownName('filter', name, NAMES)}`;
