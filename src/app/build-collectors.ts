// Connects the collectors and the metrics page to the modules that they read.
import { Collectors } from '../collectors/collectors.ts';
import { ReplicaMetrics } from '../collectors/replica-metrics/replica-metrics.ts';
import { version } from '../core/version.ts';
import { MAX_DEPLOYMENTS, speaksGrpc } from '../data-plane/replicas/pool.ts';
import { createMetrics, type Measured } from '../telemetry/metrics/metrics.ts';
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
          url: { host: url.host, port: url.port, authority: url.authority, tls },
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

export function buildMetrics(modules: Modules): Measured {
  const { config, log, pool, proxy, child, kubernetes, replicaMetrics, logPipeline, supervised } = modules;
  return createMetrics(config.metrics, config.model, pool, {
    build: { version, node: process.versions.node },
    connections: () => proxy.connections(),
    pods: {
      followed: modules.podDeployment,
      figures: () => kubernetes.figures(),
      childRestarts:
        child && ((deployment) => (deployment === supervised.deployment ? child.restarts : undefined)),
    },
    merged: { pages: () => replicaMetrics.pages(), readings: () => replicaMetrics.readings() },
    droppedLines: () => log.sink.dropped(),
    repeats: (deployment) => proxy.retries(deployment),
    maxDeployments: MAX_DEPLOYMENTS,
    async: {
      depth: (deployment) => modules.queue.depth(deployment),
      webhooks: () => modules.webhooks.counts,
    },
    samplers: modules.collectors,
    scale: () => modules.autoscaler.readings(),
    logs: () => logPipeline.logs && { ...logPipeline.logs.figures, bodiesSkipped: logPipeline.bodiesSkipped },
    exports: () => logPipeline.connections?.readings() ?? [],
  });
}
