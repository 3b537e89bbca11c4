// What is set, and what follows from it. Must stay true: secrets are hidden before they come here.
import type { ScaleReading } from '../../scaling/autoscaler.ts';
import { json, type Endpoint } from '../endpoint.ts';

/** What these routes need to know. */
export interface WithSettings {
  readonly scale: () => readonly ScaleReading[];
  /** The settings with their sources, secrets hidden. */
  readonly settings: () => unknown;
}

export const settingsEndpoints: readonly Endpoint<WithSettings>[] = [
  {
    method: 'GET',
    path: '/v1/scale',
    does: 'how many replicas there should be, and every figure that decided it',
    scope: 'admin',
    answer: ({ scale }, _, res) => json(res, 200, { deployments: scale() }),
  },
  {
    method: 'GET',
    path: '/v1/settings',
    does: 'every setting, its value and where it came from; secrets as `***`',
    scope: 'admin',
    answer: ({ settings }, _, res) => json(res, 200, { settings: settings() }),
  },
];
