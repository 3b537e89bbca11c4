// The events of a changed configuration: added, promoted, detached, weighted, removed.
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

describe('a configuration that changes', () => {
  it.each<[string, DeploymentOptions[], DeploymentOptions[], unknown[]]>([
    ['nothing', [dep()], [dep()], []],
    ['the first one', [], [dep()], [['deployment_added', 'dep1', 'production']]],
    [
      'one that comes as a candidate',
      [],
      [dep({ rollout_phase: 'promoting' })],
      [
        ['deployment_added', 'dep1', 'production'],
        ['deployment_promoting', 'dep1', 'production'],
      ],
    ],
    [
      'a candidate becomes the current one',
      [dep({ rollout_phase: 'promoting' })],
      [dep({ rollout_phase: 'auto' })],
      [['deployment_promoted', 'dep1', 'production']],
    ],
    [
      'another environment',
      [dep({ environment: 'staging' })],
      [dep()],
      [['deployment_promoted', 'dep1', 'production']],
    ],
    [
      'an environment, where it had none',
      [dep({ environment: '' })],
      [dep({ rollout_phase: 'promoting' })],
      [['deployment_promoting', 'dep1', 'production']],
    ],
    ['no environment any more', [dep()], [dep({ environment: '' })], [['deployment_detached', 'dep1', '']]],
    [
      'another weight',
      [dep()],
      [dep({ traffic_weight: 7 })],
      [['deployment_weight_changed', 'dep1', 'production']],
    ],
    [
      'another replica at another address',
      [dep()],
      [dep({ replicas: deploymentOptions(['x', 'new']).replicas.slice(1) })],
      [
        ['replica_added', 'dep1', 'production', 'new'],
        ['replica_removed', 'dep1', 'production', 'r0'],
      ],
    ],
    [
      'a replica that only has another name',
      [dep()],
      [dep({ replicas: deploymentOptions(['renamed']).replicas })],
      [],
    ],
    ['it is gone', [dep()], [], [['deployment_removed', 'dep1', 'production']]],
  ])('%s', (_, before, now, expected) => expect(eventsBetween(before, now)).toEqual(expected));
});
