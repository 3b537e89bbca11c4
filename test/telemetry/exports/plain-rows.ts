// What a row of an exported file has, computed from the whole record in the plainest way, and readers of each format.
// Invariant: nothing here uses the code that it is compared with.
import type { ExportField } from '../../../src/telemetry/exports/exports.ts';
import { attributesOf, type LogRecord } from '../../../src/telemetry/logs/log-record.ts';

export interface PlainBodies {
  readonly request: Uint8Array | undefined;
  readonly response: Uint8Array | undefined;
}

export type PlainRow = Record<string, unknown>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function bodyOf(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined) return null;
  const text = Buffer.from(bytes).toString();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** An object, also if it is stored as the text of one. */
function objectOf(value: unknown): Record<string, unknown> | undefined {
  if (isObject(value)) return value;
  if (typeof value !== 'string' || !value.startsWith('{')) return undefined;
  try {
    return JSON.parse(value) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** A text; a list or an object is its JSON. */
const textOf = (value: unknown): string | null =>
  typeof value === 'string'
    ? value
    : typeof value === 'object' && value !== null
      ? JSON.stringify(value)
      : null;
const integerOf = (value: unknown): number | null => (Number.isSafeInteger(value) ? (value as number) : null);

export function plainValue(field: ExportField, record: LogRecord, bodies: PlainBodies | undefined): unknown {
  const attributes = attributesOf(record);
  const at = (name: string): unknown => (Object.hasOwn(attributes, name) ? attributes[name] : undefined);
  const ms = Number(record.timeNs / 1_000_000n);
  switch (field) {
    case 'id':
      return record.requestId || String(record.seq);
    case 'trace_id':
      return record.traceId || null;
    case 'created_at':
      return new Date(ms).toISOString();
    case 'request':
      return bodyOf(bodies?.request);
    case 'response':
      return bodyOf(bodies?.response);
    case 'provider': {
      const path = textOf(at('path')) ?? '';
      const known = path.endsWith('/v1/chat/completions') ? 'openai' : null;
      return textOf(at('provider')) ?? known;
    }
    case 'model':
      return textOf(at('response_model')) ?? textOf(at('model'));
    case 'input_tokens':
    case 'output_tokens':
      return integerOf(at(field));
    case 'total_tokens': {
      const [input, output] = [integerOf(at('input_tokens')), integerOf(at('output_tokens'))];
      return integerOf(at(field)) ?? (input === null || output === null ? null : input + output);
    }
    case 'cost': {
      const cost = at('cost');
      return typeof cost === 'number' ? Number((cost * 100).toPrecision(12)) : null;
    }
    case 'cost_currency':
      return textOf(at('currency'));
    case 'response_time':
      return record.durationNs === 0 ? null : Number((record.durationNs / 1e6).toFixed(3));
    case 'status':
      return record.status || null;
    case 'is_success': {
      const isFine = record.kind !== 'request' || (record.status > 0 && record.status < 400);
      return isFine && record.severity < 17 ? 1 : 0;
    }
    case 'config':
    case 'prompt_slug':
    case 'mode':
      return textOf(at(field));
    case 'metadata': {
      const [own, annotated] = [
        objectOf(at('metadata')),
        objectOf((at('annotations') as { metadata?: unknown } | undefined)?.metadata),
      ];
      return own || annotated ? { ...own, ...annotated } : null;
    }
    case 'request_url':
      return textOf(at('url')) ?? textOf(at('path'));
  }
}

/** The cells of a CSV text (RFC 4180). */
export function csvRows(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[i + 1] === '"') cell += text[i++]!;
      else isQuoted = false;
    } else if (character === '"') isQuoted = true;
    else if (character === ',') {
      row.push(cell);
      cell = '';
    } else if (character === '\r' && text[i + 1] === '\n') {
      i++;
      rows.push([...row, cell]);
      [row, cell] = [[], ''];
    } else cell += character;
  }
  if (isQuoted || cell !== '' || row.length > 0) throw new Error('the text ends in a row');
  return rows;
}

/** A value as a cell of CSV. */
export function csvValue(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return (/^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text).toWellFormed();
}
