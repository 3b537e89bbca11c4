// All settings in one schema. Invariant: a setting is defined in the options.ts of its module, never here.
import { adminOptions } from '../control/admin/options.ts';
import { dataOptions, logOptions, threadsOption } from '../core/options.ts';
import { settingsIn } from '../core/read-settings.ts';
import { section, type SettingInfo, type Settings } from '../core/settings.ts';
import { clientKeysOptions } from '../core/keys/options.ts';
import { childOptions } from '../control/child-process/options.ts';
import { exportJobsOptions } from '../telemetry/exports/options.ts';
import { exportOptions } from '../telemetry/otlp-export/options.ts';
import { identityOptions } from '../core/exchange/options.ts';
import { dataServerOptions } from '../data-plane/server/options.ts';
import { kubernetesOptions } from '../collectors/kubernetes/options.ts';
import { metricsOptions } from '../telemetry/metrics/options.ts';
import { deploymentOptions, modelOptions, poolOptions } from '../data-plane/replicas/options.ts';
import { llmOptions } from '../telemetry/llm/options.ts';
import { logsOptions } from '../telemetry/logs/options.ts';
import { replicaMetricsOptions } from '../collectors/replica-metrics/options.ts';
import { proxyOptions } from '../data-plane/proxy/options.ts';
import { projectsOptions } from '../telemetry/projects/options.ts';
import { queueOptions } from '../async/queue/options.ts';
import { collectorsOptions } from '../collectors/options.ts';
import { scoringOptions } from '../telemetry/scoring/options.ts';
import { scaleOptions } from '../control/scaling/options.ts';
import { traceOptions } from '../telemetry/tracing/options.ts';
import { webhookOptions } from '../async/webhook/options.ts';

export const schema = section({
  threads: threadsOption,
  data: dataOptions,
  model: modelOptions,
  deployments: deploymentOptions,
  ingress: dataServerOptions,
  client_keys: clientKeysOptions,
  identity: identityOptions,
  pool: poolOptions,
  proxy: proxyOptions,
  async: queueOptions,
  webhook: webhookOptions,
  llm: llmOptions,
  logs: logsOptions,
  projects: projectsOptions,
  trace: traceOptions,
  scale: scaleOptions,
  child: childOptions,
  samplers: collectorsOptions,
  metrics: metricsOptions,
  merge_metrics: replicaMetricsOptions,
  kubernetes: kubernetesOptions,
  export: exportOptions,
  export_jobs: exportJobsOptions,
  scoring: scoringOptions,
  admin: adminOptions,
  log: logOptions,
});
export type Config = Settings<typeof schema>;

/** One setting with all its names. */
export interface Setting {
  /** `pool.probe_interval`; items of lists have `[]`. */
  readonly key: string;
  readonly path: readonly string[];
  /** Names without dashes. Settings in lists have none, since only a file can set them, except those of deployments. */
  readonly flags: readonly string[];
  readonly variables: readonly string[];
  readonly info: SettingInfo;
}

/** Every setting, in the order of the schema. */
export const settings: readonly Setting[] = settingsIn(schema).map(({ path, info }) => {
  const isOfDeployment = path[0] === 'deployments' && path.length === 3;
  const names = isOfDeployment
    ? [`deployment-${path[2]}`]
    : path.includes('[]')
      ? []
      : [path.join('-'), ...(info.alias ? [info.alias] : [])];
  return {
    key: path.join('.').replaceAll('.[]', '[]'),
    path,
    flags: names.map((name) => name.replaceAll('_', '-')),
    variables: names.map((name) => `WEIR_${name.replaceAll('-', '_').toUpperCase()}`),
    info,
  };
});
