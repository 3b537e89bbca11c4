// Connects the replica pool and the data server to the modules that they use.
import type { Webhooks } from '../async/webhook/webhook.ts';
import type { Config } from '../config/config.ts';
import type { Exchanges } from '../core/exchange/exchange.ts';
import type { Logger } from '../core/logger.ts';
import type { ServerCertificate } from '../core/server-certificate.ts';
import type { Proxy } from '../data-plane/proxy/proxy.ts';
import { Pool, replicaEvents, type PoolEvents, type ReplicaPool } from '../data-plane/replicas/pool.ts';
import {
  DataServer,
  type Admission,
  type AsyncQueue,
  type ClientAccess,
} from '../data-plane/server/data-server.ts';
import type { Modules } from './modules.ts';
import type { SharedLimits } from './shared-limits.ts';

export function buildPool(modules: Modules): Pool {
  const { config, log } = modules;
  const events: PoolEvents = {
    ...replicaEvents(log, () => modules.collectors.replicaReady()),
    freeCapacity: (deployment) => modules.queue.capacityFreed(deployment),
    dead(replica) {
      const { child, supervised } = modules;
      const isSupervised = child !== undefined && supervised.urls.has(replica.url);
      log.event(isSupervised ? 'replica_restarting' : 'replica_unhealthy', replica);
      if (isSupervised) child.restart();
    },
  };
  return new Pool(config.deployments, config.pool, events, undefined, modules.threadCount);
}

/** What a data server needs, in any thread. */
export interface DataServerParts {
  readonly config: Config;
  readonly pool: ReplicaPool;
  readonly queue: AsyncQueue;
  readonly exchanges: Exchanges;
  readonly proxy: Proxy;
  readonly webhooks: Pick<Webhooks, 'check'>;
  /** `undefined`: no key is required. */
  readonly access: ClientAccess | undefined;
  readonly admission: Admission | undefined;
  /** A client asks for a replica of the deployment. */
  readonly wake: (deployment: number) => void;
  readonly certificate: ServerCertificate | undefined;
  readonly log: Logger;
  readonly limits: SharedLimits;
}

export function buildDataServer(modules: Modules): DataServer {
  const { config, pool, exchanges, proxy, webhooks, access, admission, log, limits } = modules;
  return newDataServer({
    config,
    pool,
    queue: modules.queueOfRoutes,
    exchanges,
    proxy,
    webhooks,
    access,
    admission,
    wake: (deployment) => modules.autoscaler.wake(deployment),
    certificate: modules.certificates.ingress,
    log,
    limits,
  });
}

export function newDataServer({ config, pool, queue, limits, ...parts }: DataServerParts): DataServer {
  const optionsOf = (id: string) => pool.deployments.find(({ options }) => options.id === id)?.options;
  return new DataServer(
    config.ingress,
    { maxBody: config.proxy.max_body, totalTimeoutMs: config.proxy.total_timeout },
    pool.deployments,
    parts.exchanges,
    parts.proxy,
    {
      queue,
      modelId: config.model.id,
      maxBody: config.async.max_body,
      rates: limits.rates,
      deploymentId: (index) => pool.deployments[index]!.options.id,
      deploymentIndex: (id) => pool.deployments.findIndex(({ options }) => options.id === id),
      keyScope(id) {
        const environment = optionsOf(id)?.environment ?? '';
        return environment === '' ? `deployment ${id}` : `environment ${environment}`;
      },
      checkWebhook: (url) => parts.webhooks.check(url),
    },
    parts.access,
    parts.admission,
    parts.wake,
    parts.certificate,
    parts.log,
    limits,
  );
}
