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

/** Field values of the head that was read last; undefined without the field. One object is reused for every head. */
const fields = {
  type: undefined as string | undefined,
  coding: undefined as string | undefined,
  debug: undefined as string | undefined,
};

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
  readFields(head.kept);
  if (isCaptured && !isPrivate(fields.debug)) exchange.captureBodies();
  const copy = exchange.bodyCapture?.request;
  copy?.describe(fields.type, fields.coding, length);
  return both(copy, follower?.requestBegins(fields.type, fields.coding, length));
}

/** What reads the body of the response. The parameters are those of `requestSink`. */
export function responseSink(
  { bodyCapture }: Exchange,
  head: ResponseHead,
  length: number | undefined,
  follower: LlmFollower | undefined,
): PayloadSink | undefined {
  readFields(head.kept);
  bodyCapture?.responseBegins(fields.type, fields.coding, length);
  const copy = bodyCapture?.response;
  return both(copy, follower?.responseBegins(fields.type, fields.coding, length, copy));
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

/** Sets `fields`. `lines`: header lines, each with its line end. As in Node, the first Content-Type counts. */
function readFields(lines: string): void {
  fields.type = fields.coding = fields.debug = undefined;
  let at = 0;
  while (at < lines.length) {
    // One character, since V8 searches for more of them far slower.
    const colon = lines.indexOf(':', at);
    const end = lines.indexOf('\n', colon);
    switch (colon - at) {
      case 12:
        if (isNamed(lines, at, 'content-type')) fields.type ??= valueOf(lines, colon, end);
        break;
      case 15:
        if (isNamed(lines, at, DEBUG_HEADER)) fields.debug = joined(fields.debug, valueOf(lines, colon, end));
        break;
      case 16:
        if (isNamed(lines, at, 'content-encoding'))
          fields.coding = joined(fields.coding, valueOf(lines, colon, end));
    }
    at = end + 1;
  }
}

/** Compares the field name at `at` without regard to case. `name`: in lower case, and as long. */
function isNamed(lines: string, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++)
    if ((lines.charCodeAt(at + i) | 0x20) !== name.charCodeAt(i)) return false;
  return true;
}

/** The value between the colon and the line feed. */
const valueOf = (lines: string, colon: number, end: number): string => lines.slice(colon + 1, end).trim();

/** The values of a field that may be there several times, as one list. */
const joined = (before: string | undefined, value: string): string =>
  before === undefined ? value : `${before}, ${value}`;
