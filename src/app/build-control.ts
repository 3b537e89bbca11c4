// Connects the admin server, the autoscaler and the supervised process to the modules that they use.
import type { ExplainedSetting } from '../core/explained-setting.ts';
import { formatAddress } from '../core/address.ts';
import { Admin, Overview } from '../control/admin/admin.ts';
import { ChildSupervisor } from '../control/child-process/child-process.ts';
import { Autoscaler, type ScaledDeployment } from '../control/scaling/autoscaler.ts';
import { version } from '../core/version.ts';
import type { Deployment } from '../data-plane/replicas/pool.ts';
import type { Modules } from './modules.ts';

export function buildChild(modules: Modules, command: readonly string[]): ChildSupervisor {
  const { config, log, pool, supervised, logPipeline } = modules;
  const child = new ChildSupervisor(
    command,
    config.child,
    log,
    () => pool.restarted(supervised.urls),
    logPipeline.output,
    () => modules.ownReplica ?? {},
  );
  child.ended = () => pool.processEnded(supervised.urls);
  return child;
}

export function buildAutoscaler(modules: Modules): Autoscaler {
  const { config, log, pool, queue } = modules;
  return new Autoscaler(config.scale, {
    deployments: () => pool.current.map((deployment) => scaledDeployment(modules, deployment)),
    changed: (change) => log.event('deployment_scaled', change),
    asyncLoad(deployment) {
      const { queued, inProgress } = queue.depth(deployment);
      return queued + inProgress;
    },
    log,
    certificate: modules.certificates.scale,
  });
}

function scaledDeployment(
  { podDeployment, kubernetes }: Modules,
  { index, options, replicas }: Deployment,
): ScaledDeployment {
  return {
    index,
    id: options.id,
    concurrencyTarget: options.concurrency_target,
    // One configured address may stand for any number of pods, so pods are counted by Kubernetes.
    current:
      index === podDeployment
        ? kubernetes.figures()?.all
        : replicas.filter(({ isLeaving }) => !isLeaving).length,
  };
}

/** State of the log store; `undefined` if nothing is stored. */
function storeReading({ config, logPipeline }: Modules) {
  if (logPipeline.logs === undefined) return undefined;
  const { dropped, lagSeconds, storeBytes } = logPipeline.logs.figures;
  return {
    lost: Array.from(dropped.values()).reduce((sum, count) => sum + count, 0),
    lagSeconds,
    bytes: storeBytes,
    maxBytes: config.logs.max_bytes,
  };
}

export function buildOverview(modules: Modules): Overview {
  const { config, pool, supervised, queue, webhooks, logPipeline } = modules;
  return new Overview({
    version,
    pool,
    scale: () => modules.autoscaler.readings(),
    // One configured address may stand for any number of pods.
    activeOf: (deployment) =>
      deployment.index === modules.podDeployment
        ? modules.kubernetes.figures()?.active
        : deployment.count('ready'),
    scaleWindowMs: config.scale.autoscaling_window,
    isFollowed: (deployment) => config.scale.keda || deployment === modules.podDeployment,
    collectors: modules.collectors,
    restartsOf: ({ url }) => (supervised.urls.has(url.href) ? modules.child?.restarts : undefined),
    asyncDepth: (deployment) => queue.depth(deployment),
    nextToExpire: () => queue.nextToExpire(),
    failedTasks: (deployment) => modules.counters.async.outcome(deployment, 'FAILED'),
    webhooks: () => webhooks.counts,
    exporters: () => exporterRows(logPipeline.connections),
    store: () => storeReading(modules),
    currency: () => modules.prices.currency,
    isDraining: () => modules.drain.isRunning,
  });
}

/** State of all exporters. */
const exporterRows = (connections: Modules['logPipeline']['connections']) =>
  (connections?.list() ?? []).map(({ id, name, signal }) => {
    const { state, last_error, lag_seconds, queue_records, sent, dropped } = connections!.status(id)!;
    return {
      id,
      name: typeof name === 'string' && name !== '' ? name : id,
      signal: signal as string,
      state,
      why: state === 'running' ? '' : last_error,
      lag_s: Math.round(lag_seconds * 10) / 10,
      waiting: queue_records,
      sent,
      dropped,
    };
  });

export function buildAdmin(modules: Modules, explain: () => readonly ExplainedSetting[]): Admin {
  const { config, log, pool, logPipeline } = modules;
  const scheme = config.ingress.tls.cert === '' ? 'http' : 'https';
  return new Admin(
    config.admin,
    {
      keys: modules.keys,
      metrics: modules.metrics,
      overview: modules.overview,
      facts: {
        version,
        model: { id: config.model.id, name: config.model.name },
        capture: config.logs.capture,
        retentionMs: config.logs.retention,
        store: () => storeReading(modules),
      },
      pool,
      scale: () => modules.autoscaler.readings(),
      isAccepting: () => !modules.drain.isRunning,
      settings: explain,
      logs: logPipeline.logs,
      connections: logPipeline.connections,
      prices: modules.prices,
      limitsDownloads: !config.logs.download_unlimited,
      modelId: config.model.id,
      tasks: modules.queue,
      capture: logPipeline.captureRules,
      targets() {
        const current = pool.current.map(({ options }) => options);
        return {
          deployments: current.map(({ id }) => id),
          environments: current.map(({ environment }) => environment).filter((name) => name !== ''),
        };
      },
      spansOf: (record) => logPipeline.spansOf(record),
      exports: modules.exports,
      scoring: modules.scoring,
      deletions: modules.logPipeline.deletions,
      backups: modules.logPipeline.backups,
      btql: logPipeline.btql,
      projects: modules.projects,
      attachments: modules.attachments,
      maxAttachmentBytes: config.projects.max_attachment,
      urls: modules.urls,
      views: modules.views,
      downloads: modules.downloads,
      dataUrl(host) {
        const { path, port } = modules.dataServer.address;
        return `${scheme}://${path === undefined ? formatAddress({ host, port }) : host}`;
      },
    },
    log,
    modules.certificates.admin,
  );
}
