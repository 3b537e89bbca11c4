// Header lines of HTTP/1.1 responses as header blocks of HTTP/2. Hot path.
// Invariant: fields that belong to one connection of HTTP/1.1 never pass (RFC 9113 8.2.2), and names are in lower case.
import type { FieldFilter } from '../hpack/encoder.ts';
import { Field } from '../hpack/field.ts';
import { HeaderBlock } from '../hpack/header-block.ts';
import { intern } from '../hpack/interned-fields.ts';
import { valueIn } from './header-line.ts';

// What is done with a field.
const PASS = 0;
/** Passes; its value differs each time. */
const VARIES = 1;
const DROP = 2;
const CONNECTION = 3;
const CODING = 4;
const CONTENT_LENGTH = 5;
/** Belongs to the handshake of a WebSocket over HTTP/1.1 (RFC 8441 5). */
const HANDSHAKE = 6;

export const FIELD_ACTION = {
  PASS,
  VARIES,
  DROP,
  CONNECTION,
  CODING,
  CONTENT_LENGTH,
  HANDSHAKE,
} as const;

const ACTIONS: ReadonlyMap<string, number> = new Map([
  ['connection', CONNECTION],
  ['transfer-encoding', CODING],
  ['content-length', CONTENT_LENGTH],
  ['keep-alive', DROP],
  ['proxy-connection', DROP],
  ['upgrade', DROP],
  ['sec-websocket-accept', HANDSHAKE],
  ['x-baseten-request-id', VARIES],
  ['server-timing', VARIES],
  ['etag', VARIES],
  ['location', VARIES],
]);
/** Longer values are not expected to come again. */
const MAX_RECURRING = 128;

/** A name as weir or a replica spells it. */
export interface SpelledName {
  readonly lower: string;
  readonly action: number;
}
const names = new Map<string, SpelledName>();
const MAX_NAMES = 1000;

export function nameOf(spelled: string): SpelledName {
  const known = names.get(spelled);
  if (known !== undefined) return known;
  const lower = spelled.toLowerCase();
  const name = { lower, action: ACTIONS.get(lower) ?? PASS };
  if (names.size >= MAX_NAMES) names.clear();
  names.set(spelled, name);
  return name;
}

/** True for a field that is not expected to come again with this value. */
export const isUnique = ({ action }: SpelledName, value: string): boolean =>
  action === VARIES || value.length > MAX_RECURRING;

/** Passes every field. */
export const FORWARD_ALL: FieldFilter = { drops: () => false };

/** Blocks by their lines. A block is made for good when its lines come a second time; before that it is `undefined`. */
const blocks = new Map<string, HeaderBlock | undefined>();
const MAX_BLOCKS = 256;
const MAX_LINES = 2048;

/** The block with `status` and these header lines, each of which has its line end. */
export function blockOf(status: number, lines: string): HeaderBlock {
  const known = blocks.get(lines);
  if (known !== undefined && known.status === String(status)) return known;
  const recurs = known === undefined && lines.length <= MAX_LINES && isSecondSight(lines);
  const block = parse(status, lines, recurs);
  if (!recurs) return block;
  block.isRemembered = true;
  blocks.set(lines, block);
  return block;
}

function isSecondSight(lines: string): boolean {
  if (blocks.has(lines)) return true;
  if (blocks.size >= MAX_BLOCKS) blocks.clear();
  blocks.set(lines, undefined);
  return false;
}

function parse(status: number, lines: string, recurs: boolean): HeaderBlock {
  const block = new HeaderBlock();
  block.add(intern(':status', String(status)), true);
  let at = 0;
  while (at < lines.length) {
    const colon = lines.indexOf(':', at);
    const end = lines.indexOf('\n', colon);
    const name = nameOf(lines.slice(at, colon));
    const value = valueIn(lines, colon + 1, end);
    at = end + 1;
    if (name.action !== PASS && name.action !== VARIES && name.action !== CONTENT_LENGTH) continue;
    if (recurs || !isUnique(name, value)) block.add(intern(name.lower, value), true);
    else block.add(new Field(name.lower, value), false);
  }
  return block;
}
