// Settings of replica metrics (section `merge_metrics`).
import { bytes, duration, int, section, text, type Settings } from '../../core/settings.ts';

export const replicaMetricsOptions = section({
  path: text({
    default: '',
    pattern: /^(\/[!-~]*)?$/,
    like: 'a path that begins with /, such as /metrics',
    doc: 'Path of the replicas’ metrics pages, which are merged into the metrics page of weir. Empty: nothing is merged.',
  }),
  interval: duration({
    default: 10_000,
    min: 100,
    doc: 'Interval in which the page of each replica is fetched.',
  }),
  timeout: duration({ default: 5000, min: 50, doc: 'Maximum duration of one fetch.' }),
  max_age: duration({
    default: 30_000,
    min: 100,
    doc: 'Maximum age of a page. An older one, after failed fetches, is no longer merged.',
  }),
  max_bytes: bytes({
    default: 10 * 1024 ** 2,
    min: 1024,
    doc: 'Maximum size of a page, after decompression.',
  }),
  max_series: int({
    default: 20_000,
    min: 1,
    max: 10_000_000,
    doc: 'Maximum number of series per replica. Further series are left out.',
  }),
  drop: text({
    default: '',
    pattern: /^([a-zA-Z_:][a-zA-Z0-9_:]*\*?(\s*,\s*|$))*$/,
    like: 'names separated by commas, with * at the end of a name as a wildcard',
    doc: 'Families that are not merged, such as python_*, process_*.',
  }),
});
export type ReplicaMetricsOptions = Settings<typeof replicaMetricsOptions>;
