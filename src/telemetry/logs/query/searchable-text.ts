// The text of a record that word searches look at.
// Invariant: the full-text index and the matching of records use the same text, so both call this file.
import { attributesOf, type LogRecord } from '../log-record.ts';

type TextFields = Pick<LogRecord, 'kind' | 'message' | 'attributes'>;

/** Attributes of a request that contain text worth searching. */
const REQUEST_ATTRIBUTES = ['path', 'cause', 'detail'] as const;

/**
 * The message; then the traceback (`exc_info`) if it is a text; then, of a request, path, cause and detail. The parts
 * are joined by line feeds, so a phrase can span two of them. `parsedAttributes` returns the attributes if the caller
 * caches them.
 */
export function searchableText(record: TextFields, parsedAttributes?: () => Record<string, unknown>): string {
  const { kind, message, attributes } = record;
  // A backslash-u may be an escaped letter of a name in the JSON.
  if (kind !== 'request' && !attributes.includes('exc_info') && !attributes.includes('\\u')) return message;
  if (attributes === '') return message;
  const values = parsedAttributes === undefined ? attributesOf(record) : parsedAttributes();
  let text = message;
  for (const name of kind === 'request' ? ['exc_info', ...REQUEST_ATTRIBUTES] : ['exc_info']) {
    const part = Object.hasOwn(values, name) ? values[name] : undefined;
    if (typeof part === 'string' && part !== '') text += `\n${part}`;
  }
  return text;
}
