// A streamed answer of a language model, put together: the one JSON object that it would have been without streaming.
// Must stay true: what is put together was said, in that order; a stream that is none of these is left as it is.
import { ChunkedAnswer } from './chunks.ts';
import { isObject, parseObject, type Fields } from './json.ts';
import { StreamedMessage } from './message.ts';
import { StreamedResponse } from './response.ts';

/** An answer that is put together from what its events say. */
export interface Assembly {
  add(event: Fields): void;
  /** It came to its end, by its own words. */
  readonly isWhole: boolean;
  answer(): Fields;
}

/** The assembly for a stream that has this event, if it is one of those that are known. */
function assemblyFor(event: Fields): Assembly | undefined {
  const { type, object, choices } = event;
  if (type === 'message_start') return new StreamedMessage();
  if (typeof type === 'string' && type.startsWith('response.')) return new StreamedResponse();
  if (object === 'chat.completion.chunk') return new ChunkedAnswer('chat.completion');
  if (object === 'text_completion') return new ChunkedAnswer('text_completion');
  // Servers that leave the name out.
  const [first] = Array.isArray(choices) ? (choices as unknown[]) : [];
  return isObject(first) && isObject(first['delta']) ? new ChunkedAnswer('chat.completion') : undefined;
}

/** The answer of a stream, by the data of its events; `undefined` where it is none that is known. */
export function assemble(
  events: readonly string[],
): { readonly answer: Fields; readonly isWhole: boolean } | undefined {
  let assembly: Assembly | undefined;
  let error: unknown;
  let isDone = false;
  for (const data of events) {
    if (data === '[DONE]') {
      isDone = true;
      continue;
    }
    const event = parseObject(data);
    if (event === undefined) continue;
    assembly ??= assemblyFor(event);
    assembly?.add(event);
    // An error in the midst of a stream: nobody's status says so.
    error ??= event['error'];
  }
  if (assembly === undefined) return undefined;
  const answer = assembly.answer();
  return {
    answer: error === undefined || error === null ? answer : { ...answer, error },
    isWhole: isDone || assembly.isWhole,
  };
}
