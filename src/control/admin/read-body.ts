// Bodies that clients send to the admin door: read whole within a bound, unpacked within another, as bytes or JSON.
// Must stay true: no body takes more memory than its bound, however it was packed, and what is wrong with it is said in
// words.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGunzip } from 'node:zlib';
import { fail } from './endpoint.ts';

const MAX_JSON_BYTES = 1024 ** 2;

/** Media type of a body without its parameters, in small letters; '' where none is given. */
export const mediaType = ({ headers }: IncomingMessage): string =>
  (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();

/** The JSON that a request has for a body; `undefined` where it has been answered with what is wrong with it. */
export async function jsonBody(
  req: IncomingMessage,
  res: ServerResponse,
): Promise<{ value: unknown } | undefined> {
  // Also what keeps a web page of somebody else from sending it without asking first.
  if (mediaType(req) !== 'application/json') {
    fail(req, res, 'wrong_protocol', 'the body must be JSON, with Content-Type: application/json');
    return undefined;
  }
  const bytes = await bytesBody(req, res, MAX_JSON_BYTES);
  return bytes && parse(req, res, bytes);
}

function parse(req: IncomingMessage, res: ServerResponse, bytes: Buffer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(bytes.toString('utf8')) as unknown };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    fail(req, res, 'bad_request', `the body is no JSON: ${error.message}`);
    return undefined;
  }
}

/**
 * The whole body of at most `limit` bytes, unpacked where it came as gzip; `undefined` where it has been answered with
 * what is wrong with it, or its sender has left.
 */
export async function bytesBody(
  req: IncomingMessage,
  res: ServerResponse,
  limit: number,
): Promise<Buffer | undefined> {
  const coding = (req.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (coding !== 'identity' && coding !== 'gzip' && coding !== 'x-gzip') {
    fail(req, res, 'wrong_protocol', `Content-Encoding ${coding.slice(0, 40)}; it may be gzip, or none`);
    return undefined;
  }
  let held = 0;
  const hold = (bytes: number): boolean => {
    if (heldBytes + bytes > MAX_HELD_BYTES) return false;
    held += bytes;
    heldBytes += bytes;
    return true;
  };
  // Until it was answered: what is made of it lasts as long.
  res.once('close', () => {
    heldBytes -= held;
  });
  const read = await take(req, coding === 'identity' ? undefined : createGunzip(), limit, hold);
  if (Buffer.isBuffer(read)) return read;
  if (read === 'too_large') fail(req, res, 'too_large', `the body may have ${limit} bytes, unpacked`);
  else if (read === 'crowded')
    fail(req, res, 'queue_full', 'nothing of it was taken', {
      text: 'Too much is being sent at once; try again',
    });
  else if (read === 'broken') fail(req, res, 'bad_request', 'the body is no whole gzip');
  else res.destroy();
  return undefined;
}

type Unread = 'too_large' | 'broken' | 'gone' | 'crowded';

/** What all bodies together may take that are being read or worked on: ten of the largest at once would be a flood. */
const MAX_HELD_BYTES = 256 * 1024 ** 2;
let heldBytes = 0;

function take(
  req: IncomingMessage,
  unpacker: ReturnType<typeof createGunzip> | undefined,
  limit: number,
  hold: (bytes: number) => boolean,
): Promise<Buffer | Unread> {
  if (Number(req.headers['content-length'] ?? 0) > limit) return Promise.resolve('too_large');
  const { promise, resolve } = Promise.withResolvers<Buffer | Unread>();
  const from = unpacker ?? req;
  const chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer) => {
    size += chunk.length;
    const isTooLarge = size > limit;
    // Twice: in the end its pieces are put together.
    if (!isTooLarge && hold(2 * chunk.length)) return void chunks.push(chunk);
    from.off('data', onData);
    chunks.length = 0;
    end(isTooLarge ? 'too_large' : 'crowded');
  };
  const end = (read: Buffer | Unread) => {
    if (unpacker) {
      req.unpipe(unpacker);
      unpacker.destroy();
    }
    resolve(read);
  };
  from.on('data', onData);
  from.on('end', () => end(Buffer.concat(chunks, size)));
  req.on('error', () => end('gone'));
  req.on('close', () => req.readableEnded || end('gone'));
  if (unpacker) {
    unpacker.on('error', () => end('broken'));
    req.pipe(unpacker);
  }
  return promise;
}
