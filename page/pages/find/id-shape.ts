// What a text may be by its form: an id of a request, trace, span, export or record.
// Invariant: pure; only the form is looked at, so what it names may not exist.

/** `foreign`: an id that a client may have chosen for a request or a trace. */
export type IdShape = 'request' | 'trace' | 'span' | 'export' | 'record' | 'request_end' | 'foreign';

const SHAPES: readonly (readonly [IdShape, RegExp])[] = [
  ['request', /^[0-9a-f]{37}$/],
  ['trace', /^[0-9a-f]{32}$/],
  ['span', /^[0-9a-f]{16}$/],
  ['export', /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/],
  ['record', /^\d{1,19}$/],
  ['request_end', /^[0-9a-f]{6,36}$/],
];

const FOREIGN = /^(?=.*\d)[\w.:-]{8,256}$/;
const HEX = /^[0-9A-F-]+$/i;

/** An id as it was copied: without white space and the dots of a shortened one; hex digits in lower case. */
export function idOf(text: string): string {
  const id = text.trim().replace(/^…/, '');
  return HEX.test(id) ? id.toLowerCase() : id;
}

/** All that it may be, the most likely first; a number of six digits and more may end a request id, too. */
export function shapesOf(text: string): readonly IdShape[] {
  const id = idOf(text);
  const own = SHAPES.filter(([, form]) => form.test(id)).map(([shape]) => shape);
  return own.length === 0 && FOREIGN.test(id) ? ['foreign'] : own;
}

export const SHAPE_NAMES: Readonly<Record<string, string>> = {
  request: 'a request id',
  trace: 'a trace id',
  span: 'a span id',
  export: 'an export',
  record: 'a record',
  async: 'an async request',
  request_end: 'the end of a request id',
};

/** `a request id, a trace id or a span id`. */
export function oneOf(names: readonly string[]): string {
  const [last, ...rest] = [...names].reverse();
  return rest.length === 0 ? (last ?? '') : `${rest.reverse().join(', ')} or ${last}`;
}

/** A query that finds a text as it stands: quoted if it has characters of the query language. */
export const asQuery = (text: string): string =>
  /^[\p{L}\p{N}_.-]+$/u.test(text) && !/^(?:or|and|not)$/i.test(text)
    ? text
    : `"${text.replace(/["\\]/g, '\\$&')}"`;
