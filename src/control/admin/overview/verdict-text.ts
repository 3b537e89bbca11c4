// Says a verdict in words, for the page and the command line.
// Invariant: pure functions without Node's modules; each sentence is made from the fields of its part.
import type {
  AllWellPart,
  ErrorsPart,
  ExporterPart,
  ReplicaDownPart,
  VerdictJson,
  VerdictPart,
} from './overview-json.ts';

/** A part of the verdict in words. */
export interface VerdictSentence {
  readonly part: VerdictPart;
  readonly text: string;
}

/** How times and durations are shown; the page uses its own. */
export interface VerdictFormats {
  /** Nanoseconds since 1970 → `03:12:08`. */
  time(ns: string): string;
  /** Milliseconds → `2 min 14 s`. */
  duration(ms: number): string;
}

/** UTC, and durations in their two largest units. */
export const PLAIN_FORMATS: VerdictFormats = {
  time: (ns) => `${new Date(Number(BigInt(ns) / 1_000_000n)).toISOString().slice(11, 19)} UTC`,
  duration: plainDuration,
};

function plainDuration(ms: number): string {
  if (ms < 1000) return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? Number(seconds.toFixed(2)) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return withRest(`${minutes} min`, Math.round(seconds % 60), 's');
  const hours = Math.floor(minutes / 60);
  return hours < 48
    ? withRest(`${hours} h`, minutes % 60, 'min')
    : withRest(`${Math.floor(hours / 24)} d`, hours % 24, 'h');
}

const withRest = (text: string, rest: number, unit: string): string =>
  rest === 0 ? text : `${text} ${rest} ${unit}`;

const HEADLINES = { ok: 'All is well', degraded: 'Degraded', down: 'Down' } as const;

/** `Degraded since 03:12:08 UTC (2 min 14 s)`, without a full stop. `atNs`: now, or the time of the overview. */
export function verdictHeadline(
  { level, since_ns: since }: VerdictJson,
  atNs: string,
  formats = PLAIN_FORMATS,
): string {
  if (level === 'ok' || since === null) return HEADLINES[level];
  const ms = Number((BigInt(atNs) - BigInt(since)) / 1_000_000n);
  return `${HEADLINES[level]} since ${formats.time(since)} (${formats.duration(Math.max(0, ms))})`;
}

/** One sentence for each part, in their order. */
export const verdictSentences = ({ parts }: VerdictJson, formats = PLAIN_FORMATS): VerdictSentence[] =>
  parts.map((part) => ({ part, text: sentenceOf(part, formats) }));

/** The whole verdict as one text. */
export const verdictText = (verdict: VerdictJson, atNs: string, formats = PLAIN_FORMATS): string =>
  [
    `${verdictHeadline(verdict, atNs, formats)}.`,
    ...verdictSentences(verdict, formats).map(({ text }) => text),
  ].join(' ');

function sentenceOf(part: VerdictPart, formats: VerdictFormats): string {
  switch (part.rule) {
    case 'draining':
      return 'weir shuts down: it accepts no new connections.';
    case 'no_ready_replica':
      return `No replica of ${part.deployment} takes requests${because(part.problem)}.`;
    case 'replica_down':
      return downText(part);
    case 'capacity':
      return `The other replicas carry ${part.used} of ${part.of} requests (${percent(part.used / part.of)}).`;
    case 'errors':
      return errorsText(part);
    case 'refusals':
      return `${count(part.count, 'request')} ${part.count === 1 ? 'was' : 'were'} refused in the last minute, since all replicas are full.`;
    case 'latency':
      return `p95 of the latency is ${formats.duration(part.p95_ms)}; it was ${formats.duration(part.before_ms)} in the hour before.`;
    case 'gpu_memory':
      return `GPU ${part.gpu} of ${part.replica} uses ${percent(part.used_mib / part.total_mib)} of its memory.`;
    case 'async_wait':
      return `Of ${count(part.queued, 'queued task')}, the first to expire waits for ${formats.duration(part.oldest_ms)}, of at most ${formats.duration(part.limit_ms)}.`;
    case 'store_lost':
      return `${count(part.lost, 'record')} could not be stored in the last hour.`;
    case 'scale_unmet':
      return `${part.deployment} should have ${count(part.desired, 'replica')} and has ${part.active} since ${formats.time(part.since_ns!)}.`;
    case 'exporter':
      return exporterText(part, formats);
    case 'all_well':
      return allWellText(part, formats);
  }
}

function downText({ replica, state, problem, failed }: ReplicaDownPart): string {
  const cut = failed === 0 ? '' : `; ${count(failed, 'request')} failed with it in the last hour`;
  return `Replica ${replica} is ${state}${because(problem)}${cut}.`;
}

function errorsText({ now, before, failed, requests, cause, replica, example }: ErrorsPart): string {
  const earlier = before === null ? '' : ` (the hour before: ${percent(before)})`;
  const where = replica === '' ? '' : `, the last one at ${replica}`;
  const most = cause === null ? '' : `; most with ${cause}${where}${because(example)}`;
  return `${percent(now)} of the requests fail, ${failed} of ${requests} in the last minute${earlier}${most}.`;
}

function exporterText({ name, state, why, lag_s, waiting }: ExporterPart, formats: VerdictFormats): string {
  const isSending = state === 'running' || state === 'retrying';
  const what = isSending ? `${formats.duration(lag_s * 1000)} behind` : state;
  return `Export to ${name} is ${what}${because(why)}; ${count(waiting, 'record')} ${waiting === 1 ? 'waits' : 'wait'}.`;
}

function allWellText(part: AllWellPart, formats: VerdictFormats): string {
  const { ready, replicas, waiting, failed, requests } = part;
  const at = part.last_replica === '' ? '' : ` at ${part.last_replica}`;
  const last =
    part.last_ns === null ? '' : ` The last failure: ${formats.time(part.last_ns)}, ${part.last_cause}${at}.`;
  return (
    `${ready} of ${count(replicas, 'replica')} ${ready === 1 ? 'takes' : 'take'} requests, ` +
    `${waiting === 0 ? 'none is' : `${waiting} are`} queued, ` +
    `${failed} of ${count(requests, 'request')} failed in the last minute.${last}`
  );
}

const because = (problem: string): string => (problem === '' ? '' : `: ${problem}`);

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** Two digits below 10 %. */
function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.01) return '< 0.01 %';
  return `${value < 10 ? Number(value.toFixed(2)) : Math.round(value)} %`;
}
