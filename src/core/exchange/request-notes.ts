// What a client says about its request for the log store, in headers of Portkey (docs/contracts/portkey.md 6).
// Invariant: nothing here decides whether or how a request is served, and a value of any length costs a limited amount.
import { spanIdOfText, traceIdOfText, type ForeignId } from './foreign-ids.ts';

const NOTE_HEADERS = {
  trace: 'x-portkey-trace-id',
  span: 'x-portkey-span-id',
  parent: 'x-portkey-parent-span-id',
  metadata: 'x-portkey-metadata',
} as const;

/** Characters of an id that count. */
const MAX_ID = 256;
/** Bytes of metadata; longer ones are not kept. */
export const MAX_METADATA = 4096;

export interface RequestNotes {
  /** Ids of W3C's form; empty if the client sent none. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  /**
   * For the recorder, as JSON text: the ids as the client wrote them if they have another form, else empty texts; the
   * metadata as it came, null without it, and false if it is too long.
   */
  readonly text: string;
}

const NONE: ForeignId = { id: '', text: '' };

/** A header value, one character per byte, as the text that these bytes are in UTF-8. */
const decoded = (value: string): string =>
  /[\u0080-\u00ff]/.test(value) ? Buffer.from(value, 'latin1').toString('utf8') : value;

const idOf = (value: string | undefined, read: (text: string) => ForeignId): ForeignId =>
  value === undefined || value.trim() === '' ? NONE : read(decoded(value.trim().slice(0, MAX_ID)));

/** Reads the notes of a request. `undefined`: it has none. `valueOf`: the value of a header, one character per byte. */
export function readNotes(valueOf: (name: string) => string | undefined): RequestNotes | undefined {
  const traceText = valueOf(NOTE_HEADERS.trace);
  const spanText = valueOf(NOTE_HEADERS.span);
  const parentText = valueOf(NOTE_HEADERS.parent);
  const metadata = valueOf(NOTE_HEADERS.metadata);
  if (traceText === undefined && spanText === undefined && parentText === undefined && metadata === undefined)
    return undefined;
  const trace = idOf(traceText, traceIdOfText);
  const span = idOf(spanText, spanIdOfText);
  const parent = idOf(parentText, spanIdOfText);
  const kept = metadata === undefined ? null : metadata.length <= MAX_METADATA && decoded(metadata);
  return {
    traceId: trace.id,
    spanId: span.id,
    parentSpanId: parent.id,
    text: JSON.stringify([trace.text, span.text, parent.text, kept]),
  };
}
