// weir's own log: one line per event on stdout, as JSON or text. The access log is made in telemetry/logs/recorder/.
// Invariant: writing never waits for the reader of stdout; lines beyond the buffer are dropped and counted.
import { EVENTS } from './event-table.ts';
import { lifecycleEvent, type EventName, type FactsOf, type LifecycleEvent } from './events.ts';
import { LogOutput } from './log-output.ts';
import { RepeatLimiter } from './repeat-limiter.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Facts of an event. `undefined` values are left out. */
export type LogFields = Record<string, unknown>;

/** How long lines wait for further ones, in milliseconds. */
const GATHER_MS = 100;

/** Receives the lines of the log. */
export interface LineSink {
  write(line: string): void;
  /** Writes all pending lines and waits for the reader. For use before exit. */
  flush(): void;
  /** Number of lines that were dropped since the reader was too slow. */
  dropped(): number;
}

/** Writes lines to a file descriptor, in batches and in the background. */
export function fileSink(fd: number): LineSink {
  const output = new LogOutput(fd, GATHER_MS);
  return {
    write: (line) => output.write(Buffer.from(line)),
    flush: () => output.flush(),
    dropped: () => output.dropped,
  };
}

export class Logger {
  readonly sink: LineSink;
  readonly isText: boolean;
  /** True: `debug` writes. Test it before building fields on the hot path. */
  readonly isDebug: boolean;
  /** Receives every lifecycle event, whatever `log.level` is. `undefined`: events are only written to the log. */
  recorder: ((event: LifecycleEvent) => void) | undefined;
  readonly #threshold: number;
  readonly #repeats = new RepeatLimiter();

  constructor(sink: LineSink, options: { level: LogLevel; isText: boolean }) {
    this.sink = sink;
    this.isText = options.isText;
    this.#threshold = levels.indexOf(options.level);
    this.isDebug = options.level === 'debug';
  }

  debug = (event: string, fields?: LogFields): void => this.#write('debug', event, fields);
  info = (event: string, fields?: LogFields): void => this.#write('info', event, fields);
  warn = (event: string, fields?: LogFields): void => this.#write('warn', event, fields);
  error = (event: string, fields?: LogFields): void => this.#write('error', event, fields);

  /**
   * Writes the line of a lifecycle event and passes its record to `recorder`. Repeats are limited (repeat-limiter.ts).
   */
  event = <N extends EventName>(name: N, facts: FactsOf<N>): void => {
    const now = new Date();
    const { level, line, isLimited } = EVENTS[name];
    const fields = facts as LogFields;
    const { deployment = '', replica = '', destination = '', host = '' } = fields;
    const pass = (suppressed: number): void => {
      this.#write(level, line, suppressed > 0 ? { ...fields, suppressed } : fields, now);
      this.recorder?.(lifecycleEvent(name, facts, now.getTime(), suppressed));
    };
    if (isLimited) this.#repeats.take(JSON.stringify([name, deployment, replica, destination, host]), pass);
    else pass(0);
  };

  /** Writes the repeated events that are held back. For use before exit. */
  flushEvents(): void {
    this.#repeats.flush();
  }

  #write(level: LogLevel, event: string, fields: LogFields = {}, at?: Date): void {
    if (levels.indexOf(level) < this.#threshold) return;
    const now = at ?? new Date();
    this.sink.write(
      this.isText
        ? `${clockTime(now)} ${level.toUpperCase().padEnd(5)} ${event}${asText(fields)}\n`
        : `${JSON.stringify({ time: now.toISOString(), level, event, ...fields })}\n`,
    );
  }
}

/** Local time of day with milliseconds, for text lines. */
export const clockTime = (date: Date): string =>
  `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, '0')}`;

const asText = (fields: LogFields): string =>
  Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}=${typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)}`,
    )
    .join('');
