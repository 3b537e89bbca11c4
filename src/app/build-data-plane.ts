// Connects the replica pool and the data server to the modules that they use.
import { Pool, replicaEvents } from '../data-plane/replicas/pool.ts';
import { DataServer } from '../data-plane/server/data-server.ts';
import type { Modules } from './modules.ts';

export function buildPool(modules: Modules): Pool {
  const { config, log } = modules;
  return new Pool(config.deployments, config.pool, {
    ...replicaEvents(log, () => modules.collectors.replicaReady()),
    freeCapacity: (deployment) => modules.queue.capacityFreed(deployment),
    dead(replica) {
      const { child, supervised } = modules;
      const isSupervised = child !== undefined && supervised.urls.has(replica.url);
      log.event(isSupervised ? 'replica_restarting' : 'replica_unhealthy', replica);
      if (isSupervised) child.restart();
    },
  });
}

export function buildDataServer(modules: Modules): DataServer {
  const { config, pool, queue } = modules;
  return new DataServer(
    config.ingress,
    { maxBody: config.proxy.max_body, totalTimeoutMs: config.proxy.total_timeout },
    pool.deployments,
    modules.exchanges,
    modules.proxy,
    {
      queue,
      modelId: config.model.id,
      maxBody: config.async.max_body,
      submitRate: config.async.submit_rate,
      statusRate: config.async.status_rate,
      deploymentId: (index) => pool.deployments[index]!.options.id,
      deploymentIndex: (id) => pool.indexOf(id),
      keyScope(id) {
        const environment = modules.environmentOf(id);
        return environment === '' ? `deployment ${id}` : `environment ${environment}`;
      },
      checkWebhook: (url) => modules.webhooks.check(url),
    },
    modules.access,
    modules.admission,
    (deployment) => modules.autoscaler.wake(deployment),
    modules.certificates.ingress,
    modules.log,
    modules.limits.perAddress,
  );
}
