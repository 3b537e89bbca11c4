// Settings of metrics (section `metrics`).
import { bounds, int, section, type Settings } from '../../core/settings.ts';

export const metricsOptions = section({
  duration_buckets: bounds({
    default: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200],
    doc: 'Bucket bounds of time histograms, in seconds. Time in the async queue has further bounds, up to 72 hours.',
  }),
  size_buckets: bounds({
    default: Array.from({ length: 13 }, (_, i) => 64 * 4 ** i),
    doc: 'Bucket bounds of size histograms, in bytes.',
  }),
  max_status_codes: int({
    default: 64,
    min: 8,
    max: 900,
    doc: 'Maximum number of status codes with their own series, per deployment. Further ones are counted as `other`.',
  }),
});
export type MetricsOptions = Settings<typeof metricsOptions>;
