// Attributes of a request that come from what its client said about it (core/exchange/request-notes.ts). Runs on the
// recorder thread.
// Invariant: text that is not what it should be becomes an attribute that says so, never an error.
import { MAX_METADATA } from '../../../core/exchange/request-notes.ts';
import { isObject, parsedJson } from '../../../protocol/llm/json-values.ts';

/** `text`: of RequestNotes. */
export function noteAttributes(text: string): Record<string, unknown> {
  const [trace, span, parent, metadata] = JSON.parse(text) as [string, string, string, string | false | null];
  return {
    portkey_trace_id: trace || undefined,
    portkey_span_id: span || undefined,
    portkey_parent_span_id: parent || undefined,
    ...metadataOf(metadata),
  };
}

function metadataOf(given: string | false | null): Record<string, unknown> {
  if (given === null) return {};
  if (given === false) return { metadata_error: `longer than ${MAX_METADATA} bytes` };
  const value = parsedJson(given);
  return isObject(value) ? { metadata: value } : { metadata_error: 'not a JSON object' };
}
