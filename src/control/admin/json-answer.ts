// Sends the JSON answers of the admin API: compact, and compressed for clients that accept it.
// Invariant: the thread that forwards requests makes an answer in short pieces of work; compression runs on others.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import { acceptsGzip } from '../../protocol/http/accept-coding.ts';
import { sendJson } from '../../protocol/http/json-response.ts';

/** Size of a piece of work and of one write, in characters. */
const CHUNK = 64 * 1024;
/** Answers of fewer characters are sent as they are. */
const LEAST_COMPRESSED = 1400;
/** A third of the time of the usual level, and an answer that is 10 % larger. */
const LEVEL = { level: 4 };

const compressed = promisify(gzip);

/** Joins parts of a text to pieces of at least CHUNK characters; the last one may be shorter. */
function* chunksOf(parts: Iterable<string>): Generator<string, undefined> {
  let text = '';
  for (const part of parts) {
    text += part;
    if (text.length < CHUNK) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

/**
 * Sends an answer whose body is the parts together, which are made one by one. Resolves when it is sent or the client
 * has left. A short answer is sent at once, with Content-Length. `headers`: raw list (name, value, …) of further ones.
 */
export async function sendParts(
  res: ServerResponse,
  status: number,
  parts: Iterable<string>,
  headers: readonly string[] = [],
): Promise<void> {
  // Until the head is sent, for those who look at the response.
  res.statusCode = status;
  const chunks = chunksOf(parts);
  const first = chunks.next().value ?? '';
  const all = ['Cache-Control', 'no-store', ...headers];
  const isLong = first.length >= LEAST_COMPRESSED;
  if (isLong) all.push('Vary', 'Accept-Encoding');
  const isPacked = isLong && acceptsGzip(res.req.headers['accept-encoding']);
  if (isPacked) all.push('Content-Encoding', 'gzip');
  const second = first.length < CHUNK ? undefined : chunks.next().value;
  if (second !== undefined) return stream(res, status, joined(first, second, chunks), isPacked, all);
  if (!isPacked) return void sendJson(res, status, first, all);
  const body = await compressed(first, LEVEL);
  if (res.destroyed) return;
  res.writeHead(status, [...all, 'Content-Type', 'application/json', 'Content-Length', String(body.length)]);
  res.end(body);
}

function* joined(first: string, second: string, others: Iterable<string>): Generator<string, undefined> {
  yield first;
  yield second;
  yield* others;
}

async function stream(
  res: ServerResponse,
  status: number,
  chunks: Iterable<string>,
  isPacked: boolean,
  headers: readonly string[],
): Promise<void> {
  res.writeHead(status, ['Content-Type', 'application/json', ...headers]);
  const packer = isPacked ? createGzip(LEVEL) : undefined;
  const closed = new AbortController();
  res.once('close', () => {
    closed.abort();
    packer?.destroy();
  });
  packer?.pipe(res);
  const out = packer ?? res;
  try {
    for (const chunk of chunks) {
      if (closed.signal.aborted) return;
      if (!out.write(chunk)) await once(out, 'drain', { signal: closed.signal });
      // Other work of the thread comes between two pieces.
      await nextTurn();
    }
    out.end();
  } catch (error) {
    if (!closed.signal.aborted) throw error;
  }
}

/** Sends a JSON body: a large one in parts. */
export const json = (res: ServerResponse, status: number, body: unknown): void =>
  void sendParts(res, status, isLarge(body) ? lineOf(body) : [`${JSON.stringify(body)}\n`]);

function* lineOf(body: unknown): Generator<string, undefined> {
  yield* jsonParts(body);
  yield '\n';
}

/** Length of the text of a value that is written as one part, roughly. Longer texts are divided. */
const PART = 16 * 1024;
/** Length of a number, and of what is around a member, roughly. */
const MEMBER = 8;

/** What is left of `room` characters behind a value, roughly; below 0: it does not fit. Reads no more than fits. */
function roomBehind(value: unknown, room: number): number {
  if (typeof value === 'string') return room - value.length - MEMBER;
  if (typeof value !== 'object' || value === null) return room - MEMBER;
  let left = room - MEMBER;
  for (const one of Array.isArray(value) ? value : Object.values(value)) {
    if (left < 0) return left;
    left = roomBehind(one, left - MEMBER);
  }
  return left;
}

const isLarge = (value: unknown): boolean => roomBehind(value, PART) < 0;

/**
 * The text that JSON.stringify makes of a value of JSON, in parts of about 16 KiB that are made one by one. Members that
 * are `undefined` are left out.
 */
export function* jsonParts(value: unknown): Generator<string, undefined> {
  if (!isLarge(value)) yield JSON.stringify(value);
  else if (typeof value === 'string') yield* textParts(value);
  else if (Array.isArray(value)) {
    let before = '[';
    for (const one of value as unknown[]) {
      yield before;
      yield* jsonParts(one ?? null);
      before = ',';
    }
    yield ']';
  } else {
    let before = '{';
    for (const [name, one] of Object.entries(value as object)) {
      if (one === undefined) continue;
      yield `${before}${JSON.stringify(name)}:`;
      yield* jsonParts(one);
      before = ',';
    }
    yield before === '{' ? '{}' : '}';
  }
}

/** The parts of a long text. No character is divided, since JSON.stringify would escape its halves. */
function* textParts(text: string): Generator<string, undefined> {
  yield '"';
  for (let at = 0; at < text.length;) {
    const isDivided = /[\uD800-\uDBFF]/.test(text[at + PART - 1] ?? '');
    const part = text.slice(at, at + PART - (isDivided ? 1 : 0));
    yield JSON.stringify(part).slice(1, -1);
    at += part.length;
  }
  yield '"';
}

/** The parts of the text of an object: a list of `items`, made one by one, and the `others` behind it. */
export function* listParts(
  name: string,
  items: Iterable<unknown>,
  others: object,
): Generator<string, undefined> {
  yield `{${JSON.stringify(name)}:[`;
  let comma = '';
  for (const item of items) {
    yield comma;
    yield* jsonParts(item);
    comma = ',';
  }
  const rest = JSON.stringify(others);
  yield rest === '{}' ? ']}\n' : `],${rest.slice(1)}\n`;
}
