// What the bodies of an inserted log say: their text for the store, and the facts of a language model in them.
import type { LlmFacts } from '../../../core/exchange/llm-facts.ts';
import { LlmFollower } from '../../../protocol/llm/llm-follower.ts';
import { isObject, parsedJson } from '../../../protocol/llm/json-values.ts';

/** A body as it is stored. */
export interface InsertedBody {
  /** UTF-8; `undefined`: there is none. */
  readonly bytes: Buffer | undefined;
  /** Media type; empty without a body. */
  readonly type: string;
}

const JSON_TYPE = 'application/json';
const EVENT_TYPE = 'text/event-stream';

/** One reader for all, since they are read one after the other. */
const follower = new LlmFollower();

/**
 * The body of a value of JSON. A text is the body itself: JSON, events of a stream, or anything else. `isStream`: a list
 * has the chunks of a stream, and becomes the stream that they were.
 */
export function insertedBody(value: unknown, isStream = false): InsertedBody {
  if (value === undefined || value === null || value === '') return { bytes: undefined, type: '' };
  if (Array.isArray(value) && isStream) return { bytes: eventsOf(value), type: EVENT_TYPE };
  if (typeof value !== 'string') return { bytes: Buffer.from(JSON.stringify(value)), type: JSON_TYPE };
  const type = /^\s*(?:data|event|id|retry)?:/.test(value)
    ? EVENT_TYPE
    : isObject(parsedJson(value))
      ? JSON_TYPE
      : 'text/plain';
  return { bytes: Buffer.from(value), type };
}

function eventsOf(chunks: readonly unknown[]): Buffer {
  const events = chunks.map((chunk) => {
    const data = typeof chunk === 'string' ? chunk.replace(/^data: ?/, '').trim() : JSON.stringify(chunk);
    return `data: ${data.replaceAll('\n', ' ')}\n\n`;
  });
  return Buffer.from(events.join(''));
}

/** Model, tokens and end as the bodies say; `undefined` if they are not those of a language model. */
export function factsOfBodies(request: InsertedBody, response: InsertedBody): LlmFacts | undefined {
  const { bytes } = request;
  follower.requestBegins(request.type, '', bytes?.length)?.push(bytes!, 0, bytes!.length);
  const { bytes: read } = response;
  follower.responseBegins(response.type, '', read?.length, undefined, true)?.push(read!, 0, read!.length);
  const facts = follower.end(true);
  // The times of the chunks are unknown.
  if (facts !== undefined) facts.gaps = undefined;
  return facts;
}
