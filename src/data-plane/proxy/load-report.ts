// The load of a deployment, for a load balancer that asks for it (Open Request Cost Aggregation, ORCA).
// Invariant: only a request that asks for a report gets one, and a report of the replica itself passes instead.
// Source: xds.data.orca.v3.OrcaLoadReport, in the header formats that model servers use (TEXT and JSON).
import type { ThreadDeployment } from '../replicas/pool.ts';

/** Request header that asks for a report: `TEXT` or `JSON`. */
export const LOAD_FORMAT_HEADER = 'endpoint-load-metrics-format';
export const LOAD_HEADER = 'endpoint-load-metrics';

/**
 * The report in the given format, or undefined for an unknown format. `application_utilization`: running and waiting
 * requests as a share of what the ready replicas may run (absent without a target; above 1 while requests wait); named
 * metrics: running and waiting requests.
 */
export function loadReport(format: string, { options, replicas, waiting, count }: Load): string | undefined {
  const running = replicas.reduce((sum, { outstanding }) => sum + outstanding, 0);
  const capacity = options.concurrency_target * count;
  const utilization = capacity === 0 ? undefined : (running + waiting) / capacity;
  const named = { running, waiting };
  if (format.toUpperCase() === 'JSON')
    return `JSON ${JSON.stringify({ application_utilization: utilization, named_metrics: named })}`;
  if (format.toUpperCase() !== 'TEXT') return undefined;
  const parts = Object.entries(named).map(([name, value]) => `named_metrics.${name}=${value}`);
  if (utilization !== undefined) parts.unshift(`application_utilization=${utilization}`);
  return `TEXT ${parts.join(', ')}`;
}

interface Load {
  readonly options: { readonly concurrency_target: number };
  readonly replicas: readonly { readonly outstanding: number }[];
  readonly waiting: number;
  /** Ready replicas. */
  readonly count: number;
}

/** The current report of a deployment; see `loadReport`. */
export const reportOf = (format: string, deployment: ThreadDeployment): string | undefined =>
  loadReport(format, {
    options: deployment.options,
    replicas: deployment.replicas,
    waiting: deployment.waiting,
    count: deployment.replicas.filter(({ isReady }) => isReady).length,
  });
