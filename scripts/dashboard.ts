// Makes deploy/grafana-dashboard.json: hand-written panels first, then one panel per metric family.
// Invariant: every metric family is on the dashboard, and the same source gives the same bytes.
import { metricFamilies, type Family } from '../src/telemetry/metrics/metrics.ts';

const SOURCE = { type: 'prometheus', uid: '${datasource}' };

interface Target {
  readonly expr: string;
  readonly legend: string;
}
interface Panel {
  readonly title: string;
  readonly description: string;
  readonly unit: string;
  readonly targets: readonly Target[];
}

const HERE = 'deployment_id=~"$deployment"';

/** Panels for a first look. */
const first: readonly Panel[] = [
  {
    title: 'Requests by status',
    description: 'Finished requests per second, by status code.',
    unit: 'reqps',
    targets: [
      {
        expr: `sum by (status_code) (rate(baseten_inference_requests_total{${HERE}}[$__rate_interval]))`,
        legend: '{{status_code}}',
      },
    ],
  },
  {
    title: 'Failed requests',
    description: 'Failed requests per second, by cause and by origin (who has to act on it).',
    unit: 'reqps',
    targets: [
      {
        expr: `sum by (cause, origin) (rate(weir_exchanges_total{cause!="ok",${HERE}}[$__rate_interval]))`,
        legend: '{{cause}} ({{origin}})',
      },
    ],
  },
  {
    title: 'Replicas: desired, ready, starting',
    description: 'Replicas that the load needs, and replicas that exist.',
    unit: 'short',
    targets: [
      { expr: `sum(weir_replicas_desired{${HERE}})`, legend: 'desired' },
      { expr: `sum(baseten_replicas_active{${HERE}})`, legend: 'ready' },
      { expr: `sum(baseten_replicas_starting{${HERE}})`, legend: 'starting' },
    ],
  },
  {
    title: 'Load: requests in flight, mean, and target of the ready replicas',
    description: 'A mean above the target for long means that replicas are missing.',
    unit: 'short',
    targets: [
      { expr: `sum(baseten_concurrent_requests{${HERE}})`, legend: 'in flight' },
      { expr: `sum(weir_in_flight_mean{${HERE}})`, legend: 'mean' },
      {
        expr: `sum(baseten_replicas_active{${HERE}}) * max(weir_in_flight_per_replica_target{${HERE}})`,
        legend: 'target of the ready replicas',
      },
    ],
  },
  {
    title: 'Language models: time to first token',
    description: 'Time from the first byte of a request to the first token of its stream, by model.',
    unit: 's',
    targets: [0.5, 0.95].map((q) => ({
      expr: `histogram_quantile(${q}, sum by (le, model) (rate(weir_llm_time_to_first_token_seconds_bucket{${HERE}}[$__rate_interval])))`,
      legend: `p${q * 100} {{model}}`,
    })),
  },
  {
    title: 'Language models: time between tokens',
    description:
      'Time between two tokens of a stream, by model. A rise of p95 alone means that streams stall.',
    unit: 's',
    targets: [0.5, 0.95].map((q) => ({
      expr: `histogram_quantile(${q}, sum by (le, model) (rate(weir_llm_inter_token_seconds_bucket{${HERE}}[$__rate_interval])))`,
      legend: `p${q * 100} {{model}}`,
    })),
  },
  {
    title: 'Language models: tokens per second',
    description:
      'Input and output tokens of all responses, and output tokens per second of a single response.',
    unit: 'short',
    targets: [
      {
        expr: `sum by (type) (rate(weir_llm_tokens_total{type=~"input|output",${HERE}}[$__rate_interval]))`,
        legend: '{{type}}, all responses',
      },
      {
        expr: `histogram_quantile(0.5, sum by (le, model) (rate(weir_llm_output_tokens_per_second_bucket{${HERE}}[$__rate_interval])))`,
        legend: 'p50 of a response {{model}}',
      },
    ],
  },
  {
    title: 'Language models: unfinished streams and failed requests',
    description: 'Streams that ended without their last event, by reason, and requests without a response.',
    unit: 'reqps',
    targets: [
      {
        expr: `sum by (model, reason) (rate(weir_llm_streams_unfinished_total{${HERE}}[$__rate_interval]))`,
        legend: '{{model}} {{reason}}',
      },
      {
        expr: `sum by (model) (rate(weir_llm_requests_failed_total{${HERE}}[$__rate_interval]))`,
        legend: '{{model}} failed',
      },
    ],
  },
];

/** Rows for all families, by name. A family is in the first row that matches. */
const rows: readonly [string, RegExp][] = [
  ['Language models', /^weir_llm_/],
  ['Log store and export', /^weir_(log|otlp_export)_/],
  ['Online scoring', /^weir_scoring_/],
  ['Asynchronous requests', /async|webhook_attempts/],
  ['HTTP/2', /^weir_http2_/],
  ['Autoscaling and replicas', /replica|pod_readiness|restarts|in_flight/],
  ['GPUs and containers', /gpu|container|sampler/],
  ['Requests', /^baseten_|exchanges/],
  ['Queueing and retries', /queue|retries/],
  ['weir itself', /./],
];

const unitOf = (name: string): string =>
  /_bytes/.test(name)
    ? 'bytes'
    : /_seconds(?!_total)/.test(name)
      ? 's'
      : /gpu_memory_used/.test(name)
        ? 'mbytes'
        : /gpu_utilization/.test(name)
          ? 'percent'
          : 'short';

/** Labels that distinguish the series of a family within one deployment. */
const legendLabels = ({ labels }: Family): string[] =>
  labels.filter((label) => !/^(model_(id|name)|environment|rollout_phase)$/.test(label));

function panelOf(family: Family): Panel {
  const { name, help, type } = family;
  const labels = legendLabels(family);
  const selector = labels.includes('deployment_id') ? `{${HERE}}` : '';
  const legend = labels.map((label) => `{{${label}}}`).join(' ') || '{{instance}}';
  const by = labels.length > 0 ? labels.join(', ') : 'instance';
  const quantile = (q: number): Target => ({
    expr: `histogram_quantile(${q}, sum by (${['le', ...labels].join(', ')}) (rate(${name}_bucket${selector}[$__rate_interval])))`,
    legend: `p${q * 100} ${labels.map((label) => `{{${label}}}`).join(' ')}`.trim(),
  });
  const targets =
    type === 'histogram'
      ? [quantile(0.5), quantile(0.95), quantile(0.99)]
      : type === 'counter'
        ? [{ expr: `sum by (${by}) (rate(${name}${selector}[$__rate_interval]))`, legend }]
        : [{ expr: `sum by (${by}) (${name}${selector})`, legend }];
  const unit = type === 'counter' && unitOf(name) === 'short' ? 'ops' : unitOf(name);
  return { title: name, description: help, unit, targets };
}

/** The dashboard as Grafana imports it. */
export function dashboard(): string {
  const panels: unknown[] = [];
  let y = 0;
  const add = (title: string, rowPanels: readonly Panel[], collapsed: boolean): void => {
    const row = {
      type: 'row',
      title,
      collapsed,
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
      id: panels.length + 1,
    };
    const inside = rowPanels.map((panel, i) => drawn(panel, row.id * 100 + i, i, y));
    if (collapsed) panels.push({ ...row, panels: inside });
    else {
      panels.push({ ...row, panels: [] }, ...inside);
      y += Math.ceil(rowPanels.length / 2) * 8;
    }
  };
  add('At a glance', first, false);
  const left = new Set(metricFamilies);
  for (const [title, pattern] of rows) {
    const matching = [...left].filter(({ name }) => pattern.test(name));
    for (const family of matching) left.delete(family);
    add(title, matching.map(panelOf), true);
  }
  const variable = {
    name: 'deployment',
    type: 'query',
    datasource: SOURCE,
    query: 'label_values(weir_replicas_desired, deployment_id)',
    includeAll: true,
    multi: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
    refresh: 2,
  };
  const board = {
    title: 'weir',
    uid: 'weir',
    tags: ['weir'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus' }, variable] },
    panels,
  };
  return `${JSON.stringify(board, null, 2)}\n`;
}

/** A panel as Grafana stores it. Two panels are side by side. */
const drawn = ({ title, description, unit, targets }: Panel, id: number, index: number, y: number) => ({
  id,
  type: 'timeseries',
  title,
  description,
  datasource: SOURCE,
  gridPos: { x: (index % 2) * 12, y: y + Math.floor(index / 2) * 8, w: 12, h: 8 },
  fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
  targets: targets.map(({ expr, legend }, i) => ({
    refId: String.fromCharCode(65 + i),
    datasource: SOURCE,
    expr,
    legendFormat: legend,
  })),
});
