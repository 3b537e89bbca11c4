// Creates every module of a sidecar. Nothing is started here.
// Invariant: a module calls another one only after the start, since fields further down are not assigned yet.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { Kubernetes } from '../collectors/kubernetes/kubernetes.ts';
import type { Collectors } from '../collectors/collectors.ts';
import type { ReplicaMetrics } from '../collectors/replica-metrics/replica-metrics.ts';
import type { ExplainedSetting } from '../core/explained-setting.ts';
import { DataFolder } from '../core/data-folder.ts';
import { KeyStore } from '../core/keys/key-store.ts';
import { KeyLastUses } from '../core/keys/key-last-uses.ts';
import { KeyUses } from '../core/keys/key-uses.ts';
import { Exchanges } from '../core/exchange/exchange.ts';
import { Certificates } from './server-certificates.ts';
import { stepLog } from '../core/exchange/step-log.ts';
import { fileSink, Logger } from '../core/logger.ts';
import { UrlSigner } from '../core/url-signer.ts';
import { Downloads, Views, type Admin, type Overview } from '../control/admin/admin.ts';
import {
  replicaOf,
  supervised,
  type ChildSupervisor,
  type NamedReplica,
  type Supervised,
} from '../control/child-process/child-process.ts';
import type { Autoscaler } from '../control/scaling/autoscaler.ts';
import { Proxy } from '../data-plane/proxy/proxy.ts';
import { MAX_DEPLOYMENTS, type Pool } from '../data-plane/replicas/pool.ts';
import {
  Admission,
  ClientAccess,
  missedPathWarning,
  type MissedPath,
  OpenPaths,
  Overload,
  type DataServer,
} from '../data-plane/server/data-server.ts';
import type { Queue } from '../async/queue/queue.ts';
import type { Webhooks } from '../async/webhook/webhook.ts';
import { Exports } from '../telemetry/exports/exports.ts';
import { Prices } from '../telemetry/llm/prices.ts';
import { Scoring } from '../telemetry/scoring/scoring.ts';
import { Attachments, Projects } from '../telemetry/projects/projects.ts';
import { MetricCounters, type Metrics } from '../telemetry/metrics/metrics.ts';
import { buildCollectors, buildMetrics, buildReplicaMetrics } from './build-collectors.ts';
import { buildAdmin, buildAutoscaler, buildChild, buildOverview } from './build-control.ts';
import { buildDataServer, buildPool } from './build-data-plane.ts';
import { buildQueue, buildWebhooks } from './build-queue.ts';
import { Drain } from './drain.ts';
import { EarlierWeirs } from './restart/earlier-weirs.ts';
import { QueueOfRoutes } from './restart/queue-of-routes.ts';
import { observersOf } from './observers.ts';
import { LogPipeline } from './log-pipeline.ts';
import { DataThreads } from './threads/data-threads.ts';
import { SharedLimits } from './shared-limits.ts';
import { RecorderClient } from '../telemetry/logs/logs.ts';

const STDOUT = 1;
/** Folder of export jobs in the data folder. */
const EXPORTS = 'exports';
/** Folder of the files of downloads in the data folder. */
const DOWNLOADS = 'downloads';

export class Modules {
  readonly config: Config;
  /** Number of data threads, the main thread included. */
  readonly threadCount: number;
  readonly isTextLog: boolean;
  readonly recorder: RecorderClient;
  readonly log: Logger;
  readonly certificates: Certificates;
  /** Logs that a replica does not know `predict_path`. */
  readonly pathMissed: (missed: MissedPath) => void;
  /** Replicas that the supervised process serves. */
  readonly supervised: Supervised;
  /** The supervised replica by its current name; `undefined` without a command. */
  ownReplica: NamedReplica | undefined;
  /** Index of the deployment whose replicas are Kubernetes pods; `undefined`: none. */
  readonly podDeployment: number | undefined;
  readonly counters: MetricCounters;
  readonly limits: SharedLimits;
  readonly pool: Pool;
  readonly logPipeline: LogPipeline;
  /** `undefined`: nothing is kept on disk. */
  readonly dataFolder: DataFolder | undefined;
  /** Signs every URL that is used without a key. Its key is in the data folder, if there is one. */
  readonly urls = new UrlSigner();
  /** Keys of the admin API and of clients. */
  readonly keys: KeyStore;
  readonly keyUses: KeyUses;
  readonly keyLastUses: KeyLastUses;
  /** `undefined`: the data server requires no key. */
  readonly access: ClientAccess | undefined;
  readonly overload: Overload;
  readonly admission: Admission | undefined;
  readonly prices: Prices;
  readonly projects: Projects;
  readonly attachments: Attachments;
  /** Saved views of the page. */
  readonly views: Views;
  /** Export jobs; `undefined` without a log store. */
  readonly exports: Exports | undefined;
  /** Downloads as jobs; `undefined` without a log store. */
  readonly downloads: Downloads | undefined;
  /** Online scoring; `undefined` without a log store. */
  readonly scoring: Scoring | undefined;
  readonly child: ChildSupervisor | undefined;
  readonly kubernetes: Kubernetes;
  readonly replicaMetrics: ReplicaMetrics;
  readonly exchanges: Exchanges;
  readonly proxy: Proxy;
  readonly collectors: Collectors;
  readonly webhooks: Webhooks;
  readonly queue: Queue;
  readonly queueOfRoutes: QueueOfRoutes;
  /** `undefined`: this weir replaces no other one, or nothing is kept on disk. */
  readonly earlierWeirs: EarlierWeirs | undefined;
  readonly autoscaler: Autoscaler;
  readonly metrics: Metrics;
  readonly dataServer: DataServer;
  /** The other data threads. */
  readonly threads: DataThreads;
  readonly drain: Drain;
  readonly overview: Overview;
  readonly admin: Admin;

  /**
   * Throws a WeirError for settings that cannot be used, such as an unreadable certificate. `replacesAnother`: another weir
   * has started this one to take its place.
   */
  constructor(
    config: Config,
    command: readonly string[] | undefined,
    explain: () => readonly ExplainedSetting[],
    replacesAnother = false,
  ) {
    this.config = config;
    this.threadCount = config.threads === 'auto' ? availableParallelism() : config.threads;
    const { format, level } = config.log;
    this.isTextLog = format === 'text' || (format === 'auto' && process.stdout.isTTY);
    // The access log and weir's own log are written by one thread, which keeps their order.
    this.recorder = new RecorderClient({
      fd: config.log.access ? STDOUT : -1,
      isText: this.isTextLog,
      threads: this.threadCount,
      hasBodies: [config.logs, ...config.logs.routes].some(({ capture }) => capture === 'full'),
    });
    const sink = config.log.access ? this.recorder.sink : fileSink(STDOUT);
    this.log = new Logger(sink, { level, isText: this.isTextLog });
    this.pathMissed = missedPathWarning(this.log);
    this.limits = new SharedLimits(config, this.threadCount);
    this.certificates = new Certificates(config, this.log, this.limits.refusedHandshakes);
    this.supervised = supervised(config.deployments);
    this.ownReplica = command && replicaOf(this.supervised, config.deployments);
    this.podDeployment = podDeployment(config);
    this.counters = new MetricCounters(
      { metrics: config.metrics, models: config.llm, maxDeployments: MAX_DEPLOYMENTS },
      (id) => this.pool.indexOf(id),
      this.threadCount,
    );
    this.pool = buildPool(this);
    this.logPipeline = new LogPipeline(config, this.recorder, this.log, this.ownReplica, {
      environmentOf: (id) => this.environmentOf(id),
      folderId: () => this.dataFolder!.id,
      priceLists: () => this.prices.lists,
    });
    this.dataFolder = this.#newDataFolder();
    this.exports = this.#newExports();
    this.downloads = this.#newDownloads();
    this.scoring = this.#newScoring();
    const { dir } = config.data;
    this.keys = new KeyStore(join(dir, 'keys.json'), config.admin.key, config.client_keys.file);
    this.keyUses = new KeyUses(join(dir, 'key-costs.json'), this.log, this.threadCount);
    this.keyLastUses = new KeyLastUses(join(dir, 'key-last-uses.json'), this.keys, this.log);
    const { overloaded, open: openExchanges, http2 } = this.counters.own;
    this.overload = new Overload(config.ingress.overload_delay, this.log, undefined, overloaded);
    const open = new OpenPaths(config.client_keys.open_paths);
    this.access = this.#newAccess(open);
    const isChecked = this.access !== undefined || config.ingress.overload_delay > 0;
    this.admission = isChecked ? new Admission(this.overload, open, this.access) : undefined;
    this.prices = new Prices(config.llm, this.dataFolder && config.data.dir, this.log);
    this.projects = new Projects(config.projects, this.dataFolder && config.data.dir, this.log);
    this.attachments = this.#newAttachments();
    this.views = new Views(this.dataFolder && config.data.dir, this.log);
    this.child = command && buildChild(this, command);
    this.kubernetes = new Kubernetes(config.kubernetes, this.log);
    this.replicaMetrics = buildReplicaMetrics(this);
    this.exchanges = new Exchanges(config.identity, openExchanges);
    const { required, pass_on } = config.client_keys;
    this.proxy = new Proxy(this.pool, this.exchanges, config.proxy, required && !pass_on, {
      counters: http2,
      heldBytes: this.limits.heldBytes,
    });
    this.collectors = buildCollectors(this);
    this.webhooks = buildWebhooks(this);
    this.queue = buildQueue(this);
    this.queueOfRoutes = new QueueOfRoutes(this.queue);
    this.autoscaler = buildAutoscaler(this);
    this.metrics = buildMetrics(this);
    this.dataServer = buildDataServer(this);
    this.threads = new DataThreads(this, this.threadCount);
    this.keys.changed = () => this.threads.keysChanged();
    this.prices.changed = (stored) => this.threads.all('prices', stored);
    this.certificates.changed = ({ files }) => this.threads.all('certificate', files);
    this.drain = new Drain(this, config.ingress);
    this.overview = buildOverview(this);
    this.admin = buildAdmin(this, explain);
    this.earlierWeirs = replacesAnother ? this.#newEarlierWeirs() : undefined;
    this.logPipeline.requests.attach(this.exchanges);
    for (const observer of observersOf(this)) this.exchanges.observe(observer);
    if (this.log.isDebug)
      this.exchanges.follow(stepLog(this.log, (index) => this.pool.deployments[index]?.options));
  }

  #newDataFolder(): DataFolder | undefined {
    const { data, async } = this.config;
    const { logs } = this.logPipeline;
    if (logs === undefined && async.store !== 'file') return undefined;
    return new DataFolder(data.dir, logs ? ['logs', EXPORTS, DOWNLOADS] : [], this.log);
  }

  #newEarlierWeirs(): EarlierWeirs | undefined {
    if (this.dataFolder === undefined) return undefined;
    return new EarlierWeirs({
      folder: this.config.data.dir,
      log: this.log,
      record: (exchange, deployment) => {
        this.access?.charge(exchange);
        this.logPipeline.record(exchange, deployment);
      },
      queue: (operation, args) => this.queueOfRoutes.runFor(operation, args),
    });
  }

  #newAccess(open: OpenPaths): ClientAccess | undefined {
    if (!this.config.client_keys.required) return undefined;
    const deploymentAt = (index: number) => this.pool.deployments[index]?.options;
    return new ClientAccess(this.keys, this.keyUses, open, deploymentAt);
  }

  #newExports(): Exports | undefined {
    const { export_jobs, data } = this.config;
    const { logs } = this.logPipeline;
    return logs && new Exports(export_jobs, join(data.dir, EXPORTS), logs, this.log);
  }

  #newDownloads(): Downloads | undefined {
    const { export_jobs, data } = this.config;
    const { logs } = this.logPipeline;
    return logs && new Downloads(logs, join(data.dir, DOWNLOADS), export_jobs.max_bytes, this.log);
  }

  #newScoring(): Scoring | undefined {
    const { scoring, data, admin, export: exporting } = this.config;
    const { logs } = this.logPipeline;
    return (
      logs &&
      new Scoring(scoring, {
        folder: data.dir,
        key: exporting.encryption_key,
        logs,
        log: this.log,
        priceOf: (model) => this.prices.priceOf(model, Date.now()),
        forbiddenPorts: () => [admin.listen.port],
      })
    );
  }

  /** Without a log store there are no rows that could refer to attachments. */
  #newAttachments(): Attachments {
    const { data, logs, projects } = this.config;
    return new Attachments(
      this.logPipeline.logs && join(data.dir, 'attachments'),
      { totalBytes: projects.max_attachments, retentionMs: logs.retention },
      this.log,
    );
  }

  /** Current environment of a deployment; '' if it has none, or has left the configuration. */
  environmentOf(deployment: string): string {
    return this.pool.deployments[this.pool.indexOf(deployment)]?.options.environment ?? '';
  }
}

/** Without a deployment of its own in `kubernetes.deployment`, the first one. */
function podDeployment({ kubernetes, deployments }: Config): number | undefined {
  if (kubernetes.pods === 'off') return undefined;
  return Math.max(
    0,
    deployments.findIndex(({ id }) => id === kubernetes.deployment),
  );
}
