// Reads the whole body of a submitted asynchronous request into memory.
import type { IncomingMessage } from 'node:http';

/** The body did not arrive in time. */
export const BODY_LATE = 'late';

/**
 * Reads a request's body. Resolves to its size in bytes, as far as known, if it is larger than `maxBody`; to BODY_LATE
 * after `bodyTimeoutMs`; to `undefined` if the client left.
 */
export function readBody(
  req: IncomingMessage,
  { maxBody, bodyTimeoutMs }: { readonly maxBody: number; readonly bodyTimeoutMs: number },
): Promise<Buffer | number | typeof BODY_LATE | undefined> {
  const announced = Number(req.headers['content-length'] ?? 0);
  if (announced > maxBody) return Promise.resolve(announced);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = (body: Buffer | number | typeof BODY_LATE | undefined) => {
      clearTimeout(timer);
      resolve(body);
    };
    const timer = setTimeout(() => done(BODY_LATE), bodyTimeoutMs).unref();
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBody) done(size);
      else chunks.push(chunk);
    });
    req.on('end', () => done(Buffer.concat(chunks)));
    req.on('error', () => done(undefined));
    req.on('close', () => done(undefined));
  });
}
