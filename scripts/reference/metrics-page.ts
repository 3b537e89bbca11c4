// docs/reference/metrics.md: every metric family.
import { code, GENERATED, page, table } from '../markdown.ts';
import { metricFamilies } from '../../src/telemetry/metrics/metrics.ts';

/** The page. */
export const metricsPage = (): string =>
  page(
    '# Metrics',
    GENERATED,
    'Families of the page `/metrics` of the admin server. See [Metrics](../guides/metrics.md) for PromQL and sources.',
    table(
      ['family', 'type', 'labels', 'description'],
      metricFamilies.map(({ name, type, labels, help }) => [code(name), type, labels.join(' '), help]),
    ),
  );
