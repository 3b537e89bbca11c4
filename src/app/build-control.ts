// Connects the admin server, the autoscaler and the supervised process to the modules that they use.
import type { ExplainedSetting } from '../core/explained-setting.ts';
import { formatAddress } from '../core/address.ts';
import { Admin } from '../control/admin/admin.ts';
import { ChildSupervisor } from '../control/child-process/child-process.ts';
import { Autoscaler, type ScaledDeployment } from '../control/scaling/autoscaler.ts';
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

export function buildAdmin(modules: Modules, explain: () => readonly ExplainedSetting[]): Admin {
  const { config, log, pool, logPipeline } = modules;
  const scheme = config.ingress.tls.cert === '' ? 'http' : 'https';
  return new Admin(
    config.admin,
    {
      keys: modules.keys,
      metrics: modules.metrics,
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
      dataUrl(host) {
        const { path, port } = modules.dataServer.address;
        return `${scheme}://${path === undefined ? formatAddress({ host, port }) : host}`;
      },
    },
    log,
    modules.certificates.admin,
  );
}
