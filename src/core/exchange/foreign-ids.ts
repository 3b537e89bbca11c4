// Trace and span ids of clients whose ids may have another form than those of W3C Trace Context.
// Invariant: the same text gives the same id, so that what names one trace in any way is found under one id.
import { createHash } from 'node:crypto';

const HEX_TRACE = /^[0-9a-f]{32}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HEX_SPAN = /^[0-9a-f]{16}$/;
const ONLY_ZEROS = /^0+$/;

/** An id of W3C's form, and the text of the client if the id is another one. */
export interface ForeignId {
  readonly id: string;
  /** Empty if the id is the text itself. */
  readonly text: string;
}

const hashed = (text: string, digits: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, digits);

/**
 * The trace id for a text: 32 lowercase hex digits. Hex digits stay, a UUID loses its dashes, and of another text the
 * id is a hash.
 */
export function traceIdOfText(text: string): ForeignId {
  const lower = text.toLowerCase();
  const hex = UUID.test(lower) ? lower.replaceAll('-', '') : lower;
  return HEX_TRACE.test(hex) && !ONLY_ZEROS.test(hex)
    ? { id: hex, text: lower === hex ? '' : text }
    : { id: hashed(text, 32), text };
}

/** The span id for a text: 16 lowercase hex digits. Of a text of another form the id is a hash. */
export function spanIdOfText(text: string): ForeignId {
  const lower = text.toLowerCase();
  return HEX_SPAN.test(lower) && !ONLY_ZEROS.test(lower)
    ? { id: lower, text: '' }
    : { id: hashed(text, 16), text };
}
