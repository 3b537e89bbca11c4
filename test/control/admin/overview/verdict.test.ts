// The rules of the verdict, and the sentences that are made of it.
import { describe, expect, it } from 'vitest';
import type { OverviewCause, OverviewReplica } from '../../../../src/control/admin/overview/overview-json.ts';
import { verdictOf, type VerdictFacts } from '../../../../src/control/admin/overview/verdict.ts';
import {
  PLAIN_FORMATS,
  verdictHeadline,
  verdictSentences,
  verdictText,
} from '../../../../src/control/admin/overview/verdict-text.ts';
import { contractQuery } from '../../../../src/telemetry/logs/logs.ts';

const AT = Date.UTC(2026, 10, 28, 3, 14, 22);
const ns = (secondsAgo: number): string => String(BigInt(AT - secondsAgo * 1000) * 1_000_000n);

const replica = (id: string, changes: Partial<OverviewReplica> = {}): OverviewReplica => ({
  id,
  deployment: 'dep1',
  state: 'ready',
  since_ns: ns(3600),
  is_leaving: false,
  outstanding: 4,
  target: 8,
  ttft_p95_ms: 300,
  failed: 0,
  q: `kind:request replica:${id} level>=error`,
  lines_q: `kind:line replica:${id}`,
  probe: { at_ns: ns(4), took_ms: 3, is_ok: true, text: 'GET /health returned 200' },
  gpus: [{ index: '0', used_mib: 70_000, total_mib: 81_920, utilization: 60 }],
  cpu: 2,
  memory_bytes: 2e9,
  restarts: 0,
  ...changes,
});

const down = (id: string, secondsAgo = 134): OverviewReplica =>
  replica(id, {
    state: 'down',
    since_ns: ns(secondsAgo),
    outstanding: 0,
    failed: 31,
    probe: { at_ns: ns(2), took_ms: 1, is_ok: false, text: 'connection refused (10.0.4.12:8000)' },
  });

const failing: OverviewCause = {
  cause: 'answer_5xx',
  origin: 'replica',
  count: 187,
  points: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 70, 117],
  last_ns: ns(3),
  example: 'CUDA out of memory',
  example_request_id: '01a',
  status: 500,
  deployment: 'dep1',
  replica: 'jm2q4',
  q: 'kind:request cause:ok status:5xx',
};

const figure = { now: 1, before: 1, points: [] };
const percentiles = { now: 2100, before: 2000, p50: 1000, p95: 2100, p99: 4000, points: [] };

/** A weir with which nothing is wrong. */
const WELL: VerdictFacts = {
  at_ns: ns(0),
  figures: {
    step_s: 15,
    end_ns: ns(7),
    requests: { ...figure, count: 2502 },
    errors: { now: 1 / 2502, before: 0.0005, points: [], failed: 1, requests: 2502, q: 'kind:request' },
    latency: percentiles,
    ttft: percentiles,
    in_flight: { now: 14, before: 13, points: [], capacity: 32 },
    waiting: { now: 0, before: 0, points: [], longest_ms: null, refused: 0 },
    tokens: { ...figure, input_now: 1 },
    cost_per_hour: { now: null, currency: 'USD' },
  },
  traffic: {
    step_s: 60,
    end_ns: ns(7),
    classes: { '2xx': [], '4xx': [], '499': [], '5xx': [] },
    totals: { '2xx': 0, '4xx': 0, '499': 0, '5xx': 0 },
  },
  deployments: [
    {
      id: 'dep1',
      environment: 'production',
      phase: 'stable',
      traffic_weight: 100,
      target: 8,
      waiting: 0,
      ready: 4,
      replicas: 4,
    },
  ],
  replicas: ['abc12', 'def34', 'gh7k9', 'jm2q4'].map((id) => replica(id)),
  scale: [
    {
      deployment: 'dep1',
      desired: 4,
      active: 4,
      reason: 'steady',
      mean_in_flight: 19.9,
      per_replica: 5.6,
      target: 8,
      utilization_percent: 70,
      window_s: 60,
      min: 1,
      max: 8,
      is_followed: true,
      down_in_s: null,
      unmet_since_ns: null,
      history: [],
    },
  ],
  causes: [],
  async: {
    queued: 18,
    running: 16,
    oldest_ms: 4000,
    expires_first_ms: 596_000,
    webhooks_ok: 0.998,
    webhook_attempts: 500,
    failed: 0,
  },
  exporters: [
    {
      id: 'otel_1',
      name: 'collector',
      signal: 'logs',
      state: 'running',
      why: '',
      since_ns: ns(9000),
      lag_s: 0.4,
      waiting: 3,
      sent: 9,
      dropped: 0,
    },
  ],
  store: { lost: 0, lost_in_hour: 0, lag_s: 0, bytes: 1, max_bytes: 2 },
  weir: { version: '0.1.0', started_ns: ns(9000), is_draining: false },
  broken_since: { errors: null, refusals: null, latency: null },
};

const { figures } = WELL;
const scale = WELL.scale[0]!;
const deployment = WELL.deployments[0]!;
const exporter = WELL.exporters[0]!;
const noneReady = {
  deployments: [{ ...deployment, ready: 0 }],
  replicas: [down('abc12', 200), down('def34', 20)],
};

/** Changes of a weir with which nothing is wrong; the level, the time since, and rules of the verdict. */
const TABLE: readonly [
  what: string,
  changes: Partial<VerdictFacts>,
  level: string,
  secondsAgo: number | null,
  rules: string,
][] = [
  ['nothing', {}, 'ok', null, 'all_well'],
  ['no ready replica', noneReady, 'down', 20, 'no_ready_replica'],
  [
    'no ready replica in one of two deployments',
    {
      ...noneReady,
      deployments: [
        { ...deployment, ready: 0 },
        { ...deployment, id: 'dep2' },
      ],
    },
    'degraded',
    20,
    'no_ready_replica',
  ],
  [
    'no replica, and none wanted',
    { ...noneReady, scale: [{ ...scale, desired: 0, active: 0 }] },
    'ok',
    null,
    'all_well',
  ],
  [
    'no replica and none wanted, but nothing follows the decision',
    { ...noneReady, scale: [{ ...scale, desired: 0, active: 0, is_followed: false }] },
    'down',
    20,
    'no_ready_replica',
  ],
  [
    'a replica that is down',
    { replicas: [down('def34'), replica('abc12')] },
    'degraded',
    134,
    'replica_down capacity',
  ],
  [
    'a replica that is drained',
    { replicas: [replica('def34', { state: 'draining' }), replica('abc12')] },
    'ok',
    null,
    'all_well',
  ],
  [
    'a replica that left the configuration',
    { replicas: [{ ...down('def34'), is_leaving: true }, replica('abc12')] },
    'ok',
    null,
    'all_well',
  ],
  [
    '4 % errors',
    {
      figures: { ...figures, errors: { ...figures.errors, now: 0.0421, failed: 105 } },
      causes: [failing],
      broken_since: { ...WELL.broken_since, errors: ns(120) },
    },
    'degraded',
    120,
    'errors',
  ],
  [
    '4 % errors, as in the hour before',
    { figures: { ...figures, errors: { ...figures.errors, now: 0.0421, before: 0.04, failed: 105 } } },
    'ok',
    null,
    'all_well',
  ],
  [
    '41 % errors, as in the hour before',
    {
      figures: { ...figures, errors: { ...figures.errors, now: 0.41, before: 0.408, failed: 89 } },
      causes: [failing],
      broken_since: { ...WELL.broken_since, errors: ns(3600) },
    },
    'degraded',
    3600,
    'errors',
  ],
  [
    'errors of an hour before that is not known',
    {
      figures: { ...figures, errors: { ...figures.errors, now: 0.5, before: null, failed: 3, requests: 6 } },
    },
    'degraded',
    null,
    'errors',
  ],
  [
    'two failed requests of four',
    { figures: { ...figures, errors: { ...figures.errors, now: 0.5, failed: 2, requests: 4 } } },
    'ok',
    null,
    'all_well',
  ],
  [
    'refused requests',
    { figures: { ...figures, waiting: { ...figures.waiting, refused: 7 } } },
    'degraded',
    null,
    'refusals',
  ],
  [
    'twice the latency',
    { figures: { ...figures, latency: { ...percentiles, p95: 4460 } } },
    'degraded',
    null,
    'latency',
  ],
  [
    'twice the latency of a few requests',
    { figures: { ...figures, requests: { ...figure, count: 19 }, latency: { ...percentiles, p95: 4460 } } },
    'ok',
    null,
    'all_well',
  ],
  [
    'a latency of 3 ms after one of 1 ms',
    { figures: { ...figures, latency: { ...percentiles, p95: 3, before: 1 } } },
    'ok',
    null,
    'all_well',
  ],
  [
    'a latency whose hour before is not known',
    { figures: { ...figures, latency: { ...percentiles, p95: 4460, before: null } } },
    'ok',
    null,
    'all_well',
  ],
  [
    'a full GPU',
    {
      replicas: [
        replica('jm2q4', { gpus: [{ index: '0', used_mib: 79_770, total_mib: 81_920, utilization: 1 }] }),
      ],
    },
    'degraded',
    null,
    'gpu_memory',
  ],
  [
    'a GPU of unknown size',
    {
      replicas: [
        replica('jm2q4', { gpus: [{ index: '0', used_mib: 79_770, total_mib: null, utilization: 1 }] }),
      ],
    },
    'ok',
    null,
    'all_well',
  ],
  [
    'a task that waits for most of its time',
    { async: { ...WELL.async, oldest_ms: 400_000, expires_first_ms: 200_000 } },
    'degraded',
    100,
    'async_wait',
  ],
  ['lost records', { store: { ...WELL.store!, lost: 12, lost_in_hour: 12 } }, 'degraded', null, 'store_lost'],
  ['records that were lost long ago', { store: { ...WELL.store!, lost: 12 } }, 'ok', null, 'all_well'],
  [
    'a replica that is wanted for 3 minutes',
    { scale: [{ ...scale, desired: 5, unmet_since_ns: ns(180) }] },
    'degraded',
    180,
    'scale_unmet',
  ],
  [
    'a replica that is wanted for 1 minute',
    { scale: [{ ...scale, desired: 5, unmet_since_ns: ns(60) }] },
    'ok',
    null,
    'all_well',
  ],
  [
    'pods that cannot be counted',
    { scale: [{ ...scale, desired: 5, active: null, unmet_since_ns: ns(180) }] },
    'ok',
    null,
    'all_well',
  ],
  [
    'a replica too many',
    { scale: [{ ...scale, desired: 3, unmet_since_ns: ns(180) }] },
    'ok',
    null,
    'all_well',
  ],
  [
    'a wanted replica that nothing starts',
    { scale: [{ ...scale, desired: 5, is_followed: false, unmet_since_ns: ns(180) }] },
    'ok',
    null,
    'all_well scale_unmet',
  ],
  ['a shutdown', { weir: { ...WELL.weir, is_draining: true } }, 'degraded', null, 'draining'],
  [
    'a paused exporter',
    { exporters: [{ ...exporter, state: 'paused', why: 'the receiver returned 401', lag_s: 2475 }] },
    'ok',
    null,
    'all_well exporter',
  ],
  [
    'an exporter that is 6 minutes behind',
    { exporters: [{ ...exporter, lag_s: 360 }] },
    'ok',
    null,
    'all_well exporter',
  ],
];

describe('the verdict', () => {
  it.each(TABLE)('of %s', (_, changes, level, secondsAgo, rules) => {
    const verdict = verdictOf({ ...WELL, ...changes });
    expect(verdict.parts.map(({ rule }) => rule).join(' ')).toBe(rules);
    expect(verdict.level).toBe(level);
    expect(verdict.since_ns).toBe(secondsAgo === null ? null : ns(secondsAgo));
  });

  it.each(TABLE)('gives queries that Logs understands, with %s', (_, changes) => {
    for (const { q } of verdictOf({ ...WELL, ...changes }).parts)
      expect(contractQuery({ q })).toHaveProperty('node');
  });

  it('has the worst part first, and since the earliest of them', () => {
    const verdict = verdictOf({
      ...WELL,
      replicas: [down('def34', 60)],
      figures: { ...figures, errors: { ...figures.errors, now: 0.04, failed: 100 } },
      broken_since: { ...WELL.broken_since, errors: ns(300) },
      exporters: [{ ...exporter, state: 'paused', since_ns: ns(9000) }],
    });
    expect(verdict.parts.map(({ rule }) => rule)).toEqual(['replica_down', 'capacity', 'errors', 'exporter']);
    expect(verdict.since_ns).toBe(ns(300));
  });

  it('compares times by their value, not by their text', () => {
    const early = String(999_999_999n * 1_000_000n);
    const verdict = verdictOf({
      ...WELL,
      replicas: [{ ...down('def34'), since_ns: early }, down('abc12', 60)],
    });
    expect(verdict.since_ns).toBe(early);
  });
});

describe('the sentences', () => {
  const textOf = (changes: Partial<VerdictFacts>): string =>
    verdictText(verdictOf({ ...WELL, ...changes }), ns(0));

  it('say that all is well, with figures', () => {
    expect(textOf({})).toBe(
      'All is well. 4 of 4 replicas take requests, none is queued, 1 of 2502 requests failed in the last minute.',
    );
  });

  it('say since when, which replica and why', () => {
    expect(
      textOf({
        replicas: [down('def34')],
        figures: { ...figures, in_flight: { ...figures.in_flight, now: 23, capacity: 24 } },
      }),
    ).toBe(
      'Degraded since 03:12:08 UTC (2 min 14 s). Replica def34 is down: connection refused (10.0.4.12:8000); ' +
        '31 requests failed with it in the last hour. The other replicas carry 23 of 24 requests (96 %).',
    );
  });

  it('name the cause of errors with an example', () => {
    const errors = { ...figures.errors, now: 0.0421, failed: 105 };
    expect(textOf({ figures: { ...figures, errors }, causes: [failing] })).toBe(
      'Degraded. 4.21 % of the requests fail, 105 of 2502 in the last minute (the hour before: 0.05 %); ' +
        'most with answer_5xx, the last one at jm2q4: CUDA out of memory.',
    );
  });

  it('use one record, one request and one replica in the singular', () => {
    const lost = textOf({ store: { ...WELL.store!, lost_in_hour: 1 } });
    expect(lost).toBe('Degraded. 1 record could not be stored in the last hour.');
    expect(textOf({ figures: { ...figures, waiting: { ...figures.waiting, refused: 1 } } })).toContain(
      '1 request was refused',
    );
  });

  it.each(TABLE)('end with a full stop and name no unknown value, with %s', (_, changes) => {
    const verdict = verdictOf({ ...WELL, ...changes });
    for (const { text } of verdictSentences(verdict)) {
      expect(text).toMatch(/^\S.*\.$/);
      expect(text).not.toMatch(/null|NaN|undefined|Infinity/);
    }
  });

  it('use the formats of the reader', () => {
    const verdict = verdictOf({ ...WELL, replicas: [down('def34')] });
    const formats = { time: () => '04:12', duration: () => 'two minutes' };
    expect(verdictHeadline(verdict, ns(0), formats)).toBe('Degraded since 04:12 (two minutes)');
  });

  it.each([
    [0.42, '0.4 ms'],
    [318, '318 ms'],
    [2130, '2.13 s'],
    [59_000, '59 s'],
    [252_000, '4 min 12 s'],
    [3_840_000, '1 h 4 min'],
    [14 * 3_600_000, '14 h'],
    [12 * 86_400_000 + 3 * 3_600_000, '12 d 3 h'],
  ])('show %d ms as %s', (ms, text) => {
    expect(PLAIN_FORMATS.duration(ms)).toBe(text);
  });
});
