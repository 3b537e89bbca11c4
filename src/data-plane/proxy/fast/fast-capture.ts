// Body capture in the fast lane: begins the copies of a request's and a response's body, from their heads. Hot path.
// Invariant: it reads the same header fields as the full lane, so that both lanes capture the same bodies. Nothing here
// runs for a request whose bodies are not captured.
import { isPrivate, type BodyCapture, type BodyCopy } from '../../../core/exchange/body-capture.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { DEBUG_HEADER } from '../../../core/header-names.ts';
import type { RequestHead } from '../../../protocol/http/request-head-parser.ts';
import type { ResponseHead } from '../../../protocol/http/response-head-parser.ts';

/** Field values of the head that was read last; undefined without the field. One object is reused for every head. */
const fields = {
  type: undefined as string | undefined,
  coding: undefined as string | undefined,
  debug: undefined as string | undefined,
};

/** `length`: of the whole body, if that is known. Returns undefined if the body is not copied after all. */
export function captureRequest(
  exchange: Exchange,
  head: RequestHead,
  length: number | undefined,
): BodyCopy | undefined {
  readFields(head.kept);
  if (isPrivate(fields.debug)) return undefined;
  exchange.captureBodies();
  const copy = exchange.bodyCapture?.request;
  copy?.describe(fields.type, fields.coding, length);
  return copy;
}

/** `length`: of the whole body, if that is known. */
export function captureResponse(
  capture: BodyCapture,
  head: ResponseHead,
  length: number | undefined,
): BodyCopy {
  readFields(head.kept);
  capture.responseBegins(fields.type, fields.coding, length);
  return capture.response;
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
