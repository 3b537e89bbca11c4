// Makes what a chart shows of an answer of POST /v1/series: lines with colours, figures with units, changes, CSV.
// Invariant: a group has one colour in all charts; what was not measured stays null. Pure functions.
import type {
  SeriesJson,
  SeriesMeasureJson,
  SeriesPoints,
} from '../../../src/control/admin/answers/series-answers.ts';
import { count, duration, grouped, money, share, text } from '../../formats.ts';
import { condition, type Percentile } from './monitor-question.ts';

export type ChartId = 'requests' | 'latency' | 'ttft' | 'tokens' | 'cost' | 'errors' | 'score' | 'feedback';
type GroupName = string | number | boolean | null;

/** A line, or a part of the bars. */
export interface ChartLine {
  readonly name: string;
  readonly points: SeriesPoints;
  /** Of the whole time; `undefined`: it is not known, or has no meaning. */
  readonly value: number | null | undefined;
  /** Token of its colour. */
  readonly color: string;
  /** Condition that its requests meet; `undefined`: no query says it. */
  readonly where: string | undefined;
  /** Requests in each step; `undefined`: not asked for. */
  readonly counts: SeriesPoints | undefined;
  readonly isDashed?: boolean;
}

export interface ChartFacts {
  readonly id: ChartId;
  readonly title: string;
  /** Unit, and what is counted. */
  readonly sub: string;
  readonly isStacked: boolean;
  readonly times: readonly number[];
  readonly stepMs: number;
  /** The earlier period is the last one, if it was asked for. */
  readonly lines: readonly ChartLine[];
  readonly format: (value: number) => string;
  /** The figure of the whole time; `undefined`: nothing was measured. */
  readonly total: string | undefined;
  readonly change: Change | undefined;
  /** What it says where nothing was measured. */
  readonly nothing: string;
}

/** How the figure differs from the earlier period. `isWorse`: where that has a meaning. */
export interface Change {
  readonly text: string;
  readonly isWorse: boolean;
  /** ▲ or ▼, only with `isWorse`. */
  readonly shape: '▲' | '▼' | '';
}

const GROUP_COLORS = ['s1', 's3', 's4', 's2', 's5', 's6'] as const;
const OTHERS_COLOR = 'bar-2';
const BEFORE_COLOR = 'text-3';
/** A change below this share is not worse. */
const WORSE_FROM = 0.1;

/** Colours of the groups, by name: the same in all charts. */
const colorsOf = ({ measures }: SeriesJson): ReadonlyMap<GroupName, string> =>
  new Map((measures['requests']?.groups ?? []).map(({ name }, i) => [name, GROUP_COLORS[i] ?? OTHERS_COLOR]));

export const groupText = (name: GroupName): string => (name === null ? 'none' : String(name));

/** `worse`: the direction that is worse, if one is. */
export function changeOf(
  now: number | null,
  before: number | null | undefined,
  format: (value: number) => string,
  worse: 'up' | 'down' | undefined,
): Change | undefined {
  if (now === null || before === null || before === undefined || before === 0) return undefined;
  const part = now / before - 1;
  const isWorse = worse !== undefined && (worse === 'up' ? part : -part) >= WORSE_FROM;
  if (isWorse) return { text: `was ${format(before)}`, isWorse, shape: part > 0 ? '▲' : '▼' };
  const percent = Math.abs(part) * 100;
  const sign = part < 0 ? '−' : '+';
  if (percent >= 1000) return { text: `more than ${sign}999 %`, isWorse, shape: '' };
  return { text: `${sign}${percent.toFixed(percent < 10 ? 1 : 0)} %`, isWorse, shape: '' };
}

/** A length of time in the largest unit that it fills: `15 min`. */
export function stepText(stepMs: number): string {
  const seconds = stepMs / 1000;
  for (const [size, unit] of [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
  ] as const)
    if (seconds >= size && seconds % size === 0)
      return seconds === size && unit !== 'min'
        ? `a ${unit === 'd' ? 'day' : 'hour'}`
        : `${seconds / size} ${unit}`;
  return `${seconds} s`;
}

interface LineOptions {
  readonly answer: SeriesJson;
  readonly measure: SeriesMeasureJson;
  readonly colors: ReadonlyMap<GroupName, string>;
  /** What a line without groups is called. */
  readonly all: string;
  readonly hasBefore: boolean;
  readonly scale?: (value: number) => number;
}

const scaled = (points: SeriesPoints, scale: ((value: number) => number) | undefined): SeriesPoints =>
  scale === undefined ? points : points.map((one) => (one === null ? null : scale(one)));

/** Lines of a measure: its groups, the others, the earlier period. */
function linesOf({ answer, measure, colors, all, hasBefore, scale }: LineOptions): ChartLine[] {
  const { by, measures } = answer;
  const requests = measures['requests'];
  const countsOf = (name: GroupName): SeriesPoints | undefined =>
    requests?.groups.find((one) => one.name === name)?.points;
  const lines: ChartLine[] = [];
  if (by === null && measure.points !== undefined)
    lines.push({
      name: all,
      points: scaled(measure.points, scale),
      value: measure.value,
      color: 's1',
      where: '',
      counts: requests?.points,
    });
  for (const { name, points, value } of measure.groups)
    lines.push({
      name: groupText(name),
      points: scaled(points, scale),
      value,
      color: colors.get(name) ?? OTHERS_COLOR,
      where: condition(by!, name),
      counts: countsOf(name),
    });
  if (measure.others !== null && measure.others.groups > 0)
    lines.push({
      name: `${grouped(measure.others.groups)} others`,
      points: scaled(measure.others.points, scale),
      value: undefined,
      color: OTHERS_COLOR,
      where: undefined,
      counts: requests?.others?.points,
    });
  if (hasBefore && measure.before !== null)
    lines.push({
      name: 'before',
      points: scaled(measure.before.points, scale),
      value: measure.before.value,
      color: BEFORE_COLOR,
      where: undefined,
      counts: undefined,
      isDashed: true,
    });
  return lines;
}

const milliseconds = (value: number): string => text(duration(value));
const number = (value: number): string => text(count(value));
export const moneyText =
  (unit: string) =>
  (value: number): string =>
    unit === 'USD' ? money(value) : `${money(value).replace('$ ', '')} ${unit}`;

/** Colours of causes, the most frequent first. */
const CAUSE_COLORS = ['err', 's2', 's5', 's1', 's4', 's3'] as const;
/** Without another cause the replica answered, with a status that says that it failed. */
const causeText = (name: GroupName): string => (name === 'ok' ? 'failed by status' : groupText(name));

function errorsChart(answer: SeriesJson): ChartFacts {
  const causes = answer.measures['errors_by_cause']!;
  const requests = answer.measures['requests']!;
  const part = (errors: number | null, all: number | null): number | null =>
    errors === null || all === null || all === 0 ? null : errors / all;
  const now = part(causes.value ?? 0, requests.value);
  const before = part(causes.before?.value ?? null, requests.before?.value ?? null);
  const shown = causes.groups.slice(0, CAUSE_COLORS.length);
  const rest = causes.groups.slice(CAUSE_COLORS.length);
  const lines: ChartLine[] = shown.map(({ name, points, value }, i) => ({
    name: causeText(name),
    points,
    value,
    color: CAUSE_COLORS[i]!,
    where: `${condition('cause', name)} level>=error`,
    counts: points,
  }));
  if (rest.length > 0) {
    const points = answer.times_ms.map((_, i) => rest.reduce((sum, one) => sum + (one.points[i] ?? 0), 0));
    const value = rest.reduce((sum, one) => sum + (one.value ?? 0), 0);
    const others = { name: `${rest.length} others`, color: OTHERS_COLOR, where: undefined };
    lines.push({ ...others, points, value, counts: points });
  }
  return {
    ...frameOf(answer),
    id: 'errors',
    title: 'Errors',
    sub: `requests in ${stepText(answer.step_ms)}, by cause, all groups`,
    isStacked: true,
    lines,
    format: number,
    total: now === null ? undefined : text(share(now)),
    change: changeOf(now, before, (value) => text(share(value)), 'up'),
    nothing: 'No errors in this time.',
  };
}

const frameOf = ({ times_ms: times, step_ms: stepMs }: SeriesJson): Pick<ChartFacts, 'times' | 'stepMs'> => ({
  times,
  stepMs,
});

/** The six charts that one question answers. */
export function mainCharts(answer: SeriesJson, percentile: Percentile): ChartFacts[] {
  const { measures, step_ms: stepMs } = answer;
  const colors = colorsOf(answer);
  const frame = frameOf(answer);
  const step = stepText(stepMs);
  const lines = (
    name: string,
    all: string,
    hasBefore: boolean,
    scale?: (value: number) => number,
  ): ChartLine[] =>
    linesOf({ answer, measure: measures[name]!, colors, all, hasBefore, ...(scale && { scale }) });
  const of = (
    name: string,
    format: (value: number) => string,
    worse?: 'up' | 'down',
  ): Pick<ChartFacts, 'format' | 'total' | 'change'> => {
    const { value, before } = measures[name]!;
    return {
      format,
      total: value === null ? undefined : format(value),
      change: changeOf(value, before?.value, format, worse),
    };
  };
  const [latency, ttft] = [`latency_p${percentile}`, `ttft_p${percentile}`];
  const approximately = (name: string): string => (measures[name]!.is_exact ? '' : ', ± 1.6 %');
  const cost = moneyText(measures['cost']!.unit);
  const input = measures['input_tokens']!.value;
  return [
    {
      ...frame,
      ...of('requests', number),
      id: 'requests',
      title: 'Requests',
      sub: `number in ${step}`,
      isStacked: true,
      lines: lines('requests', 'requests', false),
      nothing: 'No requests in this time.',
    },
    {
      ...frame,
      ...of(latency, milliseconds, 'up'),
      id: 'latency',
      title: 'Latency',
      sub: `p${percentile} of requests${approximately(latency)}`,
      isStacked: false,
      lines: lines(latency, `p${percentile}`, true),
      nothing: 'No requests in this time.',
    },
    {
      ...frame,
      ...of(ttft, milliseconds, 'up'),
      id: 'ttft',
      title: 'Time to first token',
      sub: `p${percentile} of requests to models${approximately(ttft)}`,
      isStacked: false,
      lines: lines(ttft, `p${percentile}`, true),
      nothing: 'No request to a model had a first token.',
    },
    {
      ...frame,
      ...of('output_tokens', number),
      id: 'tokens',
      title: 'Tokens',
      sub: `output a second${input === null ? '' : `; input in all ${number(input)}`}`,
      isStacked: false,
      lines: lines('output_tokens', 'output', true, (value) => (value * 1000) / stepMs),
      nothing: 'No request to a model reported tokens.',
    },
    {
      ...frame,
      ...of('cost', cost),
      id: 'cost',
      title: 'Cost',
      sub: `in ${step}, by the table of prices`,
      isStacked: true,
      lines: lines('cost', 'cost', false),
      nothing: 'No request of this time has a price.',
    },
    errorsChart(answer),
  ];
}

/** The time for the answer was over. */
const INCOMPLETE = 'the oldest requests are missing; choose a shorter time';
const NONE_READ = 'None of the requests that were read in time has one. Choose a shorter time.';

/** The mean of one score. */
export function scoreChart(answer: SeriesJson, score: string): ChartFacts {
  const measure = answer.measures[`score:${score}`]!;
  const format = (value: number): string => value.toFixed(2);
  const all = answer.measures['requests']!.value ?? 0;
  const colors = colorsOf(answer);
  return {
    ...frameOf(answer),
    id: 'score',
    title: `Score: ${score}`,
    sub: answer.is_partial
      ? INCOMPLETE
      : `mean; ${all === 0 ? 'no' : text(share(measure.n / all))} of requests have it`,
    isStacked: false,
    lines: linesOf({ answer, measure, colors, all: 'mean', hasBefore: true }),
    format,
    total: measure.value === null ? undefined : format(measure.value),
    change: changeOf(measure.value, measure.before?.value, format, 'down'),
    nothing: answer.is_partial ? NONE_READ : 'No request of this time has this score.',
  };
}

/** Feedback by its value. `field`: `annotations.feedback.` and its name. */
export function feedbackChart(answer: SeriesJson, field: string): ChartFacts {
  const requests = answer.measures['requests']!;
  const isGood = (name: GroupName): boolean | undefined =>
    typeof name === 'number' ? name > 0 : typeof name === 'boolean' ? name : undefined;
  const good = requests.groups.reduce((sum, { name, n }) => sum + (isGood(name) === true ? n : 0), 0);
  const rated = requests.groups.reduce((sum, { name, n }) => sum + (isGood(name) === undefined ? 0 : n), 0);
  const named = field.slice(field.lastIndexOf('.') + 1);
  return {
    ...frameOf(answer),
    id: 'feedback',
    title: `Feedback: ${named}`,
    sub: answer.is_partial ? INCOMPLETE : `requests in ${stepText(answer.step_ms)}, by value`,
    isStacked: true,
    lines: requests.groups.map(({ name, points, n }, i) => ({
      name: groupText(name),
      points,
      value: n,
      color:
        isGood(name) === true ? 'bar-2' : isGood(name) === false ? 's2' : (GROUP_COLORS[i] ?? OTHERS_COLOR),
      where: condition(field, name),
      counts: points,
    })),
    format: number,
    total: rated === 0 ? undefined : `${text(share(good / rated))} good`,
    change: undefined,
    nothing: answer.is_partial ? NONE_READ : 'No request of this time has feedback.',
  };
}

/** What a chart says in a sentence, for screen readers. */
export function sentenceOf({ title, sub, lines, total, format, change }: ChartFacts): string {
  const parts = lines
    .filter(({ isDashed }) => isDashed !== true)
    .map(({ name, value }) => `${name} ${value === null || value === undefined ? 'unknown' : format(value)}`);
  const changed = change === undefined ? '' : `, ${change.text}`;
  return `${title}, ${sub}. Whole time: ${total ?? 'nothing measured'}${changed}. ${parts.join(', ')}.`;
}

/** Text of a cell that a spreadsheet does not take for a formula. */
function cell(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The lines of a chart as CSV: a row for each step. */
export const csvOf = ({ times, lines }: ChartFacts): string =>
  [
    ['time', ...lines.map(({ name }) => cell(name))],
    ...times.map((ms, i) => [
      new Date(ms).toISOString(),
      ...lines.map(({ points }) => {
        const value = points[i];
        return value === null || value === undefined ? '' : String(value);
      }),
    ]),
  ]
    .map((row) => row.join(','))
    .join('\r\n')
    .concat('\r\n');
