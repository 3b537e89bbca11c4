// Families of weir's own process: they show whether weir is the bottleneck, and what it costs.
import type { Family } from '../family.ts';
import type { MetricSources } from '../metric-sources.ts';

const single = (
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  valueOf: (sources: MetricSources) => number,
): Family => ({
  name,
  type,
  help,
  labels: [],
  samples: (sources) => [{ labels: {}, value: valueOf(sources) }],
});

export const selfFamilies: readonly Family[] = [
  {
    name: 'weir_build_info',
    type: 'gauge',
    help: 'Always 1. The labels are the versions of weir and of Node.js.',
    labels: ['version', 'node'],
    samples: ({ build: { version, node } }) => [{ labels: { version, node }, value: 1 }],
  },
  single(
    'weir_event_loop_lag_mean_seconds',
    'gauge',
    'Mean event loop lag in the last 15 s, in seconds. With several threads: of the one where it is highest.',
    ({ counters }) => counters.lagSeconds('mean'),
  ),
  single(
    'weir_event_loop_lag_p99_seconds',
    'gauge',
    '99th percentile of the event loop lag in the last 15 s, in seconds. With several threads: of the one where it is highest.',
    ({ counters }) => counters.lagSeconds('p99'),
  ),
  single(
    'weir_event_loop_lag_max_seconds',
    'gauge',
    'Highest event loop lag in the last 15 s, in seconds, of all threads that serve requests.',
    ({ counters }) => counters.lagSeconds('max'),
  ),
  single(
    'weir_overloaded',
    'gauge',
    '1 while new requests are refused since the event loop runs late (ingress.overload_delay), else 0. With several threads: 1 while one of them refuses requests.',
    ({ counters }) => Number(counters.isOverloaded),
  ),
  single(
    'weir_connections_refused_total',
    'counter',
    'Connections to the data and the admin server that were closed since their address had too many.',
    ({ crowdedConnections }) => crowdedConnections(),
  ),
  single(
    'weir_process_cpu_seconds_total',
    'counter',
    'CPU time of this process, user and system, in seconds.',
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  ),
  single('weir_process_resident_memory_bytes', 'gauge', 'Resident memory of this process, in bytes.', () =>
    process.memoryUsage.rss(),
  ),
  single(
    'weir_process_heap_used_bytes',
    'gauge',
    'JavaScript heap in use by the main thread, in bytes.',
    () => process.memoryUsage().heapUsed,
  ),
  single(
    'weir_process_start_time_seconds',
    'gauge',
    'Start time of this process, in seconds since 1970.',
    () => performance.timeOrigin / 1000,
  ),
  single(
    'weir_log_lines_dropped_total',
    'counter',
    'Log lines lost because stdout was read too slowly, or because the recorder thread was too slow.',
    ({ output }) => output.dropped(),
  ),
  single(
    'weir_collect_errors_total',
    'counter',
    'Families left out of a scrape because reading them failed.',
    ({ counters }) => counters.unreadableFamilies,
  ),
];
