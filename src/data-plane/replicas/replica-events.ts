// Writes the lifecycle events of replicas and deployments (core/events.ts).
// Invariant: every change of a replica's state is one event.
import type { EventTable } from '../../core/events.ts';
import type { Logger } from '../../core/logger.ts';
import type { DeploymentOptions, ReplicaOptions } from './options.ts';
import type { PoolEvents, ReplicaChange } from './pool.ts';

const NAMES = {
  starting: 'replica_starting',
  ready: 'replica_ready',
  down: 'replica_down',
  ejected: 'replica_ejected',
  draining: 'replica_drained',
} as const;

function tell(log: Logger, change: ReplicaChange): void {
  const { to, running, problem, ...replica } = change;
  const facts = { ...replica, problem: problem || undefined };
  if (to === 'draining') log.event('replica_drained', { ...facts, running });
  else log.event(to === 'starting' && change.from === 'draining' ? 'replica_resumed' : NAMES[to], facts);
}

/** Writes the lifecycle events of replicas to the log. `ready` is called when a replica becomes ready. */
export const replicaEvents = (
  log: Logger,
  ready: () => void,
): Pick<PoolEvents, 'changed' | 'reached' | 'failing' | 'resolved'> => ({
  changed(change) {
    if (change.to === 'ready') ready();
    tell(log, change);
  },
  reached: (replica) => log.event('replica_started', replica),
  failing: ({ forMs, ...replica }) =>
    log.event('replica_not_ready', { ...replica, for_s: Math.round(forMs / 1000) }),
  resolved({ problem, ...facts }) {
    if (problem === '') log.event('addresses_changed', facts);
    else log.event('addresses_unknown', { ...facts, problem });
  },
});

/** The phase as metrics show it: `auto` is `stable` if the deployment has an environment. */
const phaseOf = ({ rollout_phase, environment }: DeploymentOptions): string =>
  rollout_phase === 'auto' ? (environment === '' ? '' : 'stable') : rollout_phase;

const about = ({ id, environment }: DeploymentOptions) => ({ deployment: id, environment });

function changed(log: Logger, before: DeploymentOptions, now: DeploymentOptions): void {
  const isMoved = before.environment !== now.environment;
  const phase = phaseOf(now);
  const from_environment = isMoved && before.environment !== '' ? before.environment : undefined;
  if (now.environment === '') {
    if (from_environment !== undefined) log.event('deployment_detached', { ...about(now), from_environment });
  } else if (isMoved || phase !== phaseOf(before)) {
    if (phase === 'promoting') log.event('deployment_promoting', about(now));
    else if (phase === 'stable') log.event('deployment_promoted', { ...about(now), from_environment });
  }
  const [from, to] = [before.traffic_weight, now.traffic_weight];
  if (from !== to) log.event('deployment_weight_changed', { ...about(now), from, to });
  const without = (list: readonly ReplicaOptions[], others: readonly ReplicaOptions[]) =>
    list.filter(({ url }) => !others.some((other) => other.url.href === url.href));
  const of = ({ id, url }: ReplicaOptions): Required<EventTable> & { url: string } => ({
    ...about(now),
    replica: id,
    url: url.href,
  });
  for (const replica of without(now.replicas, before.replicas)) log.event('replica_added', of(replica));
  for (const replica of without(before.replicas, now.replicas)) log.event('replica_removed', of(replica));
}

/** Writes an event for each difference between two configurations. `before` is empty at the start of weir. */
export function deploymentEvents(
  log: Logger,
  before: readonly DeploymentOptions[],
  now: readonly DeploymentOptions[],
): void {
  for (const options of now) {
    const known = before.find(({ id }) => id === options.id);
    if (known !== undefined) {
      changed(log, known, options);
      continue;
    }
    log.event('deployment_added', { ...about(options), replicas: options.replicas.length });
    if (phaseOf(options) === 'promoting') log.event('deployment_promoting', about(options));
  }
  for (const options of before)
    if (!now.some(({ id }) => id === options.id)) log.event('deployment_removed', about(options));
}
