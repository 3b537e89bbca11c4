// Options of deployments and replicas for unit tests, parsed by the real settings schema.
import { load } from '../../src/config/config.ts';
import type { DeploymentOptions, ReplicaOptions } from '../../src/data-plane/replicas/options.ts';
import type { Config } from '../../src/config/config.ts';

/** A configuration with one replica. No server needs to listen at its URL. */
export function configOf(args: string[] = [], url = 'http://127.0.0.1:9'): Config {
  const loaded = load(['--replica', url, ...args], {});
  if (!loaded.ok) throw new Error(loaded.problems.join('; '));
  return loaded.config;
}

export const replicaOptions = (id: string, url?: string): ReplicaOptions => ({
  ...configOf([], url).deployments[0]!.replicas[0]!,
  id,
});

/** One deployment with replicas of these names, with further changes. */
export const deploymentOptions = (
  names: string[],
  changes: Partial<DeploymentOptions> = {},
): DeploymentOptions => ({
  ...configOf().deployments[0]!,
  replicas: names.map((name, i) => replicaOptions(name, `http://127.0.0.1:${i + 1}`)),
  ...changes,
});
