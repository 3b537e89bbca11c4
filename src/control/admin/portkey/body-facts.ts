// What the bodies of an inserted log say: their text for the store, and the facts of a language model in them.
import type { LlmFacts } from '../../../core/exchange/llm-facts.ts';
import { LlmFollower } from '../../../protocol/llm/llm-follower.ts';
import { isObject, parsedJson } from '../../../protocol/llm/json-values.ts';

/** A body as it is stored, and as it is read. */
export interface InsertedBody {
  /** UTF-8; `undefined`: there is none. */
  readonly bytes: Buffer | undefined;
  readonly type: string;
  /** What readers get, if that is not `bytes`. */
  readonly events?: Buffer;
}

const JSON_TYPE = 'application/json';
const EVENT_TYPE = 'text/event-stream';

/** One reader for all, since they are read one after the other. */
const follower = new LlmFollower();

/** The body of a value of JSON. A text is the body itself: JSON, events of a stream, or anything else. */
export function insertedBody(value: unknown): InsertedBody {
  if (value === undefined || value === null || value === '') return { bytes: undefined, type: '' };
  if (typeof value !== 'string') {
    const bytes = Buffer.from(JSON.stringify(value));
    return Array.isArray(value)
      ? { bytes, type: EVENT_TYPE, events: eventsOf(value) }
      : { bytes, type: JSON_TYPE };
  }
  const bytes = Buffer.from(value);
  if (/^\s*(?:data|event|id|retry)?:/.test(value)) return { bytes, type: EVENT_TYPE };
  return { bytes, type: isObject(parsedJson(value)) ? JSON_TYPE : 'text/plain' };
}

/** The chunks of a stream that a client has collected in a list, as the stream that they were. */
const eventsOf = (chunks: readonly unknown[]): Buffer =>
  Buffer.from(
    chunks
      .map(
        (chunk) =>
          `data: ${typeof chunk === 'string' ? chunk.replace(/^data: ?/, '') : JSON.stringify(chunk)}\n\n`,
      )
      .join(''),
  );

/** Model, tokens and end as the bodies say; `undefined` if they are not those of a language model. */
export function factsOfBodies(request: InsertedBody, response: InsertedBody): LlmFacts | undefined {
  if (request.bytes !== undefined) {
    const { length } = request.bytes;
    follower.requestBegins(request.type, '', length)?.push(request.bytes, 0, length);
  } else follower.requestBegins('', '');
  const read = response.events ?? response.bytes;
  if (read !== undefined)
    follower.responseBegins(response.type, '', read.length, undefined, true)?.push(read, 0, read.length);
  const facts = follower.end(true);
  // A chunk was not seen when it came.
  if (facts !== undefined) facts.gaps = undefined;
  return facts;
}
