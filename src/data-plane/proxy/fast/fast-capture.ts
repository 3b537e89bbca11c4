// What reads bodies in the fast lane while they pass: copies for the log store, and the follower of a language model.
// Both begin with the heads of request and response. Hot path.
// Invariant: it reads the same header fields as the full lane, so that both lanes read the same bodies. Nothing here
// runs for a request whose bodies are not read.
import { isPrivate } from '../../../core/exchange/body-capture.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { DEBUG_HEADER } from '../../../core/header-names.ts';
import type { PayloadSink } from '../../../protocol/http/body-framing.ts';
import type { RequestHead } from '../../../protocol/http/request-head-parser.ts';
import type { ResponseHead } from '../../../protocol/http/response-head-parser.ts';
import type { LlmFollower } from '../../../protocol/llm/llm-follower.ts';

/**
 * What reads the body of a request; undefined: nothing. `length`: of the whole body, if that is known. `isCaptured`: it
 * is copied, unless a header forbids that. `follower`: undefined if it is not followed.
 */
export function requestSink(
  exchange: Exchange,
  head: RequestHead,
  length: number | undefined,
  isCaptured: boolean,
  follower: LlmFollower | undefined,
): PayloadSink | undefined {
  const { type, coding } = head;
  if (isCaptured && !isPrivate(valuesOf(head.kept, DEBUG_HEADER))) exchange.captureBodies();
  const copy = exchange.bodyCapture?.request;
  copy?.describe(type, coding, length);
  return both(copy, follower?.requestBegins(type, coding, length));
}

/** What reads the body of the response. The parameters are those of `requestSink`. */
export function responseSink(
  { bodyCapture }: Exchange,
  head: ResponseHead,
  length: number | undefined,
  follower: LlmFollower | undefined,
): PayloadSink | undefined {
  const { type, coding } = head;
  bodyCapture?.responseBegins(type, coding, length);
  const copy = bodyCapture?.response;
  return both(copy, follower?.responseBegins(type, coding, length, copy));
}

function both(one: PayloadSink | undefined, other: PayloadSink | undefined): PayloadSink | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return {
    push: (bytes, from, to) => {
      one.push(bytes, from, to);
      other.push(bytes, from, to);
    },
  };
}

/** The values of a header field, joined with ", "; undefined without it. `lines`: each with its line end. */
export function valuesOf(lines: string, name: string): string | undefined {
  let values: string | undefined;
  let at = 0;
  while (at < lines.length) {
    // One character, since V8 searches for more of them far slower.
    const colon = lines.indexOf(':', at);
    const end = lines.indexOf('\n', colon);
    if (colon - at === name.length && isNamed(lines, at, name)) {
      const value = lines.slice(colon + 1, end).replace(/^[ \t]+|[ \t\r]+$/g, '');
      values = values === undefined ? value : `${values}, ${value}`;
    }
    at = end + 1;
  }
  return values;
}

/** Compares the field name at `at` without regard to case. `name`: in lower case, and as long. */
function isNamed(lines: string, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++)
    if ((lines.charCodeAt(at + i) | 0x20) !== name.charCodeAt(i)) return false;
  return true;
}
