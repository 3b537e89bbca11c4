// The level of a line that is plain text, where the line's shape leaves no doubt.
// Must stay true: a word in the middle of a sentence is no level; no shape, no level (0).
import { SEVERITY, severityOfName } from '../severity.ts';

const WORD = '(?:[A-Za-z]{3,11})';

/**
 * `(EngineCore_0 pid=12) `, `[rank0]: `, `app-1  | ` and the like, which launchers of several processes and containers put
 * in front.
 */
const PROCESS = /^(?:\([^()]{1,64}\) |\[[^\]\s]{1,80}\]:? ?|[\w./-]{1,64} {1,32}\| )/;

/** The line without the prefix of a launcher. */
export const withoutProcessPrefix = (line: string): string => line.replace(PROCESS, '');

/** Date and time, time alone, with or without brackets, fraction and zone; nginx writes slashes. */
const TIME =
  '[[(]?(?:\\d{4}[-/.]\\d\\d[-/.]\\d\\d[T ])?\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?(?: ?(?:Z|[+-]\\d\\d:?\\d\\d))?[\\])]?';

/** Each shape has the level's word in its one group. Only the first 300 characters are looked at. */
const SHAPES: readonly RegExp[] = [
  // `INFO:     127.0.0.1 …`, `warning: …`, `ERROR:root:…`
  new RegExp(`^(${WORD}):(?!//)`),
  // `INFO 11-20 12:00:00 [core.py:58] …`, `ERROR something`
  /^([A-Z]{4,8})(?=\s)/,
  // `[WARNING] …`, `[ info ] …`, `<error> …`
  new RegExp(`^[[<]\\s{0,4}(${WORD})\\s{0,4}[\\]>]`),
  // `2026-11-20 12:00:00,123 ERROR …`, `12:00:00.1234 INFO …`, `… | INFO     | …`, `[time] [7] [INFO] …`,
  // `… [main] INFO …`, `… - my.logger - ERROR - …`
  new RegExp(
    `^${TIME}[\\s|:-]{1,8}(?:\\[[^\\]\\s]{1,40}\\][\\s|:-]{1,8}|[\\w.$-]{1,60} (?:-|\\|) )?([A-Z]{3,11})\\b`,
  ),
  // `2026/11/20 12:00:00 [error] 7#7: …`, `[time] [7] [INFO] …`
  new RegExp(`^${TIME}[\\s|:-]{1,8}(?:\\[[^\\]\\s]{1,40}\\]\\s)?\\[\\s{0,4}(${WORD})\\s{0,4}\\]`),
  // logfmt: `time=… level=info msg="…"`
  /^(?:time|ts|t|timestamp)=(?:"[^"]{1,64}"|\S{1,64}) (?:level|lvl|severity)="?([A-Za-z]{3,11})\b/,
  /^(?:level|lvl|severity)="?([A-Za-z]{3,11})\b/,
];

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

/** The OTLP severity number of a plain line; 0 where nothing is sure. */
export function severityOfPlain(text: string): number {
  const line = text.length > 300 ? text.slice(0, 300) : text;
  // Only the form of a time begins with a parenthesis. There the text behind the prefix is tried first.
  if (line.startsWith('(')) return severityAt(withoutProcessPrefix(line)) || severityAt(line);
  const severity = severityAt(line);
  if (severity !== 0) return severity;
  const behind = withoutProcessPrefix(line);
  return behind === line ? 0 : severityAt(behind);
}

function severityAt(line: string): number {
  const glog = GLOG.exec(line);
  if (glog) return OF_GLOG[glog[1]!]!;
  for (const shape of SHAPES) {
    const match = shape.exec(line);
    const severity = match === null ? 0 : severityOfName(match[1]!);
    if (severity !== 0) return severity;
  }
  return WARNING.test(line) ? SEVERITY.warn : 0;
}
