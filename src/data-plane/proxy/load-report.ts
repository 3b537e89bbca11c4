// How busy a deployment is, for a load balancer that asks with each request (Open Request Cost Aggregation, ORCA).
// Must stay true: only who asks is told, and what a replica says of itself passes instead.
// Source: xds.data.orca.v3.OrcaLoadReport, in the header forms that model servers use (TEXT and JSON).
import type { Deployment } from '../replicas/pool.ts';

/** Asks for a report: `TEXT` or `JSON`. */
export const LOAD_FORMAT_HEADER = 'endpoint-load-metrics-format';
export const LOAD_HEADER = 'endpoint-load-metrics';

/**
 * The report in the form that is asked for, or `undefined` for a form that there is none of. `application_utilization`:
 * requests in service as a share of what the ready replicas may hold (absent without a target; above 1 while some wait);
 * named metrics: requests that run and wait.
 */
export function loadReport(
  format: string,
  { options, replicas, waitQueue, count }: Load,
): string | undefined {
  const running = replicas.reduce((sum, { outstanding }) => sum + outstanding, 0);
  const room = options.concurrency_target * count;
  const utilization = room === 0 ? undefined : (running + waitQueue.length) / room;
  const named = { running, waiting: waitQueue.length };
  if (format.toUpperCase() === 'JSON')
    return `JSON ${JSON.stringify({ application_utilization: utilization, named_metrics: named })}`;
  if (format.toUpperCase() !== 'TEXT') return undefined;
  const parts = Object.entries(named).map(([name, value]) => `named_metrics.${name}=${value}`);
  if (utilization !== undefined) parts.unshift(`application_utilization=${utilization}`);
  return `TEXT ${parts.join(', ')}`;
}

/** What a report is made of. */
interface Load {
  readonly options: { readonly concurrency_target: number };
  readonly replicas: readonly { readonly outstanding: number }[];
  readonly waitQueue: { readonly length: number };
  /** Ready replicas. */
  readonly count: number;
}

/** The report of a deployment as it is now. */
export const reportOf = (format: string, deployment: Deployment): string | undefined =>
  loadReport(format, {
    options: deployment.options,
    replicas: deployment.replicas,
    waitQueue: deployment.waitQueue,
    count: deployment.count('ready'),
  });
