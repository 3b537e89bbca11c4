// Reads the time at the beginning of a plain line, if its form is unambiguous.
// A time without a zone is local time (as in timestamp.ts). A time without a date, and dates with an ambiguous order of
// day and month (`05/01/2026`), are not read.
// Invariant: the result is `undefined` if the line cannot have been written at that time.
import { DAY_NS } from '../../../core/time.ts';
import { withoutProcessPrefix } from './plain-line.ts';
import { severityOfName } from '../severity.ts';
import { timeOf } from './timestamp.ts';

/** Number of characters that are searched. */
const MAX_LENGTH = 160;
/** A time without a zone that is more than this ahead was written in another zone, or a year earlier. */
const AHEAD_NS = 300_000_000_000n;

const HOUR_NS = 3_600_000_000_000n;
const HALF_YEAR_NS = 183n * DAY_NS;

/** A level before the time: `INFO 05-01 12:00:00`, `[WARNING] 2026-…`, `ERROR: 2026-…`. */
const LEVEL = /^(?:([A-Za-z]{3,11}):?\s{1,8}|[[<]\s{0,4}([A-Za-z]{3,11})\s{0,4}[\]>]:?\s{0,8})/;
/** `<34>` and `<34>1 ` of syslog (RFC 3164 4.1.1, RFC 5424 6.2); `7:M ` of Redis. */
const PRIORITY = /^(?:<\d{1,3}>(?:\d{1,2} )?|\d{1,7}:[XCSM] )/;

const CLOCK = '(\\d\\d:\\d\\d:\\d\\d)(?:[.,](\\d{1,9})\\d{0,9})?';
const ZONE = '(?: ?(Z|UTC|GMT|[+-]\\d\\d:?\\d\\d)|([+-]\\d\\d))?';
const END = '(?=[\\s\\])>|,;:"]|$)';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = `(${MONTHS.join('|')})`;
const WEEKDAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? ';

/** `2026-11-20T12:00:00.5Z`, `2026-11-20 12:00:00,123`, `2026/11/20 12:00:00`, in brackets or not. */
const ISO = new RegExp(`^[[(]?(\\d{4})[-/.](\\d\\d)[-/.](\\d\\d)[T ]${CLOCK}${ZONE}${END}`, 'i');
/** `11-20 12:00:00` of vLLM. */
const MONTH_DAY = new RegExp(`^[[(]?(\\d\\d)-(\\d\\d) ${CLOCK}${END}`);
/** `I1120 12:00:00.123456` and `I20261120 …` of glog and klog. */
const GLOG = /^[IWEFD](\d{4})?(\d\d)(\d\d) (\d\d:\d\d:\d\d)\.(\d{3,6})(?=\s)/;
/** `Nov 20 12:00:00` of syslog, `[Fri Nov 20 12:00:00.123 2026]` of Apache. */
const NAMED = new RegExp(`^\\[?(?:${WEEKDAY})?${MONTH} {1,2}(\\d{1,2}) ${CLOCK}(?: (\\d{4}))?${END}`);
/** `20 Nov 2026 12:00:00.123` of Redis, `[20-Nov-2026 12:00:00 UTC]` of PHP, `20/Nov/2026:12:00:00 +0000`. */
const DAY_FIRST = new RegExp(
  `^\\[?(?:${WEEKDAY})?(\\d{1,2})[ /-]${MONTH}[ /-](\\d{4})[ :]${CLOCK}${ZONE}${END}`,
);
/** `time=… level=info` of logfmt. */
const LOGFMT = /^(?:time|ts|t|timestamp)=(?:"([^"]{1,64})"|(\S{1,64}))(?=\s|$)/;
/** Seconds since the epoch with a fraction. A whole number may have another meaning. */
const EPOCH = /^\[?(\d{10}\.\d{3,9})\]?(?=\s)/;

/** Every line with a readable time matches this. */
const HAS_TIME = /\d:\d\d:\d\d|^(?:time|ts|t|timestamp)=|^\[?\d{10}\./;

/**
 * The time at the beginning of a plain line, nanoseconds since the epoch. A level and a launcher's prefix may be before
 * it.
 * `undefined`: there is none, it is older than `retentionMs`, or too far ahead of `nowNs`.
 */
export function timeOfPlain(text: string, nowNs: bigint, retentionMs: number): bigint | undefined {
  const time = timeInLastSecond(text, nowNs) ?? readStart(text, nowNs);
  return time !== undefined && Number(nowNs - time) <= retentionMs * 1e6 ? time : undefined;
}

function readStart(text: string, nowNs: bigint): bigint | undefined {
  const start = text.length > MAX_LENGTH ? text.slice(0, MAX_LENGTH) : text;
  if (!HAS_TIME.test(start)) return undefined;
  let line = start;
  beginning.clockEnd = 0;
  let time = readAt(line, nowNs);
  if (time === undefined) {
    line = withoutHeader(start);
    beginning.clockEnd = 0;
    time = readAt(line, nowNs);
  }
  if (time !== undefined && beginning.clockEnd > 0)
    beginning.text = start.slice(0, start.length - line.length + beginning.clockEnd);
  return time;
}

/**
 * The beginning of the last line with a time in one of the most frequent forms, up to the seconds. Lines with the same
 * beginning have the same time, apart from the fraction.
 */
const beginning = { text: '', clockEnd: 0 };
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** The time of a line with the same beginning as the last one; `undefined`: it has another one, or must be read. */
function timeInLastSecond(text: string, nowNs: bigint): bigint | undefined {
  if (beginning.text === '' || !isRecent(nowNs) || !text.startsWith(beginning.text)) return undefined;
  let at = beginning.text.length;
  let fraction = 0;
  const point = text.charCodeAt(at);
  if (point === 0x2e || point === 0x2c) {
    const end = at + 10;
    for (at++; at < end && isDigit(text.charCodeAt(at)); at++)
      fraction = fraction * 10 + text.charCodeAt(at) - 0x30;
    if (end - at === 9) return undefined;
    fraction *= 10 ** (end - at);
  }
  if (!AFTER_CLOCK.has(text.charCodeAt(at)) || mayBeZone(text, at + 1)) return undefined;
  const time = lastSecondNs! + BigInt(fraction);
  return time <= nowNs + AHEAD_NS ? time : undefined;
}

const codesOf = (characters: string): Set<number> =>
  new Set(Array.from(characters, (character) => character.charCodeAt(0)));
const AFTER_CLOCK = codesOf(' ])|');
const ZONE_LETTERS = codesOf('ZUGzug');
const mayBeZone = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at);
  return ZONE_LETTERS.has(code) || ((code === 0x2b || code === 0x2d) && isDigit(text.charCodeAt(at + 1)));
};

/** The line without the text that may precede its time. */
function withoutHeader(line: string): string {
  const rest = withoutProcessPrefix(line).replace(PRIORITY, '');
  const level = LEVEL.exec(rest);
  return level && severityOfName(level[1] ?? level[2]!) !== 0 ? rest.slice(level[0].length) : rest;
}

function readAt(line: string, nowNs: bigint): bigint | undefined {
  const first = line.charCodeAt(0) === 0x5b || line.charCodeAt(0) === 0x28 ? line[1] : line[0];
  return first !== undefined && first >= '0' && first <= '9'
    ? readNumbers(line, nowNs)
    : readWords(line, nowNs);
}

function readNumbers(line: string, nowNs: bigint): bigint | undefined {
  const iso = ISO.exec(line);
  if (iso) {
    const [, year, month, day, clock, fraction, zone, hours] = iso;
    if (zone === undefined && hours === undefined)
      beginning.clockEnd = iso[0].indexOf(clock!) + clock!.length;
    return timeAt({ year, month: month!, day: day!, clock: clock!, fraction, zone: zone ?? hours }, nowNs);
  }
  const monthDay = MONTH_DAY.exec(line);
  if (monthDay) {
    const [, month, day, clock, fraction] = monthDay;
    beginning.clockEnd = monthDay[0].indexOf(clock!) + clock!.length;
    return timeAt({ month: month!, day: day!, clock: clock!, fraction }, nowNs);
  }
  const dayFirst = DAY_FIRST.exec(line);
  if (dayFirst) {
    const [, day, name, year, clock, fraction, zone, hours] = dayFirst;
    const when = { year, month: monthOf(name!), day: twoDigits(day!), clock: clock!, fraction };
    return timeAt({ ...when, zone: zone ?? hours }, nowNs);
  }
  const epoch = EPOCH.exec(line);
  return epoch ? timeOf(epoch[1], nowNs) : undefined;
}

function readWords(line: string, nowNs: bigint): bigint | undefined {
  const glog = GLOG.exec(line);
  if (glog) {
    const [, year, month, day, clock, fraction] = glog;
    return timeAt({ year, month: month!, day: day!, clock: clock!, fraction }, nowNs);
  }
  const named = NAMED.exec(line);
  if (named) {
    const [, name, day, clock, fraction, year] = named;
    return timeAt({ year, month: monthOf(name!), day: twoDigits(day!), clock: clock!, fraction }, nowNs);
  }
  const logfmt = LOGFMT.exec(line);
  return logfmt ? timeOf(logfmt[1] ?? logfmt[2], nowNs) : undefined;
}

const twoDigits = (text: string): string => text.padStart(2, '0');
const monthOf = (name: string): string => twoDigits(String(MONTHS.indexOf(name) + 1));

interface When {
  /** `undefined`: the latest year that gives a time in the past. */
  readonly year?: string | undefined;
  readonly month: string;
  readonly day: string;
  readonly clock: string;
  readonly fraction?: string | undefined;
  readonly zone?: string | undefined;
}

/** The last second, cached since many lines are from the same second. */
let last: When = { month: '', day: '', clock: '' };
let lastSecondNs: bigint | undefined;
let lastNowNs = 0n;

/** If a line has no year, the year depends on the current time. */
const isRecent = (nowNs: bigint): boolean => nowNs - lastNowNs < HOUR_NS && nowNs >= lastNowNs;

function timeAt(when: When, nowNs: bigint): bigint | undefined {
  const { year, month, day, clock, fraction, zone } = when;
  const isLast =
    clock === last.clock &&
    day === last.day &&
    month === last.month &&
    year === last.year &&
    zone === last.zone &&
    isRecent(nowNs);
  if (!isLast) {
    lastSecondNs = secondOf(when, nowNs);
    beginning.text = '';
    last = when;
    lastNowNs = nowNs;
  }
  if (lastSecondNs === undefined) return undefined;
  const time = fraction === undefined ? lastSecondNs : lastSecondNs + BigInt(fraction.padEnd(9, '0'));
  return time <= nowNs + (zone === undefined ? AHEAD_NS : DAY_NS) ? time : undefined;
}

function secondOf({ year, month, day, clock, zone }: When, nowNs: bigint): bigint | undefined {
  const rest = `-${month}-${day}T${clock}${zone?.replace(/GMT/i, 'UTC') ?? ''}`;
  if (year !== undefined) return timeOf(year + rest, nowNs);
  const thisYear = new Date(Number(nowNs / 1_000_000n)).getFullYear();
  const isPast = (time: bigint | undefined): boolean => time !== undefined && time <= nowNs + AHEAD_NS;
  const time = timeOf(thisYear + rest, nowNs);
  if (time === undefined || !isPast(time)) return timeOf(thisYear - 1 + rest, nowNs);
  // Just before New Year the clock of another machine may be ahead.
  if (nowNs - time < HALF_YEAR_NS) return time;
  const next = timeOf(thisYear + 1 + rest, nowNs);
  return isPast(next) ? next : time;
}
