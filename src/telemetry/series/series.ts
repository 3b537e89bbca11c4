// Figures over time: some measures of requests or spans in steps of time, in groups, and against an earlier period. Other
// modules import only this file.
//   series-measures.ts  the measures    store-passes.ts  the questions to the store    series-table.ts  columns of points
// Invariant: all measures come from the same few passes of the store, so their number hardly changes the time.
import type { QueryNode } from '../logs/logs.ts';
import type { SeriesMeasure } from './series-measures.ts';
import {
  byKey,
  Columns,
  countLine,
  stepCount,
  type MeasuredTime,
  type MeasureSeries,
  type SeriesLine,
} from './series-table.ts';
import {
  allOf,
  atMostTop,
  StorePasses,
  withKeys,
  withoutKeys,
  type AskGroups,
  type GroupValues,
  type SeriesSpan,
} from './store-passes.ts';

export { seriesField, seriesMeasure, type SeriesMeasure, type SeriesSubject } from './series-measures.ts';
export type { MeasureSeries } from './series-table.ts';

/** What is asked for. */
export interface SeriesQuery {
  readonly node: QueryNode;
  readonly span: SeriesSpan;
  /** Field of a group-by; `undefined`: no groups. */
  readonly by: string | undefined;
  /** Most groups. */
  readonly top: number;
  /** By how much an earlier period is before the time, a multiple of the step; `undefined`: none. */
  readonly beforeMs: number | undefined;
  readonly measures: readonly SeriesMeasure[];
}

export interface SeriesAnswer {
  /** Begin of each step: Date.now(). */
  readonly times: readonly number[];
  /** By the name of the measure. */
  readonly measures: ReadonlyMap<string, MeasureSeries>;
  /** Number of matching records. */
  readonly matched: number;
  /** Some percentile comes from a histogram, so it can be wrong by up to 1.6 %. */
  readonly isApproximate: boolean;
  /** Not all records were read in time. */
  readonly isPartial: boolean;
}

/** Measures of the store in one answer. */
export const MAX_NEEDS = 32;
/** Groups of one question to the store. */
const MAX_STORE_GROUPS = 20_000;

/** The measures that the store is asked for, each once. The first one counts records. */
export function neededMeasures(measures: readonly SeriesMeasure[]): SeriesMeasure['needs'] {
  const needs = [{ op: 'count' } as const, ...measures.flatMap((measure) => measure.needs)];
  return Array.from(new Map(needs.map((need) => [JSON.stringify(need), need])).values());
}

/** Groups of the store in one answer, which are fewer if percentiles keep the values of each. */
export function mostGroups(measures: readonly SeriesMeasure[]): number {
  const fields = measures.flatMap(({ kind, field }) => (kind === 'percentile' ? [field] : []));
  return Math.floor(MAX_STORE_GROUPS / (1 + new Set(fields).size));
}

/** Steps of groups, and of the others if there are more. */
interface GroupedSteps {
  /** Those with the most records first. */
  readonly groups: readonly GroupValues[];
  readonly steps: readonly GroupValues[];
  readonly others: { readonly groups: number; readonly steps: readonly GroupValues[] } | undefined;
  /** The records of the groups, without the others. */
  readonly node: QueryNode;
}

/** Records with errors, by step and cause or group. */
interface ErrorSteps {
  readonly causes: readonly GroupValues[];
  readonly groups: readonly GroupValues[];
  readonly before: readonly GroupValues[];
}

/** Passes over the store that a query takes, roughly. */
function passesOf({ by, beforeMs, measures }: SeriesQuery): number {
  const ofTime = by === undefined ? 2 : 4;
  const ofPast = beforeMs === undefined ? 0 : 2;
  const hasErrors = measures.some(({ kind }) => kind === 'errors' || kind === 'causes');
  const ofErrors = hasErrors ? 1 + (by === undefined ? 0 : 1) + (beforeMs === undefined ? 0 : 1) : 0;
  return ofTime + ofPast + ofErrors;
}

class SeriesRun {
  readonly #query: SeriesQuery;
  readonly #needs: SeriesMeasure['needs'];
  readonly #passes: StorePasses;

  constructor(ask: AskGroups, query: SeriesQuery) {
    this.#query = query;
    this.#needs = neededMeasures(query.measures);
    this.#passes = new StorePasses(ask, this.#needs, passesOf(query));
  }

  async answer(): Promise<SeriesAnswer> {
    const { span, by, measures, beforeMs } = this.#query;
    const time = await this.#measured(span, by === undefined);
    const grouped = await this.#grouped();
    const past = beforeMs === undefined ? undefined : shifted(span, beforeMs);
    const before = past && (await this.#measured(past, true));
    const errors = await this.#errors(grouped, past);
    const series = new Map<string, MeasureSeries>();
    for (const measure of measures) {
      const { kind, name } = measure;
      if (kind === 'causes') series.set(name, this.#causes(errors, past));
      else if (kind === 'errors') series.set(name, this.#errorSeries(errors, grouped, past));
      else series.set(name, await this.#valueSeries(measure, time, grouped, before));
    }
    return {
      times: Array.from({ length: stepCount(span) }, (_, i) => span.fromMs + i * span.stepMs),
      measures: series,
      matched: time.whole?.count ?? 0,
      isApproximate: this.#passes.isApproximate,
      isPartial: this.#passes.isPartial,
    };
  }

  async #measured(span: SeriesSpan, hasSteps: boolean): Promise<MeasuredTime> {
    const { node } = this.#query;
    const whole = await this.#passes.whole(node, span);
    return { span, whole, steps: hasSteps ? await this.#passes.steps(node, span) : [] };
  }

  async #grouped(): Promise<GroupedSteps | undefined> {
    const { node, span, by, top } = this.#query;
    if (by === undefined) return undefined;
    const { groups: all, leftOut } = await this.#passes.byField(node, span, by);
    const groups = atMostTop(all, top);
    if (groups.length === all.length && leftOut === 0)
      return { groups, steps: await this.#passes.steps(node, span, by), others: undefined, node };
    const keys = groups.map(({ key }) => key);
    const own = withKeys(node, by, keys);
    return {
      groups,
      steps: await this.#passes.steps(own, span, by),
      others: {
        groups: all.length - groups.length,
        steps: await this.#passes.steps(withoutKeys(node, by, keys), span),
      },
      node: own,
    };
  }

  async #errors(grouped: GroupedSteps | undefined, past: SeriesSpan | undefined): Promise<ErrorSteps> {
    const { node, span, by, measures } = this.#query;
    const isWanted = measures.some(({ kind }) => kind === 'errors' || kind === 'causes');
    if (!isWanted) return { causes: [], groups: [], before: [] };
    return {
      causes: await this.#passes.errorSteps(node, span, 'cause'),
      groups: grouped && by !== undefined ? await this.#passes.errorSteps(grouped.node, span, by) : [],
      before: past ? await this.#passes.errorSteps(node, past, 'cause') : [],
    };
  }

  #errorSeries(
    { causes, groups, before }: ErrorSteps,
    grouped: GroupedSteps | undefined,
    past: SeriesSpan | undefined,
  ): MeasureSeries {
    const { span } = this.#query;
    const total = countLine(causes, span);
    const ofKey = byKey(groups);
    const known = (grouped?.groups ?? []).map(({ key }) => ({
      name: key,
      ...countLine(ofKey.get(key) ?? [], span),
    }));
    const rest = total.points.map((count, i) =>
      known.reduce((left, { points }) => left - (points[i] ?? 0), count ?? 0),
    );
    return {
      total: { ...total, points: grouped ? undefined : total.points },
      groups: known,
      others: grouped?.others && { groups: grouped.others.groups, points: rest },
      before: past && countLine(before, past),
    };
  }

  /** The causes are the groups. */
  #causes({ causes, before }: ErrorSteps, past: SeriesSpan | undefined): MeasureSeries {
    const { span, top } = this.#query;
    const lines = Array.from(byKey(causes), ([name, steps]) => ({ name, ...countLine(steps, span) }));
    lines.sort((a, b) => b.n - a.n || (String(a.name) < String(b.name) ? -1 : 1));
    const rest = lines.slice(top);
    const others = new Set(rest.map(({ name }) => name));
    return {
      total: countLine(causes, span),
      groups: lines.slice(0, top),
      others:
        rest.length === 0
          ? undefined
          : {
              groups: rest.length,
              points: countLine(
                causes.filter(({ key }) => others.has(key)),
                span,
              ).points,
            },
      before: past && countLine(before, past),
    };
  }

  async #valueSeries(
    measure: SeriesMeasure,
    { whole, steps }: MeasuredTime,
    grouped: GroupedSteps | undefined,
    before: MeasuredTime | undefined,
  ): Promise<MeasureSeries> {
    const { span } = this.#query;
    const columns = new Columns(measure, this.#needs);
    const groups = grouped?.groups ?? [];
    const countOf = await this.#counts(measure, columns, [whole, ...groups]);
    const line = (group: GroupValues | undefined, own: readonly GroupValues[]): SeriesLine => ({
      points: columns.points(own, span),
      value: columns.value(group, wholeSeconds(span)),
      n: countOf(group),
    });
    const ofKey = byKey(grouped?.steps ?? []);
    return {
      total: { ...line(whole, steps), ...(grouped && { points: undefined }) },
      groups: groups.map((group) => ({ name: group.key, ...line(group, ofKey.get(group.key) ?? []) })),
      others: grouped?.others && {
        groups: grouped.others.groups,
        points: columns.points(grouped.others.steps, span),
      },
      before: before && {
        points: columns.points(before.steps, before.span),
        value: columns.value(before.whole, wholeSeconds(before.span)),
      },
    };
  }

  /** How many records of a group have a value. Where that does not follow from the values, it is counted. */
  async #counts(
    measure: SeriesMeasure,
    columns: Columns,
    groups: readonly (GroupValues | undefined)[],
  ): Promise<(group: GroupValues | undefined) => number> {
    const { node, span, by } = this.#query;
    const { field } = measure;
    const own = (group: GroupValues | undefined): number | undefined => columns.count(group);
    if (field === undefined || groups.every((group) => own(group) !== undefined))
      return (group) => own(group) ?? 0;
    const having = allOf(node, { op: 'exists', name: field });
    const whole = (await this.#passes.whole(having, span))?.count ?? 0;
    const ofKey = new Map(
      by === undefined
        ? []
        : (await this.#passes.byField(having, span, by)).groups.map(({ key, count }) => [key, count]),
    );
    return (group) => own(group) ?? (group === groups[0] ? whole : (ofKey.get(group!.key) ?? 0));
  }
}

const wholeSeconds = ({ fromMs, toMs }: SeriesSpan): number => (toMs - fromMs) / 1000;

const shifted = ({ fromMs, toMs, stepMs }: SeriesSpan, byMs: number): SeriesSpan => ({
  fromMs: fromMs - byMs,
  toMs: toMs - byMs,
  stepMs,
});

/** Computes the series of a query. Rejects if the store does. */
export const computeSeries = (ask: AskGroups, query: SeriesQuery): Promise<SeriesAnswer> =>
  new SeriesRun(ask, query).answer();
