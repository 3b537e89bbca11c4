// POST /v1/series over HTTP, compared with figures that are computed from the records one by one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { projectId, send, sent, type ApiObject } from '../../../kit/braintrust-api.ts';
import { logRows } from '../../../kit/btql-api.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { BLANK } from '../../../kit/records.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/logs.ts';

const HOUR = 3_600_000;
const STEP = 900_000;
const START = Math.floor(Date.now() / HOUR) * HOUR - 10 * HOUR;
const END = START + 3 * HOUR;
const TIERS = ['free', 'pro', 'team', 'trial', undefined];

interface Sample {
  readonly id: string;
  readonly ms: number;
  readonly durationMs: number;
  readonly status: number;
  readonly cause: string | undefined;
  readonly tier: string | undefined;
  readonly tokens: number | undefined;
  readonly ttft: number | undefined;
  readonly score: number | undefined;
}

/** Requests of three hours, and of the three hours before. Nothing is in the second hour. */
const SAMPLES: Sample[] = Array.from({ length: 400 }, (_, n) => {
  const isBefore = n % 4 === 3;
  const at = (n * 7919) % (2 * HOUR);
  const ms = (isBefore ? START - 3 * HOUR : START) + (at < HOUR ? at : at + HOUR);
  return {
    id: `r${n}`,
    ms,
    durationMs: 1 + ((n * 37) % 500),
    status: n % 10 === 1 ? 500 : n % 25 === 2 ? 504 : 200,
    cause: n % 10 === 1 ? 'replica_error' : n % 25 === 2 ? 'timeout' : undefined,
    tier: TIERS[(n * n) % TIERS.length],
    tokens: n % 3 === 0 ? undefined : n % 100,
    ttft: n % 3 === 0 ? undefined : 10 + (n % 40),
    score: n % 9 === 0 ? (n % 2) / 2 : undefined,
  };
});
const isError = ({ status }: Sample): boolean => status >= 500;

const recordOf = ({ id, ms, durationMs, status, cause, tier, tokens, ttft }: Sample): LogRecord => ({
  ...BLANK,
  kind: 'request',
  timeNs: BigInt(ms) * 1_000_000n,
  requestId: id,
  severity: status >= 500 ? 17 : 9,
  status,
  durationNs: durationMs * 1_000_000,
  attributes: JSON.stringify({
    path: '/v1/chat/completions',
    cause,
    metadata: tier === undefined ? undefined : { tier },
    output_tokens: tokens,
    first_token_ms: ttft,
    cost: tokens === undefined ? undefined : tokens / 1000,
  }),
});

let admin: OpenAdmin;

beforeAll(async () => {
  admin = await startAdmin();
  await admin.logs.post(SAMPLES.map(recordOf));
  await admin.logs.post([{ ...BLANK, kind: 'line', timeNs: BigInt(START) * 1_000_000n, message: 'a line' }]);
  for (const { id, score } of SAMPLES)
    if (score !== undefined) await admin.logs.annotate({ requestId: id }, { scores: { Grounded: score } });
  const project = await projectId(admin, 'demo');
  await logRows(
    admin,
    project,
    SAMPLES.slice(0, 100).map(({ id, ms, durationMs, tier, tokens, score, status }) => ({
      id,
      created: new Date(ms).toISOString(),
      error: status >= 500 ? 'failed' : null,
      metadata: { model: tier ?? null },
      metrics: { start: ms / 1000, end: (ms + durationMs) / 1000, completion_tokens: tokens ?? null },
      scores: { Grounded: score ?? null },
    })),
  );
});

afterAll(async () => {
  await closeAdmins();
  removeFolders();
});

type Points = (number | null)[];
interface Line {
  readonly name?: unknown;
  readonly points: Points;
  readonly value: number | null;
  readonly n: number;
}
interface Shown extends Line {
  readonly unit: string;
  readonly counts: string;
  readonly is_exact: boolean;
  readonly groups: Line[];
  readonly others: { groups: number; points: Points } | null;
  readonly before: { points: Points; value: number | null } | null;
}
const asked = { start: new Date(START).toISOString(), end: new Date(END).toISOString(), step: '15m' };
const series = (body: ApiObject): Promise<ApiObject> =>
  sent(admin, 'POST', '/v1/series', { ...asked, ...body });
const measuresOf = async (body: ApiObject): Promise<Record<string, Shown>> =>
  (await series(body))['measures'] as Record<string, Shown>;

type Measured = (samples: readonly Sample[], seconds: number) => number | null;
const some = (values: readonly (number | undefined)[]): number[] =>
  values.filter((value) => value !== undefined);
const sum = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : sum(values)! / values.length;
function percentile(values: readonly number[], p: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at % 1);
}

/** Each measure, and how it follows from requests. */
const NAIVE: Record<string, Measured> = {
  requests: (samples) => samples.length,
  errors: (samples) => samples.filter(isError).length,
  latency_p50: (samples) =>
    percentile(
      samples.map(({ durationMs }) => durationMs),
      0.5,
    ),
  latency_p95: (samples) =>
    percentile(
      samples.map(({ durationMs }) => durationMs),
      0.95,
    ),
  latency_mean: (samples) => mean(samples.map(({ durationMs }) => durationMs)),
  ttft_p95: (samples) => percentile(some(samples.map(({ ttft }) => ttft)), 0.95),
  output_tokens: (samples) => sum(some(samples.map(({ tokens }) => tokens))),
  cost: (samples) =>
    sum(some(samples.map(({ tokens }) => (tokens === undefined ? undefined : tokens / 1000)))),
  'score:Grounded': (samples) => mean(some(samples.map(({ score }) => score))),
  concurrency: (samples, seconds) => {
    const total = sum(samples.map(({ durationMs }) => durationMs));
    return total === null ? null : total / 1000 / seconds;
  },
};
const within = (fromMs: number): Sample[] =>
  SAMPLES.filter(({ ms }) => ms >= fromMs && ms < fromMs + END - START);

function expectClose(found: number | null, wanted: number | null, what: string): void {
  if (wanted === null || found === null) expect(found, what).toBe(wanted);
  else expect(found, what).toBeCloseTo(wanted, 6);
}

function expectLine(
  line: Pick<Line, 'points' | 'value'>,
  samples: readonly Sample[],
  measured: Measured,
  fromMs: number,
  what: string,
): void {
  const steps = (END - START) / STEP;
  expect(line.points, what).toHaveLength(steps);
  for (let i = 0; i < steps; i++) {
    const from = fromMs + i * STEP;
    const own = samples.filter(({ ms }) => ms >= from && ms < from + STEP);
    expectClose(line.points[i]!, measured(own, STEP / 1000), `${what}, step ${i}`);
  }
  expectClose(line.value, measured(samples, (END - START) / 1000), what);
}

describe('series', () => {
  it('have the figures of the requests, step by step, and of the period before', async () => {
    const names = Object.keys(NAIVE);
    const found = await measuresOf({ measures: names, vs: 'previous' });
    expect(Object.keys(found)).toEqual(names);
    for (const [name, measured] of Object.entries(NAIVE)) {
      const one = found[name]!;
      expect(one).toMatchObject({ counts: 'requests', is_exact: true, groups: [], others: null });
      expectLine(one, within(START), measured, START, name);
      expectLine(one.before!, within(START - 3 * HOUR), measured, START - 3 * HOUR, `${name} before`);
    }
    expect(found['score:Grounded']!.n).toBe(within(START).filter(({ score }) => score !== undefined).length);
    expect(found['output_tokens']!.n).toBe(within(START).filter(({ tokens }) => tokens !== undefined).length);
    expect(found['cost']).toMatchObject({ unit: 'USD' });
  });

  it('are divided by a metadata field, with the smaller groups as others', async () => {
    const names = Object.keys(NAIVE);
    for (const top of [2, 5]) {
      const found = await measuresOf({ measures: names, by: 'metadata.tier', top });
      const groups = [...Map.groupBy(within(START), ({ tier }) => tier)].toSorted(
        ([a, left], [b, right]) =>
          right.length - left.length || (String(a ?? null) < String(b ?? null) ? -1 : 1),
      );
      for (const [name, measured] of Object.entries(NAIVE)) {
        const one = found[name]!;
        expect(one).not.toHaveProperty('points');
        expectClose(one.value, measured(within(START), (END - START) / 1000), name);
        expect(one.groups.map((group) => group.name)).toEqual(
          groups.slice(0, top).map(([tier]) => tier ?? null),
        );
        groups.slice(0, top).forEach(([tier, samples], i) => {
          expectLine(one.groups[i]!, samples, measured, START, `${name} of ${tier}`);
        });
        if (top === 5) expect(one.others).toBeNull();
        else {
          const rest = groups.slice(top).flatMap(([, samples]) => samples);
          const value = measured(rest, (END - START) / 1000);
          expectLine({ points: one.others!.points, value }, rest, measured, START, `others of ${name}`);
          expect(one.others!.groups).toBe(groups.length - top);
        }
      }
    }
  });

  it('count scores that are all 0', async () => {
    const zero = SAMPLES.filter(({ ms, score }) => ms >= START && score === 0);
    const found = await measuresOf({ q: 'scores.Grounded=0', measures: ['score:Grounded'], by: 'status' });
    expect(found['score:Grounded']).toMatchObject({ value: 0, n: zero.length });
    const n = found['score:Grounded']!.groups.reduce((all, group) => all + group.n, 0);
    expect(n).toBe(zero.length);
  });

  it('name the causes of errors', async () => {
    const { errors_by_cause: found } = await measuresOf({ measures: ['errors_by_cause'] });
    const failed = within(START).filter(isError);
    expect(found).toMatchObject({ value: failed.length, n: failed.length });
    for (const { name, n, points } of found!.groups) {
      const own = failed.filter(({ cause }) => cause === name);
      expect(n).toBe(own.length);
      expectLine({ points, value: n }, own, (samples) => samples.length, START, String(name));
    }
    expect(found!.groups.map(({ name }) => name)).toEqual(['replica_error', 'timeout']);
  });

  it('measure the spans of a project', async () => {
    const answer = await series({
      of: 'spans',
      project: 'demo',
      by: 'model',
      measures: ['spans', 'errors', 'latency_p95', 'output_tokens', 'score:Grounded'],
    });
    expect(answer).toMatchObject({ of: 'spans', is_partial: false });
    const found = answer['measures'] as Record<string, Shown>;
    const own = SAMPLES.slice(0, 100).filter(({ ms }) => ms >= START);
    expect(answer['matched']).toBe(own.length);
    expect(found['spans']).toMatchObject({ value: own.length, counts: 'spans' });
    for (const name of ['errors', 'latency_p95', 'output_tokens', 'score:Grounded'])
      expectClose(found[name]!.value, NAIVE[name]!(own, (END - START) / 1000), name);
    expect(found['spans']!.groups.map(({ name }) => name)).toContain('pro');
    const byQuery = await series({ q: 'kind:span', measures: ['requests'] });
    expect(byQuery).toMatchObject({ of: 'spans', matched: own.length });
  });

  it('read the query, and choose time and step', async () => {
    const free = within(START).filter(({ tier, status }) => tier === 'free' && status === 200);
    const found = await series({ q: 'metadata.tier:free status:200', measures: ['requests'] });
    expect(found['matched']).toBe(free.length);
    const day = await sent(admin, 'POST', '/v1/series', { measures: ['requests'], vs: 'week' });
    expect(day).toMatchObject({ step_ms: 1_800_000, by: null });
    expect(day['matched']).toBe(SAMPLES.length);
    expect((day['times_ms'] as number[]).length).toBeGreaterThanOrEqual(48);
    expect((day['measures'] as Record<string, Shown>)['requests']!.before!.value).toBe(0);
  });
});

describe('a request for series', () => {
  it.each([
    [{ measures: ['latency_p9O'] }, 'did you mean "latency_p9'],
    [{ measures: ['ttft'] }, 'measures: "ttft": unknown measure'],
    [{ measures: ['score:'] }, 'score:Factuality'],
    [{ measures: [] }, 'measures: must be a list of 1 to 16 names'],
    [{ measures: Array.from({ length: 17 }, () => 'cost') }, 'a list of 1 to 16'],
    [{ measures: ['requests'], q: 'level>=wran' }, 'q at character'],
    [{ measures: ['requests'], step: '1ms' }, 'more than 2000 steps'],
    [{ measures: ['requests'], step: '999999999999d' }, 'step: must be at most 10000d'],
    [{ measures: ['requests'], step: 'often' }, 'step: invalid duration "often"'],
    [{ measures: ['requests'], vs: 'month' }, 'vs: must be "previous", "day", "week" or a duration'],
    [{ measures: ['requests'], vs: '20m' }, 'vs: must be a multiple of the step'],
    [{ measures: ['requests'], top: 51 }, 'top: must be a whole number from 1 to 50'],
    [{ measures: ['requests'], start: 'noon' }, 'start: invalid time "noon"'],
    [{ measures: ['requests'], end: '2000-01-01' }, 'end: must be after start'],
    [{ measures: ['requests'], since: '1h' }, 'since: cannot be combined'],
    [{ measures: ['requests'], group: 'model' }, 'unknown member "group"'],
    [{ measures: ['requests'], of: 'traces' }, 'of: must be "requests" or "spans"'],
    [{ measures: ['requests'], project: 'demo' }, 'project: only spans have one'],
    [{ measures: ['spans'], of: 'spans', project: 'none' }, 'there is no project "none"'],
    [{ measures: ['errors_by_cause'], of: 'spans' }, 'spans have no cause'],
    [{ measures: ['tokens_per_second'], of: 'spans' }, 'spans have no tokens_per_second'],
    [{ measures: ['requests'], by: 'level' }, 'by: records are not divided by level'],
    [{ measures: ['requests'], by: { field: 'model' } }, 'by: must be a text'],
    [
      {
        measures: Array.from({ length: 16 }, (_, i) => `latency_p${i + 1}`),
        step: '10s',
        by: 'model',
        top: 50,
      },
      'step: too many points',
    ],
  ])('is refused with what would be right: %j', async (body, problem) => {
    const { status, text } = await send(admin, 'POST', '/v1/series', { ...asked, ...body });
    expect(status, text).toBe(400);
    expect((JSON.parse(text) as { error: string }).error).toContain(problem);
  });

  it('needs the scope logs:read', async () => {
    const locked = await startAdmin({ args: ['--admin-key=administrator-key'] });
    const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
    const wanted = { name: 'w', scopes: ['logs:write'] };
    const { text } = await send(locked, 'POST', '/v1/keys', wanted, bearer('administrator-key'));
    const { key } = JSON.parse(text) as { key: string };
    const body = { measures: ['requests'] };
    expect((await send(locked, 'POST', '/v1/series', body)).status).toBe(401);
    expect((await send(locked, 'POST', '/v1/series', body, bearer(key))).status).toBe(403);
  });
});
