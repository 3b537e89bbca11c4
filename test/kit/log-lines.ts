// A logger whose lines a test reads.
import { Logger, type LineSink } from '../../src/core/logger.ts';

export interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly [name: string]: unknown;
}

/** A logger, and the lines that it has written. */
export function logLines(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const sink = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) };
  return { log: new Logger(sink as unknown as LineSink, { level: 'info', isText: false }), lines };
}
