// Which texts of a record its words are searched in.
// Must stay true: the store indexes what matching reads: both take the text from here.
import { attributesOf, type LogRecord } from '../log-record.ts';

/** The parts of a record that its searchable text is made of. */
export type Searchable = Pick<LogRecord, 'kind' | 'message' | 'attributes'>;

/** Attributes of a request that say in words what happened. */
const OF_REQUEST = ['path', 'cause', 'detail'] as const;

/**
 * The message; the traceback (`exc_info`) where it is a text; of a request also path, cause and detail. One text in that
 * order, the parts on lines of their own: a phrase may go on from one to the next. `read`: the attributes, where they
 * have been read already.
 */
export function searchable(record: Searchable, read?: () => Record<string, unknown>): string {
  const { kind, message, attributes } = record;
  // JSON may write letters of the name as \u: then the text has a backslash.
  if (kind !== 'request' && !attributes.includes('exc_info') && !attributes.includes('\\u')) return message;
  if (attributes === '') return message;
  const from = read === undefined ? attributesOf(record) : read();
  let text = message;
  for (const name of kind === 'request' ? ['exc_info', ...OF_REQUEST] : ['exc_info']) {
    const part = Object.hasOwn(from, name) ? from[name] : undefined;
    if (typeof part === 'string' && part !== '') text += `\n${part}`;
  }
  return text;
}
