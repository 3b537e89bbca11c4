// What a client sees of each record: all of it, or some fields (`fields`), and of long messages the beginning (`preview`).
// Invariant: a message that is not whole is marked, with its length.
import { attributeAt, attributesOf, type LogRecord } from '../../../telemetry/logs/logs.ts';
import { attributePath, fieldsProblem } from './record-fields.ts';
import { isLogField, LOG_FIELDS, pickFields } from './record-json.ts';
import type { MessageCut } from './search-json.ts';
import { wholeNumberParam, type SearchParams } from './search-params.ts';

/** Returns the object that is sent for a record. */
export type RecordView = (record: LogRecord) => object;

export const VIEW_PARAMS = ['fields', 'preview'] as const;

/** The first `length` code units, or one less, so that no character is divided. */
const beginning = (text: string, length: number): string =>
  text.slice(0, /[\uD800-\uDBFF]/.test(text[length - 1] ?? '') ? length - 1 : length);

function cutMessage(message: string, length: number): { message: string; message_cut: MessageCut } {
  const lines = message.trimEnd().split('\n');
  const last = lines.length === 1 ? undefined : lines.at(-1)!;
  return {
    message: beginning(message, length),
    message_cut: {
      length: message.length,
      lines: lines.length,
      ...(last !== undefined && { last_line: beginning(last, length) }),
    },
  };
}

/** The view that the parameters ask for, or what is wrong with them. */
export function readView(
  params: SearchParams,
): { readonly view: RecordView } | { readonly problems: string[] } {
  const problems: string[] = [];
  const preview = wholeNumberParam(params, 'preview', { min: 1, max: 1_000_000, fallback: Infinity });
  if (typeof preview === 'string') problems.push(preview);
  const names = params
    .own('fields')
    ?.split(',')
    .map((name) => name.trim());
  const ofNames = names && fieldsProblem('fields', names);
  if (ofNames !== undefined) problems.push(ofNames);
  if (problems.length > 0 || typeof preview === 'string') return { problems };
  const fields = names?.filter(isLogField) ?? LOG_FIELDS;
  const hasMessage = fields.includes('message');
  const hasAttributes = fields.includes('attributes');
  const paths = (names ?? []).flatMap((name) => attributePath(name) ?? []);
  return {
    view(record) {
      const cut = hasMessage && record.message.length > preview ? cutMessage(record.message, preview) : {};
      const some = { ...pickFields(record, fields), ...cut };
      if (paths.length === 0 || hasAttributes) return some;
      const all = attributesOf(record);
      const found = paths.flatMap((path) => {
        const value = attributeAt(all, path);
        return value === undefined ? [] : [[path, value] as const];
      });
      return found.length === 0 ? some : { ...some, attributes: Object.fromEntries(found) };
    },
  };
}
