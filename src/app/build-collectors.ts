// Connects the collectors and the metrics page to the modules that they read.
import { Collectors } from '../collectors/collectors.ts';
import { ReplicaMetrics } from '../collectors/replica-metrics/replica-metrics.ts';
import { version } from '../core/version.ts';
import { agentFor, speaksGrpc } from '../data-plane/replicas/pool.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics/metrics.ts';
import type { Modules } from './modules.ts';

/** Scrapes the metrics pages of all HTTP replicas; gRPC replicas have none. */
export const buildReplicaMetrics = ({ config, log, pool }: Modules): ReplicaMetrics =>
  new ReplicaMetrics(
    config.merge_metrics,
    () =>
      pool
        .configuredReplicas()
        .filter(({ replica }) => !speaksGrpc(replica.url))
        .map(({ deployment, replica: { id, url, tls } }) => ({
          deployment: deployment.options.id,
          id,
          url: {
            host: url.host,
            port: url.port,
            path: url.path,
            authority: url.authority,
            tls,
            agent: agentFor({ url, tls }),
          },
        })),
    log,
  );

export function buildCollectors(modules: Modules): Collectors {
  const { config, log, pool } = modules;
  return new Collectors(
    config.samplers,
    {
      replicas: () =>
        pool.configuredReplicas().map(({ deployment, replica: { id, url, options } }) => ({
          deployment: deployment.index,
          id,
          host: url.host,
          port: url.port,
          gpus: options.gpus,
          container: options.container,
        })),
      childPid: () => modules.child?.pid,
      processEnded: ({ deployment, replica }) =>
        pool.deployments[deployment]?.replicaSet.processEnded(
          ({ id, isLeaving }) => id === replica && !isLeaving,
        ),
    },
    log,
  );
}

export function buildMetrics(modules: Modules): Metrics {
  const { config, log, child, supervised, logPipeline } = modules;
  return createMetrics(config.model, modules.counters, {
    build: { version, node: process.versions.node },
    pool: modules.pool,
    proxy: modules.proxy,
    replicaConnections: () => modules.counters.connections(modules.proxy.connections()),
    pods: {
      followed: modules.podDeployment,
      figures: () => modules.kubernetes.figures(),
      childRestarts: (deployment) => (deployment === supervised.deployment ? child?.restarts : undefined),
    },
    collectors: modules.collectors,
    replicaMetrics: modules.replicaMetrics,
    queue: modules.queue,
    clients: modules.keyUses,
    webhooks: modules.webhooks,
    autoscaler: modules.autoscaler,
    logStore: () => logPipeline.logs?.figures,
    exporters: logPipeline.connections,
    scoring: modules.scoring,
    output: log.sink,
    crowdedConnections: () => modules.limits.perAddress.refused + modules.admin.perAddress.refused,
    certificates: () => modules.certificates.all,
  });
}
