// Reads the error that a response, or an event of a stream, reports in its body although its status means success.
// Forms: {"error": {"message", "type", "code"}} (OpenAI, vLLM, SGLang, LiteLLM, OpenRouter); {"type": "error", "error":
// {…}} (Anthropic); {"type": "error", "message", "code"} and response.failed (OpenAI responses); {"object": "error",
// "message", "type"} (older vLLM); {"error": "text", "error_type"} (TGI); {"error": "text"} (Ollama); {"x_groq": {"error":
// "text"}} (Groq, after a stream that stopped early); events of type `error`.
import { isObject, listAt, objectAt, textAt, type JsonObject } from './json-values.ts';

export interface ResponseError {
  /** Empty if the error has none. */
  readonly message: string;
  /** Type or code as the server names it; empty if there is none. */
  readonly type: string;
}

const codeAt = (fields: JsonObject, name: string): string => {
  const value = fields[name];
  return typeof value === 'number' ? String(value) : textAt(fields, name);
};

function readError(fields: JsonObject, type = ''): ResponseError {
  const named = codeAt(fields, 'type') || codeAt(fields, 'error_type');
  return {
    message: textAt(fields, 'message') || textAt(fields, 'detail') || textAt(fields, 'error'),
    // `error` is the type of the envelope, not of the error.
    type: (named === 'error' ? '' : named) || codeAt(fields, 'code') || type,
  };
}

/** The error in the field `error` of an object, as an object or a text; `undefined` if it is missing or empty. */
function errorAt(fields: JsonObject): ResponseError | undefined {
  const { error } = fields;
  if (typeof error === 'string') return error === '' ? undefined : readError(fields);
  return isObject(error) && Object.keys(error).length > 0 ? readError(error) : undefined;
}

/**
 * The error that the data of one event reports; `undefined` if it reports none. `data`: its JSON object, if it is one.
 * `type`: the type of the event (`event:` of a text/event-stream).
 */
export function errorOfEvent(
  data: JsonObject | undefined,
  text: string,
  type: string,
): ResponseError | undefined {
  if (data === undefined) return type === 'error' ? { message: text, type: '' } : undefined;
  const found = errorAt(data);
  if (found) return found;
  if (type === 'error' || data['type'] === 'error' || data['object'] === 'error') return readError(data);
  if (data['type'] === 'response.failed')
    return errorAt(objectAt(data, 'response') ?? {}) ?? { message: '', type: 'response.failed' };
  const ofGroq = errorAt(objectAt(data, 'x_groq') ?? {});
  if (ofGroq) return ofGroq;
  for (const choice of listAt(data, 'choices')) {
    if (!isObject(choice)) continue;
    const ofChoice = errorAt(choice);
    if (ofChoice) return ofChoice;
    if (choice['finish_reason'] === 'error') return { message: '', type: 'error' };
  }
  return undefined;
}

/** Fields that only a response with content has. */
const CONTENT = ['choices', 'output', 'content', 'data', 'response', 'result', 'predictions'];

/** The error that a response without streaming reports. Only an error with a message and without content is certain. */
export function errorOfResponse(response: JsonObject | undefined): ResponseError | undefined {
  if (
    response === undefined ||
    CONTENT.some((name) => response[name] !== undefined && response[name] !== null)
  )
    return undefined;
  const { error } = response;
  const fields = isObject(error) ? error : response['object'] === 'error' ? response : undefined;
  return fields && textAt(fields, 'message') !== '' ? readError(fields) : undefined;
}
