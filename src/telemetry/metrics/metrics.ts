// The door of the room: the registry of families, and the page that is scraped.
// Must stay true: one family that fails is missing from the page and counted; the page itself never fails for it.
// Only this file imports prom-client. It owns text and format; two registries, because it renames a counter in place
// when it writes OpenMetrics, and the same objects could not serve both formats.
import { Registry, type Metric } from 'prom-client';
import type { Component } from '../../core/lifecycle.ts';
import type { Observer } from '../../core/exchange/exchange.ts';
import type { Pool } from '../../data-plane/replicas/pool.ts';
import type { Collectors } from '../../collectors/collectors.ts';
import type { ScaleReading } from '../../control/scaling/autoscaler.ts';
import type { MergeReading, PageFamily } from '../../collectors/replica-metrics/replica-metrics.ts';
import { AsyncTotals } from './async-totals.ts';
import { RequestTotals } from './request-totals.ts';
import { asyncFamilies, type AsyncSources } from './families/async.ts';
import { CommonLabels } from './families/labels.ts';
import { containerFamilies } from './families/containers.ts';
import { exportFamilies, type ExportFigures } from './families/otlp-export.ts';
import { gpuFamilies } from './families/gpu.ts';
import { logFamilies, type LogFigures } from './families/logs.ts';
import { mergeFamilies } from './families/replica-metrics.ts';
import { podFamilies, type PodSources } from './families/pods.ts';
import { queueFamilies, type RetryTotals } from './families/wait-queue.ts';
import { replicaFamilies } from './families/replicas.ts';
import { requestFamilies } from './families/requests.ts';
import { collectorFamilies } from './families/collectors.ts';
import { scaleFamilies } from './families/scaling.ts';
import { LoopWatch, selfFamilies } from './families/self.ts';
import type { Family, Labels } from './family.ts';
import { InFlight } from './in-flight.ts';
import { mergedPage } from './merge-pages.ts';
import type { MetricsOptions } from './options.ts';

export type ExpositionFormat = 'text' | 'openmetrics';

/** A value as prom-client prints it. */
interface Value {
  readonly metricName?: string;
  readonly labels: Labels | { readonly le: number | string };
  readonly sharedLabels?: Labels;
  readonly value: number;
}

/** The last line of OpenMetrics, once, behind everything. */
const END = '# EOF\n';

export class Metrics {
  readonly families: readonly Family[];
  readonly #pages: MergedPages['pages'];
  readonly #registries: Record<ExpositionFormat, Pick<Registry, 'metrics'> & { contentType: string }>;
  #failures = 0;

  /** `pages` are those of the replicas, put behind ours. */
  constructor(families: readonly Family[], pages: MergedPages['pages']) {
    this.#pages = pages;
    this.families = [
      ...families,
      {
        name: 'weir_collect_errors_total',
        type: 'counter',
        help: 'Families that could not be read for a scrape and were left out of it.',
        labels: [],
        samples: () => [{ labels: {}, value: this.#failures }],
      },
    ];
    this.#registries = {
      text: this.#register(new Registry()),
      openmetrics: this.#register(openMetricsRegistry()),
    };
  }

  contentType(format: ExpositionFormat): string {
    return this.#registries[format].contentType;
  }

  /** The page: every family with its samples at this moment, then what the replicas' own pages said last. */
  async page(format: ExpositionFormat): Promise<string> {
    const own = await this.#registries[format].metrics();
    const merged = mergedPage(this.#pages(), format === 'openmetrics');
    if (merged === '' || !own.endsWith(END)) return own + merged;
    return own.slice(0, -END.length) + merged + END;
  }

  #register<R extends { registerMetric(metric: Metric): void }>(registry: R): R {
    for (const family of this.families) registry.registerMetric(this.#exposed(family));
    return registry;
  }

  /** A family in the form that a registry reads: it asks for `name`, `type`, and awaits `get()`. */
  #exposed(family: Family): Metric {
    const exposed = {
      name: family.name,
      help: family.help,
      type: family.type,
      // The name as it stands: OpenMetrics takes `_total` off the name of a counter and puts it on its samples.
      get: async () => ({
        name: exposed.name,
        help: family.help,
        type: family.type,
        values: this.#values(family),
      }),
    };
    return exposed as unknown as Metric;
  }

  #values(family: Family): Value[] {
    try {
      if (family.type !== 'histogram')
        return Array.from(family.samples(), ({ labels, value }) => ({ labels, value }));
      return Array.from(family.samples()).flatMap(({ labels, histogram }) => {
        const { bounds, cumulative, sum, count } = histogram;
        const bucket = (le: number | string, value: number): Value => ({
          metricName: `${family.name}_bucket`,
          labels: { le },
          sharedLabels: labels,
          value,
        });
        return [
          ...cumulative.map((value, i) => bucket(bounds[i]!, value)),
          bucket('+Inf', count),
          { metricName: `${family.name}_sum`, labels: {}, sharedLabels: labels, value: sum },
          { metricName: `${family.name}_count`, labels: {}, sharedLabels: labels, value: count },
        ];
      });
    } catch {
      this.#failures++;
      return [];
    }
  }
}

/** A registry that writes OpenMetrics: the type of the constructor knows the plain text format only. */
function openMetricsRegistry(): Registry {
  const registry = new Registry();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  return registry;
}

/** What replicas say of themselves. */
export interface MergedPages {
  readonly pages: () => readonly ReadonlyMap<string, PageFamily>[];
  readonly readings: () => readonly MergeReading[];
}

/** What others tell the metrics when they are asked. */
export interface MetricSources {
  readonly build: Labels;
  readonly connections: () => { active: number; idle: number };
  readonly pods: PodSources;
  readonly merged: MergedPages;
  readonly droppedLines: () => number;
  readonly repeats: (deployment: number) => RetryTotals;
  /** Deployments that there may be in the life of the process. */
  readonly maxDeployments: number;
  readonly async: AsyncSources;
  readonly samplers: Pick<Collectors, 'containers' | 'gpus' | 'gpuFigures' | 'stats'>;
  readonly scale: () => readonly ScaleReading[];
  readonly logs: () => LogFigures | undefined;
  readonly exports: () => readonly ExportFigures[];
}

/** The page, who counts exchanges for it, and the one thing in the room that runs on its own. */
export interface Measured {
  readonly metrics: Metrics;
  readonly observer: Observer;
  readonly async: AsyncTotals;
  readonly loop: Component;
}

/** Builds the families of a sidecar. */
export function createMetrics(
  options: MetricsOptions,
  model: { readonly id: string; readonly name: string },
  pool: Pick<Pool, 'deployments' | 'bufferBudget'>,
  sources: MetricSources,
): Measured {
  const common = new CommonLabels(model, pool.deployments);
  const blocks = new RequestTotals({
    deployments: sources.maxDeployments,
    durationBounds: options.duration_buckets,
    sizeBounds: options.size_buckets,
    maxStatusCodes: options.max_status_codes,
  });
  const live = new InFlight(sources.maxDeployments, blocks, options.duration_buckets);
  const asyncFigures = new AsyncTotals(sources.maxDeployments, options.duration_buckets, (id) =>
    pool.deployments.findIndex((deployment) => deployment.options.id === id),
  );
  const loop = new LoopWatch();
  const metrics = new Metrics(
    [
      ...requestFamilies(common, blocks, live),
      ...asyncFamilies(common, asyncFigures, sources.async),
      ...queueFamilies(common, live, pool, sources.repeats),
      ...podFamilies(common, pool, sources.pods),
      ...replicaFamilies(pool, sources.connections),
      ...scaleFamilies(sources.scale),
      ...containerFamilies(common, () => sources.samplers.containers()),
      ...gpuFamilies(
        common,
        () => sources.samplers.gpus(),
        () => sources.samplers.gpuFigures(),
      ),
      ...logFamilies(sources.logs),
      ...exportFamilies(sources.exports),
      ...collectorFamilies(() => sources.samplers.stats()),
      ...selfFamilies(sources.build, loop, sources.droppedLines),
      ...mergeFamilies(sources.merged.readings),
    ],
    sources.merged.pages,
  );
  return { metrics, observer: live, async: asyncFigures, loop };
}

/**
 * The format that a scraper asks for by `Accept`: OpenMetrics where it is wanted at least as much as plain text.
 * Media types with their weights as RFC 9110 12.5.1.
 */
export function formatFor(accept: string | undefined): ExpositionFormat {
  let text = 0;
  let openmetrics = 0;
  for (const part of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    const q = Number(parameters.find((p) => p.startsWith('q='))?.slice(2) ?? 1);
    const weight = Number.isNaN(q) ? 0 : q;
    const version = parameters.find((p) => p.startsWith('version='))?.slice(8);
    if (type === 'application/openmetrics-text' && (version ?? '1.0.0') === '1.0.0')
      openmetrics = Math.max(openmetrics, weight);
    else if (type === 'text/plain' || type === 'text/*' || type === '*/*') text = Math.max(text, weight);
  }
  return openmetrics > 0 && openmetrics >= text ? 'openmetrics' : 'text';
}
