// Writes a piece of a long response, and waits until the client can take more.
// Invariant: the wait ends when the client leaves, also if it has left before.
import type { ServerResponse } from 'node:http';
import { isClosed } from './logs/paged-search.ts';

/** Returns false if the client has left. */
export async function writeChunk(res: ServerResponse, chunk: string | Uint8Array): Promise<boolean> {
  if (isClosed(res)) return false;
  if (res.write(chunk)) return true;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = (): void => resolve();
  res.once('drain', wake);
  res.once('close', wake);
  await promise;
  res.off('drain', wake);
  res.off('close', wake);
  return !isClosed(res);
}
