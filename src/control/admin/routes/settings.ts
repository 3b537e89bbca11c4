// Routes of settings and scaling decisions. Secrets are hidden by the caller.
import type { ScaleReading } from '../../scaling/autoscaler.ts';
import type { ExplainedSetting } from '../../../core/explained-setting.ts';
import type { SettingAnswer } from '../answers/settings-answers.ts';
import { json, queryOf, type Endpoint } from '../endpoint.ts';
import { withParam } from '../with-param.ts';
import { failQuery } from './logs.ts';

/** Modules of these routes. */
export interface WithSettings {
  readonly scale: () => readonly ScaleReading[];
  /** The settings with their sources, secrets hidden. */
  readonly settings: () => readonly ExplainedSetting[];
}

const withoutDocs = ({ key, value, origin }: ExplainedSetting): SettingAnswer => ({ key, value, origin });

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
    does: 'returns all settings with their values and origins; `with=docs` adds what each `does`, its `type`, `default`, `is_default` and `takes_restart`; secrets are shown as `***`',
    scope: 'admin',
    handle({ settings }, req, res) {
      const asked = withParam(queryOf(req), ['docs']);
      if ('problems' in asked) return failQuery(req, res, asked.problems);
      const all: readonly SettingAnswer[] = settings();
      json(res, 200, { settings: asked.has('docs') ? all : settings().map(withoutDocs) });
    },
  },
];
