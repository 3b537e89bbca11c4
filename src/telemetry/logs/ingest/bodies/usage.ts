// Finds the token counts in a chunk of a streamed response, for the assembled one.
import { isObject, listAt, objectAt, type JsonObject } from '../../../../protocol/llm/json-values.ts';

/**
 * The token counts of a response or of a chunk: `usage`, Groq's `x_groq.usage`, or the `usage` of a choice (Moonshot).
 * `undefined` if there is none, or an empty one.
 */
export function usageIn(body: JsonObject | undefined): JsonObject | undefined {
  const [choice] = listAt(body, 'choices');
  const parents = [body, objectAt(body, 'x_groq'), isObject(choice) ? choice : undefined];
  return parents
    .map((parent) => objectAt(parent, 'usage'))
    .find((usage) => usage && Object.keys(usage).length > 0);
}
