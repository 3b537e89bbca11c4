// Sends the JSON answers of the admin API: compact, and compressed for clients that accept it.
// Invariant: the thread that forwards requests makes an answer in short pieces of work; compression runs on others.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import { sendJson } from '../../protocol/http/json-response.ts';

/** Size of a piece of work and of one write, in characters. */
const CHUNK = 64 * 1024;
/** Answers of fewer characters are sent as they are. */
const LEAST_COMPRESSED = 1400;
/** A third of the time of the usual level, and an answer that is 10 % larger. */
const LEVEL = { level: 4 };

const compressed = promisify(gzip);

/** True if a value of Accept-Encoding allows gzip (RFC 9110 12.5.3). */
export const acceptsGzip = (header: string | string[] | undefined): boolean =>
  String(header ?? '')
    .split(',')
    .some((part) => /^\s*(?:x-)?gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/i.test(part));

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

/** Sends a JSON body. */
export const json = (res: ServerResponse, status: number, body: unknown): void =>
  void sendParts(res, status, [`${JSON.stringify(body)}\n`]);

/** The parts of the text of an object: a list of `items`, made one by one, and the `others` behind it. */
export function* listParts(
  name: string,
  items: Iterable<unknown>,
  others: object,
): Generator<string, undefined> {
  yield `{${JSON.stringify(name)}:[`;
  let comma = '';
  for (const item of items) {
    yield comma + JSON.stringify(item);
    comma = ',';
  }
  const rest = JSON.stringify(others);
  yield rest === '{}' ? ']}\n' : `],${rest.slice(1)}\n`;
}
