// Routes of settings and scaling decisions. Secrets are hidden by the caller.
import type { ScaleReading } from '../../scaling/autoscaler.ts';
import { json, type Endpoint } from '../endpoint.ts';

/** Modules of these routes. */
export interface WithSettings {
  readonly scale: () => readonly ScaleReading[];
  /** The settings with their sources, secrets hidden. */
  readonly settings: () => unknown;
}

export const settingsEndpoints: readonly Endpoint<WithSettings>[] = [
  {
    method: 'GET',
    path: '/v1/scale',
    does: 'returns the desired replicas of each deployment, with all inputs of the decision',
    scope: 'admin',
    handle: ({ scale }, _, res) => json(res, 200, { deployments: scale() }),
  },
  {
    method: 'GET',
    path: '/v1/settings',
    does: 'returns all settings with their values and sources; secrets are shown as `***`',
    scope: 'admin',
    handle: ({ settings }, _, res) => json(res, 200, { settings: settings() }),
  },
];
