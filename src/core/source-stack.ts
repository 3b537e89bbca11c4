// Stack traces that name lines of the sources, by the source maps beside the files of the bundle.
// Invariant: never throws; a place without a map stays as it is. Maps are read for a trace only, since Node's own support of
// source maps needs 5 MB of memory from the start.
import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the bundle with line and column. */
const PLACE = /((?:file:\/\/)?\/[^\s()]+\.c?js):(\d+):(\d+)/g;

function mapOf(file: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')) as SourceMapPayload);
  } catch {
    // Not a file of the bundle.
    return undefined;
  }
}

/** The stack of an error, or its text if it has none. */
export function sourceStack(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const maps = new Map<string, SourceMap | undefined>();
  return stack.replace(PLACE, (place, url: string, line: string, column: string) => {
    const file = url.startsWith('file:') ? fileURLToPath(url) : url;
    if (!maps.has(file)) maps.set(file, mapOf(file));
    const found = maps.get(file)?.findOrigin(Number(line), Number(column));
    if (found === undefined || !('fileName' in found)) return place;
    return `${join(dirname(file), found.fileName)}:${found.lineNumber}:${found.columnNumber}`;
  });
}
