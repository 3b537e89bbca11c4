// Makes deploy/grafana-dashboard.json: what matters first by hand, then every family of the page, from the source.
// Must stay true: a family that is added is on the dashboard after npm run docs; the same source gives the same bytes.
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

/** What an on-call person looks at first. */
const first: readonly Panel[] = [
  {
    title: 'Requests by status',
    description: 'Requests that ended each second.',
    unit: 'reqps',
    targets: [
      {
        expr: `sum by (status_code) (rate(baseten_inference_requests_total{${HERE}}[$__rate_interval]))`,
        legend: '{{status_code}}',
      },
    ],
  },
  {
    title: 'What went wrong',
    description: 'Exchanges that did not end well, by cause and by who has to act on it.',
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
    description: 'What weir says there should be, and what there is.',
    unit: 'short',
    targets: [
      { expr: `sum(weir_replicas_desired{${HERE}})`, legend: 'desired' },
      { expr: `sum(baseten_replicas_active{${HERE}})`, legend: 'ready' },
      { expr: `sum(baseten_replicas_starting{${HERE}})`, legend: 'starting' },
    ],
  },
  {
    title: 'Load: in flight, its mean, and what the replicas are meant for',
    description: 'Above the line for long means that replicas are missing.',
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
];

/** The rows of the rest, by what a family's name begins with; the first that fits has it. */
const rows: readonly [string, RegExp][] = [
  ['Asynchronous requests', /async|webhook_attempts/],
  ['Autoscaling and replicas', /replica|pod_readiness|restarts|in_flight/],
  ['GPUs and containers', /gpu|container|sampler/],
  ['Requests', /^baseten_|exchanges/],
  ['Waiting and sending again', /queue|retries/],
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

/** Labels by which a family's series are told apart on one deployment's dashboard. */
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
  const add = (title: string, its: readonly Panel[], collapsed: boolean): void => {
    const row = {
      type: 'row',
      title,
      collapsed,
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
      id: panels.length + 1,
    };
    const inside = its.map((panel, i) => drawn(panel, row.id * 100 + i, i, y));
    if (collapsed) panels.push({ ...row, panels: inside });
    else {
      panels.push({ ...row, panels: [] }, ...inside);
      y += Math.ceil(its.length / 2) * 8;
    }
  };
  add('At a glance', first, false);
  const left = new Set(metricFamilies);
  for (const [title, pattern] of rows) {
    const its = [...left].filter(({ name }) => pattern.test(name));
    for (const family of its) left.delete(family);
    add(title, its.map(panelOf), true);
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

/** A panel in its place: two beside each other. */
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
