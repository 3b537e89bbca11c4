// Lifecycle events of a changed configuration: added, promoted, detached, weight changed, removed.
import { describe, expect, it } from 'vitest';
import { Logger } from '../../../src/core/logger.ts';
import type { DeploymentOptions } from '../../../src/data-plane/replicas/options.ts';
import { deploymentEvents } from '../../../src/data-plane/replicas/pool.ts';
import { deploymentOptions } from '../../kit/deployment.ts';

const dep = (changes: Partial<DeploymentOptions> = {}): DeploymentOptions =>
  deploymentOptions(['r0'], { id: 'dep1', environment: 'production', ...changes });

function eventsBetween(before: readonly DeploymentOptions[], now: readonly DeploymentOptions[]): unknown[] {
  const sink = { write: () => undefined, flush: () => undefined, dropped: () => 0 };
  const log = new Logger(sink, { level: 'info', isText: false });
  const events: unknown[] = [];
  log.recorder = ({ name, deployment, environment, replica }) =>
    void events.push([name, deployment, environment, ...(replica === '' ? [] : [replica])]);
  deploymentEvents(log, before, now);
  return events;
}

describe('deploymentEvents', () => {
  it.each<[string, DeploymentOptions[], DeploymentOptions[], unknown[]]>([
    ['writes nothing if nothing has changed', [dep()], [dep()], []],
    ['writes that a deployment was added', [], [dep()], [['deployment_added', 'dep1', 'production']]],
    [
      'writes that a new deployment is being promoted',
      [],
      [dep({ rollout_phase: 'promoting' })],
      [
        ['deployment_added', 'dep1', 'production'],
        ['deployment_promoting', 'dep1', 'production'],
      ],
    ],
    [
      'writes that a deployment was promoted, by its phase',
      [dep({ rollout_phase: 'promoting' })],
      [dep({ rollout_phase: 'auto' })],
      [['deployment_promoted', 'dep1', 'production']],
    ],
    [
      'writes that a deployment was promoted, by its environment',
      [dep({ environment: 'staging' })],
      [dep()],
      [['deployment_promoted', 'dep1', 'production']],
    ],
    [
      'writes that a deployment is being promoted to its first environment',
      [dep({ environment: '' })],
      [dep({ rollout_phase: 'promoting' })],
      [['deployment_promoting', 'dep1', 'production']],
    ],
    [
      'writes that a deployment lost its environment',
      [dep()],
      [dep({ environment: '' })],
      [['deployment_detached', 'dep1', '']],
    ],
    [
      'writes that the weight has changed',
      [dep()],
      [dep({ traffic_weight: 7 })],
      [['deployment_weight_changed', 'dep1', 'production']],
    ],
    [
      'writes that a replica was added and another removed',
      [dep()],
      [dep({ replicas: deploymentOptions(['x', 'new']).replicas.slice(1) })],
      [
        ['replica_added', 'dep1', 'production', 'new'],
        ['replica_removed', 'dep1', 'production', 'r0'],
      ],
    ],
    [
      'writes nothing if a replica is only renamed',
      [dep()],
      [dep({ replicas: deploymentOptions(['renamed']).replicas })],
      [],
    ],
    ['writes that a deployment was removed', [dep()], [], [['deployment_removed', 'dep1', 'production']]],
  ])('%s', (_, before, now, expected) => expect(eventsBetween(before, now)).toEqual(expected));
});
