// Builds every part, introduces them to each other, starts them in order and stops them in reverse.
// Must stay true: it reads like a table of contents. What a part does is in its room; who knows whom is here.
import { Admin } from '../control/admin/admin.ts';
import type { Address } from '../core/settings.ts';
import { formatAddress } from '../core/settings.ts';
import { DataFolder } from '../core/data-folder.ts';
import { WeirError } from '../core/errors.ts';
import { Lifecycle, type Component } from '../core/lifecycle.ts';
import { fileSink, Logger } from '../core/logger.ts';
import {
  ChildSupervisor,
  isLoopbackUrl,
  replicaOf,
  supervised,
} from '../control/child-process/child-process.ts';
import type { Config } from '../config/config.ts';
import { accessLog } from '../core/exchange/access-log.ts';
import { Exchanges } from '../core/exchange/exchange.ts';
import { DataServer, predictPathWarning } from '../data-plane/server/data-server.ts';
import { Kubernetes } from '../collectors/kubernetes/kubernetes.ts';
import { createMetrics, MetricCounters } from '../telemetry/metrics/metrics.ts';
import {
  MAX_DEPLOYMENTS,
  deploymentEvents,
  Pool,
  replicaEvents,
  speaksGrpc,
  type Deployment,
  type DeploymentOptions,
  type Replica,
} from '../data-plane/replicas/pool.ts';
import { Proxy } from '../data-plane/proxy/proxy.ts';
import { Queue, type ClaimedDelivery } from '../async/queue/queue.ts';
import { deliverWebhook, queuedSlotAt } from './queued-requests.ts';
import { openRecording } from './recording.ts';
import { Collectors } from '../collectors/collectors.ts';
import { Autoscaler } from '../control/scaling/autoscaler.ts';
import { ReplicaMetrics } from '../collectors/replica-metrics/replica-metrics.ts';
import { version } from '../core/version.ts';
import { Webhooks, type WebhookDelivery } from '../async/webhook/webhook.ts';

/** What runs, from the outside. */
export interface Sidecar {
  readonly log: Logger;
  readonly addresses: {
    readonly data: Address;
    readonly admin: Address;
    readonly scaler: Address | undefined;
  };
  /** Takes changed deployments and replicas; returns '' or why it cannot, and then nothing has changed. */
  update(deployments: readonly DeploymentOptions[]): string;
  /** Reads the data door's certificate anew; one that is wrong changes nothing. Both is said in the log. */
  renewCertificate(): void;
  /** Passes a signal on to the supervised replica, if there is one. */
  signalChild(signal: NodeJS.Signals): void;
  /** Drains and stops; resolves when nothing of it is left. */
  stop(): Promise<void>;
  /** Ends the drain now. */
  hurry(): void;
}

/** Starts a sidecar. `command` is the replica to supervise, if any; `explain` gives the settings with their sources. */
export async function startSidecar(
  config: Config,
  command: readonly string[] | undefined,
  explain: () => unknown,
): Promise<Sidecar> {
  const isText = config.log.format === 'text' || (config.log.format === 'auto' && process.stdout.isTTY);
  const log = new Logger(fileSink(1), { level: config.log.level, isText });

  const pool: Pool = new Pool(config.deployments, config.pool, {
    ...replicaEvents(log, () => samplers.replicaReady()),
    freeCapacity: (deployment) => queue.freed(deployment),
    dead(replica) {
      const isSupervised = child !== undefined && own.urls.has(replica.url);
      log.event(isSupervised ? 'replica_restarting' : 'replica_unhealthy', replica);
      if (isSupervised) child.restart();
    },
  });
  const deploymentIndex = (id: string) => pool.deployments.findIndex(({ options }) => options.id === id);
  // It may have been removed from the configuration since.
  const environmentOf = (id: string) => pool.deployments[deploymentIndex(id)]?.options.environment ?? '';
  const current = () => pool.deployments.filter(({ isGone }) => !isGone);
  const own = supervised(config.deployments);
  let ownReplica = command && replicaOf(own, config.deployments);
  const recording = openRecording(config, log, ownReplica, environmentOf);
  const child =
    command &&
    new ChildSupervisor(
      command,
      config.child,
      log,
      () => pool.restarted(own.urls),
      recording.output,
      () => ownReplica ?? {},
    );
  /** What others ask of each replica that the configuration names. */
  const serving = <T>(ask: (replica: Replica, deployment: Deployment) => T): T[] =>
    pool.deployments.flatMap((deployment) =>
      deployment.replicas.filter(({ isLeaving }) => !isLeaving).map((replica) => ask(replica, deployment)),
    );

  const kubernetes = new Kubernetes(config.kubernetes, log);
  const podsAre = config.deployments.findIndex(({ id }) => id === config.kubernetes.deployment);
  const followed = config.kubernetes.pods === 'off' ? undefined : Math.max(0, podsAre);
  const scraper = new ReplicaMetrics(
    config.merge_metrics,
    () =>
      serving(({ id, url, tls }, { options }) => ({ deployment: options.id, id, url, tls }))
        .filter(({ url }) => !speaksGrpc(url))
        .map(({ deployment, id, url: { host, port, authority }, tls }) => ({
          deployment,
          id,
          url: { host, port, authority, tls },
        })),
    log,
  );

  const exchanges = new Exchanges(config.identity);
  const proxy = new Proxy(pool, exchanges, config.proxy);
  const samplers: Collectors = new Collectors(
    config.samplers,
    {
      replicas: () =>
        serving(({ id, url: { host, port }, options: { gpus, container } }, { index }) => ({
          deployment: index,
          id,
          host,
          port,
          gpus,
          container,
        })),
      childPid: () => child?.pid,
      processEnded: ({ deployment, replica: its }) =>
        pool.deployments[deployment]?.replicaSet.processEnded(
          ({ id, isLeaving }) => id === its && !isLeaving,
        ),
    },
    log,
  );
  if (child) child.ended = () => pool.processEnded(own.urls);
  const counters = new MetricCounters(config.metrics, MAX_DEPLOYMENTS, deploymentIndex);
  const webhooks: Webhooks = new Webhooks(config.webhook, {
    // Whoever can reach us could have us call this machine; where only this machine can, he could himself.
    isLoopbackAllowed: isLoopbackUrl(config.ingress.listen.host),
    ownPorts: () => [ingress.address.port, admin.address.port],
  });
  const wasDelivered = (delivery: ClaimedDelivery, made: WebhookDelivery) => {
    counters.async.delivered(delivery.deployment, made.durationMs / 1000);
    recording.delivered(delivery, made, environmentOf(delivery.deployment));
  };
  const outbox = { attempts: 2, retryDelayMs: 2000, concurrency: config.webhook.concurrency };
  const queue: Queue = new Queue(config.async, outbox, {
    log,
    folder: config.data.dir,
    deployments: () => current().map(({ options }) => options.id),
    seat: (deployment) => queuedSlotAt(proxy.seat(deploymentIndex(deployment)), config.async),
    started: (deployment, seconds) => counters.async.started(deployment, seconds),
    ended: (deployment, outcome) => counters.async.ended(deployment, outcome),
    deliver: (delivery) => deliverWebhook(webhooks, config.model.id, delivery, wasDelivered),
  });
  const scale: Autoscaler = new Autoscaler(config.scale, {
    deployments: () =>
      current().map(({ index, options, replicas }) => ({
        index,
        id: options.id,
        concurrencyTarget: options.concurrency_target,
        // An address that stands for any number of pods does not show their number.
        current:
          index === followed
            ? kubernetes.figures()?.all
            : replicas.filter(({ isLeaving }) => !isLeaving).length,
      })),
    changed: (change) => log.event('deployment_scaled', change),
    asyncLoad(deployment) {
      const { queued, inProgress } = queue.depth(deployment);
      return queued + inProgress;
    },
  });
  const metrics = createMetrics(config.model, counters, {
    build: { version, node: process.versions.node },
    pool,
    proxy,
    pods: {
      followed,
      figures: () => kubernetes.figures(),
      childRestarts: (deployment) => (deployment === own.deployment ? child?.restarts : undefined),
    },
    collectors: samplers,
    replicaMetrics: scraper,
    queue,
    webhooks,
    autoscaler: scale,
    logStore: () => recording.logs && { ...recording.logs.figures, bodiesSkipped: recording.bodiesSkipped() },
    exporters: recording.connections,
    output: log.sink,
  });
  exchanges.observe(counters.inFlight);
  exchanges.observe(scale.observer);
  recording.observe(exchanges, (index) => pool.deployments[index]?.options);
  exchanges.observe(predictPathWarning(log, (index) => pool.deployments[index]?.options));
  if (config.log.access)
    exchanges.observe(accessLog(log.sink, isText, (index) => pool.deployments[index]?.options));

  const ingress: DataServer = new DataServer(
    config.ingress,
    { maxBody: config.proxy.max_body, totalTimeoutMs: config.proxy.total_timeout },
    pool.deployments,
    exchanges,
    proxy,
    {
      queue,
      modelId: config.model.id,
      maxBody: config.async.max_body,
      submitRate: config.async.submit_rate,
      statusRate: config.async.status_rate,
      deploymentId: (index) => pool.deployments[index]!.options.id,
      deploymentIndex,
      keyScope(id) {
        const environment = environmentOf(id);
        return environment === '' ? `deployment ${id}` : `environment ${environment}`;
      },
      checkWebhook: (url) => webhooks.check(url),
    },
    (deployment) => scale.wake(deployment),
  );
  let isAccepting = true;
  const admin: Admin = new Admin(
    config.admin,
    config.data.dir,
    {
      metrics,
      pool,
      scale: () => scale.readings(),
      isAccepting: () => isAccepting,
      settings: explain,
      logs: recording.logs,
      connections: recording.connections,
      limitsDownloads: !config.logs.download_unlimited,
      modelId: config.model.id,
      targets() {
        const there = current().map(({ options }) => options);
        return {
          deployments: there.map(({ id }) => id),
          environments: there.map(({ environment }) => environment).filter((name) => name !== ''),
        };
      },
      spansOf: (record) => recording.spansOf(record),
    },
    log,
  );

  // Stopped in reverse: the data door drains while the admin door still answers, the child goes when nobody needs it.
  const parts: Component[] = [];
  // First to start and last to stop. Not needed if neither records nor tasks are kept on disk.
  if (recording.logs || config.async.store === 'file')
    parts.push(new DataFolder(config.data.dir, recording.logs ? ['logs'] : [], log));
  parts.push(...recording.parts, counters.eventLoop, samplers, kubernetes, scraper, admin, scale);
  if (child) parts.push(child);
  const tellDeployments = () => deploymentEvents(log, [], config.deployments);
  parts.push(queue, { name: 'deployments', start: tellDeployments, stop: () => undefined });
  parts.push(pool, { name: 'proxy', start: () => undefined, stop: () => proxy.close() }, ingress);
  const lifecycle = new Lifecycle(parts, log);
  try {
    await lifecycle.start();
  } catch (error) {
    log.sink.flush();
    throw error;
  }
  const addresses = { data: ingress.address, admin: admin.address, scaler: scale.address };
  recording.isUp = true;
  log.event('weir_started', {
    version,
    data: formatAddress(addresses.data),
    admin: formatAddress(addresses.admin),
    scaler: addresses.scaler && formatAddress(addresses.scaler),
  });

  const sayCertificate = (): void => {
    const { certificate } = ingress;
    if (certificate === undefined) return;
    const { names, validToMs } = certificate;
    const say = validToMs < Date.now() ? log.warn : log.info;
    say('certificate', { names, valid_until: new Date(validToMs).toISOString() });
  };
  sayCertificate();

  let hurry = (): void => undefined;
  const hurried = new Promise<void>((resolve) => (hurry = resolve));
  return {
    log,
    addresses,
    update(deployments) {
      const before = current().map(({ options }) => options);
      const problem = pool.update(deployments);
      if (problem !== '') return problem;
      ingress.reroute(current());
      ownReplica = (command && replicaOf(own, deployments)) ?? ownReplica;
      recording.move(deployments, ownReplica);
      deploymentEvents(log, before, deployments);
      return '';
    },
    renewCertificate() {
      try {
        if (ingress.renewCertificate()) sayCertificate();
      } catch (error) {
        if (!(error instanceof WeirError)) throw error;
        log.event('certificate_refused', { problem: error.message });
      }
    },
    signalChild: (signal) => child?.signal(signal),
    hurry: () => hurry(),
    async stop() {
      isAccepting = false;
      pool.startDraining();
      queue.pause();
      scale.leave();
      log.event('weir_draining', {
        running: exchanges.openCount,
        timeout_ms: config.ingress.drain_timeout,
        hint: 'a second SIGINT or SIGTERM ends the drain now',
      });
      await Promise.race([
        new Promise((resolve) => setTimeout(resolve, config.ingress.drain_delay)),
        hurried,
      ]);
      void hurried.then(() => {
        proxy.abortAll('draining');
        ingress.endDrain();
      });
      await lifecycle.stop(performance.now() + config.ingress.drain_timeout);
      log.flushEvents();
      log.sink.flush();
    },
  };
}
