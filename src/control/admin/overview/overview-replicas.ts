// Replicas, deployments and scaling, as the overview shows them.
// Invariant: a value that was not read is null, and URLs are in no row unless they are asked for.
import type { ContainerReading, GpuReading } from '../../../collectors/collectors.ts';
import { phaseOf, type Deployment, type Replica } from '../../../data-plane/replicas/pool.ts';
import type { ScaleReading } from '../../scaling/autoscaler.ts';
import { replicaKey } from './failure-table.ts';
import { nsText, rounded } from './overview-figures.ts';
import type { OverviewDeployment, OverviewGpu, OverviewReplica, OverviewScale } from './overview-json.ts';
import type { OverviewMeter } from './overview-meter.ts';
import type { OverviewSources } from './overview-sources.ts';
import { quoted } from './verdict.ts';

/** performance.now() as milliseconds since 1970. */
const epochMs = (ms: number): number => performance.timeOrigin + ms;

/** The states in which a replica needs attention come first. */
const WORST_FIRST: readonly Replica['state'][] = ['down', 'ejected', 'starting', 'draining', 'ready'];

/** Deployments that are shown: those of the configuration, and those whose last requests still run. */
export const shownDeployments = ({ pool }: Pick<OverviewSources, 'pool'>): Deployment[] =>
  pool.deployments.filter(({ isGone, replicas }) => !isGone || replicas.length > 0);

const targetOf = ({ options }: Deployment): number | null => options.concurrency_target || null;

export const deploymentRow = (deployment: Deployment): OverviewDeployment => {
  const { options, waitQueue, replicas } = deployment;
  return {
    id: options.id,
    environment: options.environment,
    phase: phaseOf(options),
    traffic_weight: options.traffic_weight,
    target: targetOf(deployment),
    waiting: waitQueue.length,
    ready: deployment.count('ready'),
    replicas: replicas.length,
  };
};

/** Readings of collectors by replica, so that each is read once for all replicas. */
function byReplica<T extends { readonly deployment: number; readonly replica: string }>(
  readings: readonly T[],
): ReadonlyMap<string, readonly T[]> {
  const found = new Map<string, T[]>();
  for (const reading of readings) {
    const key = replicaKey(reading.deployment, reading.replica);
    const own = found.get(key);
    if (own === undefined) found.set(key, [reading]);
    else own.push(reading);
  }
  return found;
}

/** All replicas, worst first; those in one state by the requests that they failed, then by their load. */
export function replicaRows(
  sources: Pick<OverviewSources, 'pool' | 'collectors' | 'restartsOf'>,
  meter: OverviewMeter,
  nowMs: number,
): OverviewReplica[] {
  const deployments = shownDeployments(sources);
  const containers = byReplica<ContainerReading>(sources.collectors.containers());
  const gpus = byReplica<GpuReading>(sources.collectors.gpus());
  const isOne = deployments.length < 2;
  const rows = deployments.flatMap((deployment) => {
    const of = isOne ? '' : ` deployment:${quoted(deployment.options.id)}`;
    return deployment.replicas.map((replica): OverviewReplica => {
      const key = replicaKey(deployment.index, replica.id);
      const named = `replica:${quoted(replica.id)}${of}`;
      const probe = deployment.replicaSet.lastProbe(replica);
      return {
        id: replica.id,
        deployment: deployment.options.id,
        url: replica.url.href,
        state: replica.state,
        since_ns: nsText(epochMs(replica.changedMs)),
        is_leaving: replica.isLeaving,
        outstanding: replica.outstanding,
        target: targetOf(deployment),
        ttft_p95_ms: rounded(meter.firstTokens.p95(deployment.index, replica.id)),
        failed: meter.failures.ofReplica(deployment.index, replica.id, nowMs),
        q: `kind:request ${named} level>=error`,
        lines_q: `kind:line ${named}`,
        probe: probe
          ? {
              at_ns: nsText(epochMs(probe.endedMs)),
              took_ms: rounded(probe.tookMs)!,
              is_ok: probe.isOk,
              text: probe.text,
            }
          : null,
        gpus: (gpus.get(key) ?? []).map(gpuOf),
        cpu: rounded(meter.coresOf(deployment.index, replica.id)),
        memory_bytes: containers.get(key)?.[0]?.workingSetBytes ?? null,
        restarts: sources.restartsOf(replica) ?? null,
      };
    });
  });
  return rows.sort(
    (a, b) =>
      WORST_FIRST.indexOf(a.state) - WORST_FIRST.indexOf(b.state) ||
      b.failed - a.failed ||
      b.outstanding - a.outstanding,
  );
}

const gpuOf = ({ gpu, memoryUsedMiB, memoryTotalMiB, utilizationPercent }: GpuReading): OverviewGpu => ({
  index: gpu,
  used_mib: memoryUsedMiB ?? null,
  total_mib: memoryTotalMiB ?? null,
  utilization: utilizationPercent ?? null,
});

/** The scaling decision of a deployment, and its changes. */
export function scaleRow(
  reading: ScaleReading,
  meter: OverviewMeter,
  {
    pool,
    scaleWindowMs,
    isFollowed,
    activeOf,
  }: Pick<OverviewSources, 'pool' | 'scaleWindowMs' | 'isFollowed' | 'activeOf'>,
  nowMs: number,
): OverviewScale {
  const { id } = reading;
  const unmetMs = meter.scales.unmetSince(id);
  const deployment = pool.current.find(({ options }) => options.id === id);
  return {
    deployment: id,
    desired: reading.desired,
    active: (deployment && activeOf(deployment)) ?? null,
    reason: reading.reason,
    mean_in_flight: rounded(reading.mean_in_flight)!,
    per_replica: reading.in_flight_per_replica,
    target: reading.concurrency_target,
    utilization_percent: reading.target_utilization_percentage,
    window_s: scaleWindowMs / 1000,
    min: reading.min_replica,
    max: reading.max_replica,
    is_followed: isFollowed(deployment?.index ?? -1),
    down_in_s: reading.scale_down_in_seconds === null ? null : Math.round(reading.scale_down_in_seconds),
    unmet_since_ns: unmetMs === undefined ? null : nsText(unmetMs),
    history: meter.scales
      .of(id)
      .map(({ atMs, desired, active }) => [Math.round((nowMs - atMs) / 1000), desired, active] as const),
  };
}
