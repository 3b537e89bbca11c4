// POST /v1/series: figures over time, for charts (docs/guides/monitor.md).
// Invariant: an unknown or invalid member is an error, since an ignored one would give figures of something else.
import { unknownName } from '../../../core/nearest-name.ts';
import { invalidTime, parseTime } from '../../../core/time.ts';
import { invalidDuration, parseDuration } from '../../../core/units.ts';
import { contractQuery, projectSource, type QueryNode } from '../../../telemetry/logs/logs.ts';
import {
  computeSeries,
  MAX_NEEDS,
  mostGroups,
  neededMeasures,
  seriesField,
  seriesMeasure,
  type MeasureSeries,
  type SeriesMeasure,
  type SeriesQuery,
  type SeriesSubject,
} from '../../../telemetry/series/series.ts';
import type { SeriesJson, SeriesMeasureJson } from '../answers/series-answers.ts';
import { failProblems, json, type Endpoint, type ParamProblem } from '../endpoint.ts';
import { isClosed } from '../logs/paged-search.ts';
import { MAX_STEP_DAYS, stepTooLong } from '../logs/search-params.ts';
import { jsonBody } from '../read-body.ts';
import { fieldsOf, type WithProjects } from '../braintrust/project-json.ts';
import { logsOrFail } from './logs.ts';

const MEMBERS = ['q', 'of', 'project', 'start', 'end', 'since', 'step', 'by', 'top', 'vs', 'measures'];
const DAY_MS = 86_400_000;
const MAX_STEPS = 2000;
const USUAL_STEPS = 60;
const USUAL_TOP = 6;
const MAX_TOP = 50;
const MAX_MEASURES = 16;
/** Points of all lines. */
const MAX_POINTS = 200_000;
/** Round steps, in seconds. */
const ROUND_STEPS = [1, 5, 10, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
const PERIODS: Readonly<Record<string, number>> = { day: DAY_MS, week: 7 * DAY_MS };

type Members = Readonly<Record<string, unknown>>;

/** Reads members of the body, and notes what is wrong with them. */
class SeriesBody {
  readonly problems: (string | ParamProblem)[] = [];
  readonly #members: Members;

  constructor(members: Members) {
    this.#members = members;
    for (const name of Object.keys(members))
      if (!MEMBERS.includes(name)) this.problems.push(unknownName('member', name, MEMBERS));
  }

  /** A text; `undefined` if it is absent, null or empty. Numbers count as their text. */
  text(name: string): string | undefined {
    const value = this.#members[name];
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return String(value);
    this.problems.push(`${name}: must be a text`);
    return undefined;
  }

  number(name: string, most: number, usual: number): number {
    const value = this.#members[name] ?? usual;
    if (Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= most) return Number(value);
    this.problems.push(`${name}: must be a whole number from 1 to ${most}`);
    return usual;
  }

  duration(name: string): number | undefined {
    const text = this.text(name);
    const ms = text === undefined ? undefined : parseDuration(text);
    if (text !== undefined && (ms === undefined || ms === 0))
      this.problems.push(`${name}: ${invalidDuration(text)}`);
    return ms === 0 ? undefined : ms;
  }

  time(name: string): number | undefined {
    const text = this.text(name);
    const ns = text === undefined ? undefined : parseTime(text);
    if (text !== undefined && ns === undefined) this.problems.push(`${name}: ${invalidTime(text)}`);
    return ns === undefined ? undefined : Number(ns / 1_000_000n);
  }

  measures(of: SeriesSubject): SeriesMeasure[] {
    const { measures } = this.#members;
    const isList = Array.isArray(measures) && measures.length > 0 && measures.length <= MAX_MEASURES;
    if (!isList || !measures.every((name) => typeof name === 'string')) {
      this.problems.push(
        `measures: must be a list of 1 to ${MAX_MEASURES} names, such as ["requests", "latency_p95"]`,
      );
      return [];
    }
    const found: SeriesMeasure[] = [];
    for (const name of new Set<string>(measures)) {
      const measure = seriesMeasure(name, of);
      if (typeof measure === 'string')
        this.problems.push(`measures: ${JSON.stringify(name.slice(0, 60))}: ${measure}`);
      else found.push(measure);
    }
    if (neededMeasures(found).length > MAX_NEEDS)
      this.problems.push('measures: too many different fields; ask for them in two requests');
    return found;
  }
}

/** The subject: given, or what the query asks for. */
function subjectOf(body: SeriesBody, query: QueryNode): SeriesSubject {
  const given = body.text('of');
  if (given === 'requests' || given === 'spans') return given;
  if (given !== undefined)
    body.problems.push(`of: must be "requests" or "spans", not ${JSON.stringify(given.slice(0, 60))}`);
  const conditions = query.op === 'and' ? query.of : [query];
  const isOfSpans = conditions.some(
    (one) => one.op === 'field' && one.name === 'kind' && one.value === 'span',
  );
  return isOfSpans ? 'spans' : 'requests';
}

/** Whole steps. */
function spanOf(body: SeriesBody, nowMs: number): SeriesQuery['span'] {
  const since = body.duration('since');
  const [start, end] = [body.time('start'), body.time('end')];
  if (since !== undefined && (start ?? end) !== undefined)
    body.problems.push('since: cannot be combined with start or end');
  const endMs = end ?? nowMs;
  const startMs = start ?? endMs - (since ?? DAY_MS);
  const shortest = (endMs - startMs) / USUAL_STEPS / 1000;
  const usual = (ROUND_STEPS.find((seconds) => seconds >= shortest) ?? ROUND_STEPS.at(-1)!) * 1000;
  const stepMs = body.duration('step') ?? usual;
  if (stepMs > MAX_STEP_DAYS * DAY_MS) body.problems.push(stepTooLong);
  const fromMs = Math.floor(startMs / stepMs) * stepMs;
  const toMs = Math.ceil(endMs / stepMs) * stepMs;
  if (startMs >= endMs) body.problems.push('end: must be after start');
  else if ((toMs - fromMs) / stepMs > MAX_STEPS)
    body.problems.push(`step: more than ${MAX_STEPS} steps; use a longer step or a shorter time`);
  return { fromMs, toMs, stepMs };
}

/** By how much the earlier period is before the time. */
function periodOf(body: SeriesBody, { fromMs, toMs, stepMs }: SeriesQuery['span']): number | undefined {
  const text = body.text('vs');
  if (text === undefined) return undefined;
  const ms = text === 'previous' ? toMs - fromMs : (PERIODS[text] ?? parseDuration(text));
  if (ms === undefined || ms === 0)
    body.problems.push(
      `vs: must be "previous", "day", "week" or a duration, not ${JSON.stringify(text.slice(0, 60))}`,
    );
  else if (ms % stepMs !== 0) body.problems.push('vs: must be a multiple of the step');
  else if (fromMs - ms < 0) body.problems.push('vs: the earlier period begins before 1970');
  return ms;
}

interface ReadSeries {
  readonly of: SeriesSubject;
  readonly by: string | undefined;
  readonly query: SeriesQuery;
}

function readSeries(
  members: Members,
  projects: WithProjects['projects'],
  nowMs: number,
): ReadSeries | readonly (string | ParamProblem)[] {
  const body = new SeriesBody(members);
  const filter = contractQuery({ q: body.text('q') });
  if ('problems' in filter)
    for (const { name: param, ...problem } of filter.problems) body.problems.push({ param, ...problem });
  const asked: QueryNode = 'node' in filter ? filter.node : { op: 'all' };
  const of = subjectOf(body, asked);
  const project = body.text('project');
  const known = project === undefined ? undefined : (projects.get(project) ?? projects.find(project));
  if (project !== undefined && of === 'requests')
    body.problems.push('project: only spans have one; add "of": "spans"');
  else if (project !== undefined && known === undefined)
    body.problems.push(`project: there is no project ${JSON.stringify(project.slice(0, 100))}`);
  const span = spanOf(body, nowMs);
  const by = body.text('by');
  if (by === 'level')
    body.problems.push('by: records are not divided by level; use status, cause or errors_by_cause');
  const top = body.number('top', MAX_TOP, USUAL_TOP);
  const measures = body.measures(of);
  const steps = (span.toMs - span.fromMs) / span.stepMs;
  const lines = by === undefined ? 1 : top + 2;
  if (lines * steps * measures.length > MAX_POINTS || lines * steps > mostGroups(measures))
    body.problems.push('step: too many points; use a longer step, a smaller top, or fewer measures');
  const beforeMs = periodOf(body, span);
  if (body.problems.length > 0) return body.problems;
  const isEqual = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });
  const node: QueryNode = {
    op: 'and',
    of: [
      isEqual('kind', of === 'spans' ? 'span' : 'request'),
      ...(known ? [isEqual('source', projectSource(known.id))] : []),
      ...(asked.op === 'all' ? [] : [asked]),
    ],
  };
  const query = {
    node,
    span,
    by: by === undefined ? undefined : seriesField(by, of),
    top,
    beforeMs,
    measures,
  };
  return { of, by, query };
}

/** A measure as the response shows it. `currency`: the unit of costs. */
function measureObject(
  { kind, unit }: SeriesMeasure,
  { total, groups, others, before }: MeasureSeries,
  { of, isApproximate, currency }: { of: SeriesSubject; isApproximate: boolean; currency: string },
): SeriesMeasureJson {
  return {
    unit: unit === 'money' ? currency : unit,
    counts: of,
    is_exact: kind !== 'percentile' || !isApproximate,
    ...total,
    groups,
    others: others ?? null,
    before: before ?? null,
  };
}

/** Modules of this route. */
export interface WithSeries extends WithProjects {
  readonly prices: { readonly currency: string };
}

export const seriesEndpoints: readonly Endpoint<WithSeries>[] = [
  {
    method: 'POST',
    path: '/v1/series',
    does: 'measures requests or spans over time: `{"measures", "q"?, "of"?, "project"?, "since"? or "start"? and "end"?, "step"?, "by"?, "top"?, "vs"?}`; the response has columns of points for each measure and group',
    scope: 'logs:read',
    effect: 'read',
    async handle(context, req, res) {
      const body = await jsonBody(req, res);
      const logs = body && logsOrFail(context, req, res);
      if (!logs) return;
      const read = readSeries(fieldsOf(body.value), context.projects, Date.now());
      if (!('query' in read)) return failProblems(req, res, 'Invalid request', read);
      const { of, by, query } = read;
      const isWanted = (): boolean => !isClosed(res);
      const { times, measures, matched, isApproximate, isPartial } = await computeSeries(
        (one, timeoutMs) => logs.group(one, { timeoutMs, isWanted }),
        query,
      );
      if (isClosed(res)) return;
      const { span, beforeMs } = query;
      const shown = { of, isApproximate, currency: context.prices.currency };
      const answer: SeriesJson = {
        of,
        step_ms: span.stepMs,
        start: new Date(span.fromMs).toISOString(),
        end: new Date(span.toMs).toISOString(),
        before_start: beforeMs === undefined ? null : new Date(span.fromMs - beforeMs).toISOString(),
        by: by ?? null,
        matched,
        times_ms: times,
        measures: Object.fromEntries(
          query.measures.map((measure) => [
            measure.name,
            measureObject(measure, measures.get(measure.name)!, shown),
          ]),
        ),
        is_partial: isPartial,
      };
      json(res, 200, answer);
    },
  },
];
