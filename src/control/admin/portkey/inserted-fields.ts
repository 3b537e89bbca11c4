// Reads the fields of a log that a client of Portkey inserts. All names have two spellings, as in trace_id and traceId.
// Invariant: the first problem is kept with the path of its key; a field with a problem has a value that is not used.
import type { ForeignId } from '../../../core/exchange/foreign-ids.ts';
import { parseTime } from '../../../core/time.ts';
import { isObject, type JsonObject } from '../../../protocol/llm/json-values.ts';

/** What is wrong with a log: the path of the key, such as `request.url`, and the end of a sentence about it. */
export interface InsertProblem {
  readonly key: string;
  readonly problem: string;
}

/** Names of metadata that say where the log belongs. All other names are metadata of the request. */
export const TRACE_NAMES = ['trace_id', 'traceId', 'traceID'];
export const SPAN_NAMES_OF_LOG = ['span_id', 'spanId', 'spanID'];
export const PARENT_NAMES = ['parent_span_id', 'parentSpanId', 'parentSpanID'];
export const TITLE_NAMES = ['span_name', 'spanName'];
const PLACES = new Set([...TRACE_NAMES, ...SPAN_NAMES_OF_LOG, ...PARENT_NAMES, ...TITLE_NAMES]);

const DURATIONS = ['response_time', 'responseTime'];
const MAX_ID = 256;
/** Milliseconds. A larger number is a time. */
const LONGEST_MS = 86_400_000;
const METHOD = /^[A-Za-z]{1,20}$/;
const NOTHING: JsonObject = {};

/** Value of the first of several names that an object has a value for. */
export function firstOf(fields: JsonObject, names: readonly string[]): unknown {
  for (const name of names) if (fields[name] !== undefined && fields[name] !== null) return fields[name];
  return undefined;
}

/** The text in a field of a client that may spell its name in several ways; a number counts as its text. */
export function idText(fields: JsonObject, names: readonly string[]): string | undefined {
  const value = firstOf(fields, names) ?? '';
  const text = typeof value === 'number' ? String(value) : value;
  return typeof text === 'string' && text.length <= MAX_ID ? text : undefined;
}

export class InsertedFields {
  problem: InsertProblem | undefined;

  /** The object in a field. `isOptional`: it may be missing, and is empty then. */
  object(fields: JsonObject, name: string, key = name, isOptional = false): JsonObject {
    const value = fields[name];
    if (value === undefined || value === null) {
      if (!isOptional) this.wrong(key, 'is missing');
    } else if (isObject(value)) return value;
    else this.wrong(key, 'must be an object');
    return NOTHING;
  }

  /** A body, which must be given, but may be null. */
  body(fields: JsonObject, key: string): unknown {
    if (fields['body'] === undefined) this.wrong(key, 'is missing');
    return fields['body'];
  }

  /** The URL without its query, which may have keys in it, and its path. */
  url(request: JsonObject): { readonly path: string; readonly url: string } {
    const { url } = request;
    if (url === undefined || url === null) this.wrong('request.url', 'is missing');
    else if (typeof url !== 'string' || url === '') this.wrong('request.url', 'must be a text');
    const text = typeof url === 'string' ? url : '';
    const parsed = URL.parse(text);
    if (parsed !== null && parsed.host !== '')
      return { path: parsed.pathname, url: `${parsed.protocol}//${parsed.host}${parsed.pathname}` };
    const path = text.split(/[?#]/, 1)[0]!;
    return { path, url: path };
  }

  method(request: JsonObject): string {
    const { method = 'post' } = request;
    if (typeof method === 'string' && METHOD.test(method)) return method.toUpperCase();
    this.wrong('request.method', 'must be a method of HTTP, such as post');
    return '';
  }

  status(response: JsonObject): number {
    const { status = 200 } = response;
    const number = typeof status === 'string' && /^\d{3}$/.test(status) ? Number(status) : status;
    if (typeof number === 'number' && Number.isInteger(number) && number >= 100 && number <= 599)
      return number;
    this.wrong('response.status', 'must be a status of HTTP, from 100 to 599');
    return 0;
  }

  /**
   * How long the request took, and when it began, in milliseconds. `time` is one or the other: a short number is a
   * duration, other values say when the response came.
   */
  times(response: JsonObject, nowMs: number): { readonly durationMs: number; readonly beginMs: number } {
    const { time } = response;
    const isDuration = typeof time === 'number' && time <= LONGEST_MS;
    const given = firstOf(response, DURATIONS) ?? (isDuration ? time : 0);
    const durationMs = typeof given === 'number' || typeof given === 'string' ? Number(given) : NaN;
    if (!(durationMs >= 0 && durationMs <= LONGEST_MS))
      this.wrong('response.response_time', `must be a number of milliseconds, from 0 to ${LONGEST_MS}`);
    if (time === undefined || time === null || isDuration) return { durationMs, beginMs: nowMs - durationMs };
    const endNs = typeof time === 'string' || typeof time === 'number' ? parseTime(String(time)) : undefined;
    if (endNs === undefined) this.wrong('response.time', 'must be a time, such as 2026-11-20T16:52:26Z');
    return { durationMs, beginMs: Math.max(0, Number((endNs ?? 0n) / 1_000_000n) - durationMs) };
  }

  /** An id of metadata, under one of several names. Empty without one. */
  id(metadata: JsonObject, names: readonly string[], read: (text: string) => ForeignId): ForeignId {
    const text = idText(metadata, names);
    if (text === undefined)
      this.wrong(`metadata.${names[0]}`, `must be a text of at most ${MAX_ID} characters`);
    return text === undefined || text === '' ? { id: '', text: '' } : read(text);
  }

  wrong(key: string, problem: string): void {
    this.problem ??= { key, problem };
  }
}

/** The metadata of the request itself; `undefined` if there is none. */
export function ownMetadata(metadata: JsonObject): JsonObject | undefined {
  const own = Object.entries(metadata).filter(([name]) => !PLACES.has(name));
  return own.length === 0 ? undefined : Object.fromEntries(own);
}
