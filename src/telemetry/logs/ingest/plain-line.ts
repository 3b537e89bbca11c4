// Reads the level of a plain text line, if the line has a known form.
// Invariant: a word within a sentence is not read as a level.
import { SEVERITY, severityOfName } from '../severity.ts';

const WORD = '(?:[A-Za-z]{3,11})';

/**
 * Prefix that launchers of several processes or containers add: `(EngineCore_0 pid=12) `, `[rank0]: `, `app-1  | `.
 */
const PROCESS = /^(?:\([^()]{1,64}\) |\[[^\]\s]{1,80}\]:? ?|[\w./-]{1,64} {1,32}\| )/;

/** The line without the prefix of a launcher. */
export const withoutProcessPrefix = (line: string): string => line.replace(PROCESS, '');

/** Date and time, or a time alone; with or without brackets, fraction and zone. nginx writes slashes. */
const TIME =
  '[[(]?(?:\\d{4}[-/.]\\d\\d[-/.]\\d\\d[T ])?\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?(?: ?(?:Z|[+-]\\d\\d:?\\d\\d))?[\\])]?';

/** `INFO:     127.0.0.1 …`, `warning: …`, `ERROR:root:…`. */
const COLON = new RegExp(`^(${WORD}):(?!//)`);
/** `INFO 11-20 12:00:00 [core.py:58] …`, `ERROR something`. */
const CAPITALS = /^([A-Z]{4,8})(?=\s)/;
/** `[WARNING] …`, `[ info ] …`, `<error> …`. */
const BRACKETS = new RegExp(`^[[<]\\s{0,4}(${WORD})\\s{0,4}[\\]>]`);
const AFTER_TIME: readonly RegExp[] = [
  // `2026-11-20 12:00:00,123 ERROR …`, `12:00:00.1234 INFO …`, `… | INFO     | …`, `[time] [7] [INFO] …`,
  // `… [main] INFO …`, `… - my.logger - ERROR - …`
  new RegExp(
    `^${TIME}[\\s|:-]{1,8}(?:\\[[^\\]\\s]{1,40}\\][\\s|:-]{1,8}|[\\w.$-]{1,60} (?:-|\\|) )?([A-Z]{3,11})\\b`,
  ),
  // `2026/11/20 12:00:00 [error] 7#7: …`, `[time] [7] [INFO] …`
  new RegExp(`^${TIME}[\\s|:-]{1,8}(?:\\[[^\\]\\s]{1,40}\\]\\s)?\\[\\s{0,4}(${WORD})\\s{0,4}\\]`),
];
const LOGFMT: readonly RegExp[] = [
  // `time=… level=info msg="…"`
  /^(?:time|ts|t|timestamp)=(?:"[^"]{1,64}"|\S{1,64}) (?:level|lvl|severity)="?([A-Za-z]{3,11})\b/,
  /^(?:level|lvl|severity)="?([A-Za-z]{3,11})\b/,
];

/** Known forms by their first character. The only group is the level. */
function formsOf(first: number): readonly RegExp[] {
  if (first >= 0x41 && first <= 0x5a) return OF_CAPITAL;
  if (first >= 0x61 && first <= 0x7a) return OF_SMALL;
  if (first === 0x5b || first === 0x3c) return OF_BRACKET;
  return first === 0x28 || (first >= 0x30 && first <= 0x39) ? AFTER_TIME : [];
}
const OF_CAPITAL = [COLON, CAPITALS];
const OF_SMALL = [COLON, ...LOGFMT];
const OF_BRACKET = [BRACKETS, ...AFTER_TIME];

/** `I1120 12:00:00.123456 …` and `I20261120 …` of glog. */
const GLOG = /^([IWEF])(?:\d{4}){1,2} \d\d:\d\d:\d\d\.\d{3,6}/;
const OF_GLOG: Readonly<Record<string, number>> = {
  I: SEVERITY.info,
  W: SEVERITY.warn,
  E: SEVERITY.error,
  F: SEVERITY.fatal,
};

/** Python's warnings module: `/app/model.py:12: UserWarning: …`. */
const WARNING = /^\S{1,200}\.py:\d{1,7}: \w{0,60}Warning: /;

/** The OTLP severity number of a plain line; 0: unknown. Only the first 300 characters are searched. */
export function severityOfPlain(text: string): number {
  const line = text.length > 300 ? text.slice(0, 300) : text;
  // Of the forms only a time begins with a parenthesis, so the text after the prefix is tried first.
  if (line.startsWith('(')) return severityAt(withoutProcessPrefix(line)) || severityAt(line);
  const severity = severityAt(line);
  if (severity !== 0) return severity;
  const rest = withoutProcessPrefix(line);
  return rest === line ? 0 : severityAt(rest);
}

function severityAt(line: string): number {
  const isGlog = line.charCodeAt(1) <= 0x39 && GLOG.test(line);
  if (isGlog) return OF_GLOG[line[0]!]!;
  for (const form of formsOf(line.charCodeAt(0))) {
    const match = form.exec(line);
    const severity = match === null ? 0 : severityOfName(match[1]!);
    if (severity !== 0) return severity;
  }
  return WARNING.test(line) ? SEVERITY.warn : 0;
}
