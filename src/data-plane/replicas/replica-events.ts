// Writes lifecycle events of replicas and deployments to the log (core/events.ts).
// Invariant: every change of a replica's state is one event.
import type { EventSubject } from '../../core/event-table.ts';
import type { Logger } from '../../core/logger.ts';
import type { DeploymentOptions, ReplicaOptions } from './options.ts';
import type { PoolEvents, ReplicaChange } from './pool-events.ts';

const NAMES = {
  starting: 'replica_starting',
  ready: 'replica_ready',
  down: 'replica_down',
  ejected: 'replica_ejected',
  draining: 'replica_drained',
} as const;

function logChange(log: Logger, change: ReplicaChange): void {
  const { to, running, problem, ...replica } = change;
  const facts = { ...replica, problem: problem || undefined };
  if (to === 'draining') log.event('replica_drained', { ...facts, running });
  else log.event(to === 'starting' && change.from === 'draining' ? 'replica_resumed' : NAMES[to], facts);
}

/** Handlers that write lifecycle events of replicas to `log`. `ready` is called when a replica becomes ready. */
export const replicaEvents = (
  log: Logger,
  ready: () => void,
): Pick<PoolEvents, 'changed' | 'reached' | 'failing' | 'resolved'> => ({
  changed(change) {
    if (change.to === 'ready') ready();
    logChange(log, change);
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
export const phaseOf = ({ rollout_phase, environment }: DeploymentOptions): string =>
  rollout_phase === 'auto' ? (environment === '' ? '' : 'stable') : rollout_phase;

const identity = ({ id, environment }: DeploymentOptions) => ({ deployment: id, environment });

function logDifferences(log: Logger, before: DeploymentOptions, now: DeploymentOptions): void {
  const isMoved = before.environment !== now.environment;
  const phase = phaseOf(now);
  const from_environment = isMoved && before.environment !== '' ? before.environment : undefined;
  if (now.environment === '') {
    if (from_environment !== undefined)
      log.event('deployment_detached', { ...identity(now), from_environment });
  } else if (isMoved || phase !== phaseOf(before)) {
    if (phase === 'promoting') log.event('deployment_promoting', identity(now));
    else if (phase === 'stable') log.event('deployment_promoted', { ...identity(now), from_environment });
  }
  const [from, to] = [before.traffic_weight, now.traffic_weight];
  if (from !== to) log.event('deployment_weight_changed', { ...identity(now), from, to });
  const without = (list: readonly ReplicaOptions[], others: readonly ReplicaOptions[]) =>
    list.filter(({ url }) => !others.some((other) => other.url.href === url.href));
  const facts = ({ id, url }: ReplicaOptions): Required<EventSubject> & { url: string } => ({
    ...identity(now),
    replica: id,
    url: url.href,
  });
  for (const replica of without(now.replicas, before.replicas)) log.event('replica_added', facts(replica));
  for (const replica of without(before.replicas, now.replicas)) log.event('replica_removed', facts(replica));
}

/** Writes an event for each difference between two configurations. `before` is empty when weir starts. */
export function deploymentEvents(
  log: Logger,
  before: readonly DeploymentOptions[],
  now: readonly DeploymentOptions[],
): void {
  for (const options of now) {
    const known = before.find(({ id }) => id === options.id);
    if (known !== undefined) {
      logDifferences(log, known, options);
      continue;
    }
    log.event('deployment_added', { ...identity(options), replicas: options.replicas.length });
    if (phaseOf(options) === 'promoting') log.event('deployment_promoting', identity(options));
  }
  for (const options of before)
    if (!now.some(({ id }) => id === options.id)) log.event('deployment_removed', identity(options));
}
