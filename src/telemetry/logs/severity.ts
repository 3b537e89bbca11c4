// Converts log levels of other programs to OTLP severity numbers, and numbers to names (docs/contracts/logs.md 4).
// Invariant: levels are compared by their number only.

/** Smallest severity number of each level. */
export const SEVERITY = { trace: 1, debug: 5, info: 9, notice: 10, warn: 13, error: 17, fatal: 21 } as const;

/** Level names of common loggers, in capital letters. */
const NAMES = new Map<string, number>(
  Object.entries({
    TRACE: SEVERITY.trace,
    TRC: SEVERITY.trace,
    VERBOSE: SEVERITY.debug,
    DEBUG: SEVERITY.debug,
    DBG: SEVERITY.debug,
    INFO: SEVERITY.info,
    INF: SEVERITY.info,
    INFORMATION: SEVERITY.info,
    NOTICE: SEVERITY.notice,
    WARN: SEVERITY.warn,
    WARNING: SEVERITY.warn,
    WRN: SEVERITY.warn,
    ERROR: SEVERITY.error,
    ERR: SEVERITY.error,
    SEVERE: SEVERITY.error,
    EXCEPTION: SEVERITY.error,
    CRITICAL: SEVERITY.fatal,
    CRIT: SEVERITY.fatal,
    ALERT: SEVERITY.fatal,
    EMERGENCY: SEVERITY.fatal,
    EMERG: SEVERITY.fatal,
    FATAL: SEVERITY.fatal,
    FTL: SEVERITY.fatal,
    DPANIC: SEVERITY.fatal,
    PANIC: SEVERITY.fatal,
  }),
);

/** Longest text that is looked up: the longest name, with spaces around it. */
const MAX_NAME = 24;

/** The severity number of a level name, in any letter case; 0 for other names. */
export const severityOfName = (name: string): number =>
  NAMES.get(name) ?? (name.length > MAX_NAME ? 0 : (NAMES.get(name.trim().toUpperCase()) ?? 0));

/** Looks up levels that count in tens from 10 up; 0 for other numbers. */
const byTens = (level: number, severities: readonly number[]): number =>
  level >= 10 ? (severities[Math.trunc(level / 10) - 1] ?? 0) : 0;

/** The severity number of a level of pino or bunyan, 10 (trace) to 60 (fatal); 0 for other numbers. */
export const severityOfPino = (level: number): number => byTens(level, [1, 5, 9, 13, 17, 21]);

/** The severity number of a level of Python's logging, 10 (debug) to 50 (critical); 0 for other numbers. */
export const severityOfPython = (level: number): number => byTens(level, [5, 9, 13, 17, 21]);

/** The OTLP short name: TRACE, DEBUG, INFO, WARN, ERROR or FATAL; empty for 0. */
export function severityText(severity: number): string {
  if (severity === 0) return '';
  return ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'][Math.min(5, Math.trunc((severity - 1) / 4))]!;
}

/** The level of the contract's log API: DEBUG, INFO, WARNING or ERROR; undefined for 0 (docs/contracts/serving.md 8.1). */
export function apiLevel(severity: number): 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | undefined {
  if (severity === 0) return undefined;
  if (severity < SEVERITY.info) return 'DEBUG';
  if (severity < SEVERITY.warn) return 'INFO';
  return severity < SEVERITY.error ? 'WARNING' : 'ERROR';
}
