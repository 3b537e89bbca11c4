// Reads request bodies of the admin API: whole, decompressed, as bytes or JSON.
// Invariant: no body uses more memory than its limit, compressed or not.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGunzip } from 'node:zlib';
import { mediaTypeOf } from '../../core/media-type.ts';
import { fail } from './endpoint.ts';

const MAX_JSON_BYTES = 1024 ** 2;

/** Reads a JSON body. Sends an error response and returns `undefined` if it is not valid. */
export async function jsonBody(
  req: IncomingMessage,
  res: ServerResponse,
): Promise<{ value: unknown } | undefined> {
  // A web page of another origin cannot send this type without a preflight.
  if (mediaTypeOf(req.headers['content-type']) !== 'application/json') {
    fail(req, res, 'wrong_protocol', 'the body must be JSON with Content-Type: application/json');
    return undefined;
  }
  const bytes = await bytesBody(req, res, MAX_JSON_BYTES);
  return bytes && parse(req, res, bytes);
}

const SMALL_BYTES = 16 * 1024;

/**
 * Reads a JSON body of at most 16 KiB, which does not count towards the memory of bodies: for routes that must answer
 * however many bodies are being received. Sends an error response and returns `undefined` if it is not valid.
 */
export async function smallJsonBody(
  req: IncomingMessage,
  res: ServerResponse,
): Promise<{ value: unknown } | undefined> {
  const read = await readAll(req, undefined, SMALL_BYTES, () => true);
  if (Buffer.isBuffer(read)) return parse(req, res, read);
  if (read === 'gone') res.destroy();
  else fail(req, res, 'too_large', `the limit is ${SMALL_BYTES} bytes`);
  return undefined;
}

function parse(req: IncomingMessage, res: ServerResponse, bytes: Buffer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(bytes.toString('utf8')) as unknown };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    fail(req, res, 'bad_request', `the body is not valid JSON: ${error.message}`);
    return undefined;
  }
}

/**
 * Reads a body of at most `limit` decompressed bytes. Sends an error response and returns `undefined` if it is not
 * valid. Returns `undefined` if the client has left.
 */
export async function bytesBody(
  req: IncomingMessage,
  res: ServerResponse,
  limit: number,
): Promise<Buffer | undefined> {
  const coding = (req.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (coding !== 'identity' && coding !== 'gzip' && coding !== 'x-gzip') {
    fail(
      req,
      res,
      'wrong_protocol',
      `Content-Encoding ${coding.slice(0, 40)} is not supported; send gzip or no encoding`,
    );
    return undefined;
  }
  const reserve = bodyMemory(res);
  const read = await readAll(req, coding === 'identity' ? undefined : createGunzip(), limit, reserve);
  if (Buffer.isBuffer(read)) return read;
  if (read === 'too_large') fail(req, res, 'too_large', `the limit is ${limit} bytes, decompressed`);
  else if (read === 'crowded') failCrowded(req, res);
  else if (read === 'broken') fail(req, res, 'bad_request', 'the body is not valid gzip');
  else res.destroy();
  return undefined;
}

type ReadFailure = 'too_large' | 'broken' | 'gone' | 'crowded';

/** Memory of all bodies that are being read or processed. */
const MAX_BUFFERED_BYTES = 256 * 1024 ** 2;
let bufferedBytes = 0;

/**
 * Returns a function that reserves memory for a body until the response has ended; false: there is none left. Objects
 * that are made of the body live as long as the response.
 */
export function bodyMemory(res: ServerResponse): (bytes: number) => boolean {
  let reserved = 0;
  res.once('close', () => {
    bufferedBytes -= reserved;
  });
  return (bytes) => {
    if (bufferedBytes + bytes > MAX_BUFFERED_BYTES) return false;
    reserved += bytes;
    bufferedBytes += bytes;
    return true;
  };
}

/** Sends the error response of a body that there is no memory for. */
export const failCrowded = (req: IncomingMessage, res: ServerResponse): void =>
  fail(req, res, 'queue_full', 'nothing was stored', {
    text: 'Too many bodies are being received; try again later',
  });

function readAll(
  req: IncomingMessage,
  gunzip: ReturnType<typeof createGunzip> | undefined,
  limit: number,
  reserve: (bytes: number) => boolean,
): Promise<Buffer | ReadFailure> {
  if (Number(req.headers['content-length'] ?? 0) > limit) return Promise.resolve('too_large');
  const { promise, resolve } = Promise.withResolvers<Buffer | ReadFailure>();
  const from = gunzip ?? req;
  const chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer) => {
    size += chunk.length;
    const isTooLarge = size > limit;
    // Twice the size, since the chunks are joined at the end.
    if (!isTooLarge && reserve(2 * chunk.length)) return void chunks.push(chunk);
    from.off('data', onData);
    chunks.length = 0;
    end(isTooLarge ? 'too_large' : 'crowded');
  };
  const end = (read: Buffer | ReadFailure) => {
    if (gunzip) {
      req.unpipe(gunzip);
      gunzip.destroy();
    }
    resolve(read);
  };
  from.on('data', onData);
  from.on('end', () => end(Buffer.concat(chunks, size)));
  req.on('error', () => end('gone'));
  req.on('close', () => req.readableEnded || end('gone'));
  if (gunzip) {
    gunzip.on('error', () => end('broken'));
    req.pipe(gunzip);
  }
  return promise;
}
