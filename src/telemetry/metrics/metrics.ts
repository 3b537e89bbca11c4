// The metrics page: all families in Prometheus text or OpenMetrics, then the replicas' own families.
// Invariant: a family that cannot be read is left out and counted; the other families are still on the page.
// Only this file loads prom-client, with the first page, and of it only the registry: the rest needs 15 MB of memory. There is one registry per format, since prom-client renames counters in place
// when it writes OpenMetrics.
import { createRequire } from 'node:module';
import type { Metric, Registry } from 'prom-client';
import type { MetricCounters } from './counters.ts';
import { DeploymentLabels, type Labels } from './deployment-labels.ts';
import type { Family } from './family.ts';
import { mergedPage } from './merge-pages.ts';
import { metricFamilies } from './metric-families.ts';
import type { MetricParts, MetricSources } from './metric-sources.ts';

export { MetricCounters } from './counters.ts';
export { ThreadCounters } from './thread-counters.ts';
export { metricFamilies } from './metric-families.ts';
export type { Family } from './family.ts';
export type { MetricParts, ScalingFigures } from './metric-sources.ts';

export type ExpositionFormat = 'text' | 'openmetrics';

/** A value as prom-client prints it. */
interface PrintedValue {
  readonly metricName?: string;
  readonly labels: Labels | { readonly le: number | string };
  readonly sharedLabels?: Labels;
  readonly value: number;
}

/** The last line of an OpenMetrics page. */
const END = '# EOF\n';

export class Metrics {
  readonly #sources: MetricSources;
  readonly #families: readonly Family[];
  readonly #registries = new Map<ExpositionFormat, Registry>();

  constructor(sources: MetricSources, families: readonly Family[] = metricFamilies) {
    this.#sources = sources;
    this.#families = families;
  }

  contentType(format: ExpositionFormat): string {
    return this.#registry(format).contentType;
  }

  /** The page with the values of this moment, and with the replicas' pages as they were last fetched. */
  async page(format: ExpositionFormat): Promise<string> {
    const own = await this.#registry(format).metrics();
    const merged = mergedPage(this.#sources.replicaMetrics.pages(), format === 'openmetrics');
    if (merged === '' || !own.endsWith(END)) return own + merged;
    return own.slice(0, -END.length) + merged + END;
  }

  /** The registry of a format, made with its first page. */
  #registry(format: ExpositionFormat): Registry {
    let registry = this.#registries.get(format);
    if (registry === undefined) {
      registry = newRegistry(format);
      for (const family of this.#families) registry.registerMetric(this.#exposed(family));
      this.#registries.set(format, registry);
    }
    return registry;
  }

  /** A family as a registry expects it: with `name` and `type`, and with an asynchronous `get()`. */
  #exposed(family: Family): Metric {
    const exposed = {
      name: family.name,
      help: family.help,
      type: family.type,
      // The registry changes `exposed.name`: in OpenMetrics the family of a counter has no `_total`, its samples have.
      get: async () => ({
        name: exposed.name,
        help: family.help,
        type: family.type,
        values: this.#values(family),
      }),
    };
    return exposed as unknown as Metric;
  }

  #values(family: Family): PrintedValue[] {
    try {
      if (family.type !== 'histogram')
        return Array.from(family.samples(this.#sources), ({ labels, value }) => ({ labels, value }));
      return Array.from(family.samples(this.#sources)).flatMap(({ labels, histogram }) => {
        const { bounds, cumulative, sum, count } = histogram;
        const bucket = (le: number | string, value: number): PrintedValue => ({
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
      this.#sources.counters.unreadableFamilies++;
      return [];
    }
  }
}

/** An empty registry. The types of its library know the text format only. */
function newRegistry(format: ExpositionFormat): Registry {
  const PromRegistry = createRequire(import.meta.url)('prom-client/lib/registry.js') as typeof Registry;
  const registry = new PromRegistry();
  if (format === 'openmetrics') registry.setContentType(PromRegistry.OPENMETRICS_CONTENT_TYPE as never);
  return registry;
}

/** The page of a sidecar. */
export const createMetrics = (
  model: { readonly id: string; readonly name: string },
  counters: MetricCounters,
  parts: MetricParts,
): Metrics =>
  new Metrics({ ...parts, counters, labels: new DeploymentLabels(model, parts.pool.deployments) });

/**
 * The format that an `Accept` header asks for: OpenMetrics if its weight is at least that of plain text.
 * Weights as in RFC 9110 section 12.5.1.
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
