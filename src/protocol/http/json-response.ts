// A JSON response of weir's own servers.
import type { ServerResponse } from 'node:http';

/**
 * Sends a response whose body is JSON text, and returns the bytes of the body. `headers`: raw list (name, value, …) of
 * further headers.
 */
export function sendJson(
  res: ServerResponse,
  status: number,
  text: string,
  headers: readonly string[],
): number {
  const bytes = Buffer.byteLength(text);
  res.writeHead(status, ['Content-Type', 'application/json', 'Content-Length', String(bytes), ...headers]);
  res.end(text);
  return bytes;
}
