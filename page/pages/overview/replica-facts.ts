// What the table of replicas says of each: its state, GPUs, and the last probe or why it takes no requests.
// Invariant: pure; what was not read is `undefined` or null, never 0.
import type {
  OverviewDeployment,
  OverviewGpu,
  OverviewJson,
  OverviewReplica,
} from '../../../src/control/admin/overview/overview-json.ts';
import { ago, grouped, msOfNs, visibleLine } from '../../formats.ts';

/** GPUs of a replica together. */
export interface GpuSum {
  /** Mean, in percent. */
  readonly utilization: number | null;
  readonly usedMib: number | null;
  readonly totalMib: number | null;
  /** Each of them, for the tooltip. */
  readonly each: string;
}

const sumOf = (values: readonly (number | null)[]): number | null =>
  values.length === 0 || values.includes(null) ? null : values.reduce<number>((sum, one) => sum + one!, 0);

export function gpuSum(gpus: readonly OverviewGpu[]): GpuSum {
  const utilization = sumOf(gpus.map((gpu) => gpu.utilization));
  return {
    utilization: utilization === null ? null : Math.round(utilization / gpus.length),
    usedMib: sumOf(gpus.map((gpu) => gpu.used_mib)),
    totalMib: sumOf(gpus.map((gpu) => gpu.total_mib)),
    each: gpus
      .map(
        ({ index, utilization, used_mib: used, total_mib: total }) =>
          `GPU ${index}: ${utilization ?? '–'} %, ${used ?? '–'} of ${total ?? '–'} MiB`,
      )
      .join('\n'),
  };
}

export const STATE_SHAPES = {
  ready: 'ok',
  starting: 'running',
  down: 'err',
  ejected: 'err',
  draining: 'paused',
} as const;

/** The last probe, or why the replica takes no requests. `isBad`: it is a problem. */
export function whyOf(
  { state, probe, is_leaving: isLeaving, outstanding, failed }: OverviewReplica,
  nowMs: number,
): { readonly text: string; readonly isBad: boolean } {
  const running = outstanding === 0 ? '' : `, ${outstanding} running`;
  if (isLeaving) return { text: `removed${running}`, isBad: false };
  if (state === 'draining') return { text: `gets no requests${running}`, isBad: false };
  if (probe === null) return { text: 'not probed yet', isBad: false };
  const when = ago(msOfNs(probe.at_ns), nowMs);
  if (!probe.is_ok) return { text: `${visibleLine(probe.text)}, ${when}`, isBad: true };
  if (state === 'ejected') return { text: `too many responses broke off; probe ${when}`, isBad: true };
  const errors = failed === 0 ? '' : `${grouped(failed)} failed in 60 min; `;
  return { text: `${errors}${when}: ${visibleLine(probe.text)}`, isBad: false };
}

/** Replicas of a deployment, for one part of the table. */
export interface ReplicaGroup {
  readonly deployment: OverviewDeployment | undefined;
  readonly id: string;
  readonly replicas: readonly OverviewReplica[];
}

/** One group for each deployment, in the order of their worst replicas; deployments without replicas come last. */
export function replicaGroups({
  replicas,
  deployments,
}: Pick<OverviewJson, 'replicas' | 'deployments'>): readonly ReplicaGroup[] {
  const ids = [...new Set([...replicas.map((one) => one.deployment), ...deployments.map(({ id }) => id)])];
  return ids.map((id) => ({
    id,
    deployment: deployments.find((one) => one.id === id),
    replicas: replicas.filter(({ deployment }) => deployment === id),
  }));
}

/** `production · stable`, without what is empty. */
export const deploymentText = ({ id, deployment }: ReplicaGroup): string =>
  [id, deployment?.environment ?? '', deployment?.phase ?? ''].filter((one) => one !== '').join(' · ');

/** `30 ready, 1 down`: how many replicas are in each state, worst first. */
export function stateCounts(replicas: readonly OverviewReplica[]): string {
  const counts = new Map<string, number>();
  for (const { state } of replicas) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, n]) => `${n} ${state}`).join(', ');
}
