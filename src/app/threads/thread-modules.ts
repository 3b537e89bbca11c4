// Creates the modules of a data thread other than the main thread: what it needs to serve requests, and no more.
// Invariant: it stores nothing itself. Keys, prices, the certificate and the deployments come from the main thread.
import { Webhooks } from '../../async/webhook/webhook.ts';
import { Exchanges } from '../../core/exchange/exchange.ts';
import { stepLog } from '../../core/exchange/step-log.ts';
import { KeyStore, type KeySnapshot } from '../../core/keys/key-store.ts';
import { KeyUseTable, type SharedKeyUses } from '../../core/keys/key-use-table.ts';
import { Logger } from '../../core/logger.ts';
import { ServerCertificate } from '../../core/server-certificate.ts';
import { SharedArrays } from '../../core/shared-arrays.ts';
import { Proxy } from '../../data-plane/proxy/proxy.ts';
import { MAX_DEPLOYMENTS, WorkerPool } from '../../data-plane/replicas/pool.ts';
import {
  Admission,
  ClientAccess,
  missedPaths,
  OpenPaths,
  Overload,
  type AsyncQueue,
  type DataServer,
} from '../../data-plane/server/data-server.ts';
import { RequestPrices } from '../../telemetry/llm/request-prices.ts';
import { ThreadCounters } from '../../telemetry/metrics/thread-counters.ts';
import { newDataServer } from '../build-data-plane.ts';
import { SharedLimits } from '../shared-limits.ts';
import { RequestReporter } from '../thread-reports.ts';
import type { FromDataThread } from './from-thread.ts';
import { PoolChannel } from './pool-channel.ts';
import { ThreadRecorder } from './thread-recorder.ts';
import type { ThreadStart } from './thread-start.ts';

/** Interval at which counts that no request waits for are sent, in milliseconds. */
const REPORT_MS = 500;

export class ThreadModules {
  readonly log: Logger;
  readonly recorder: ThreadRecorder;
  readonly #keys = new KeyStore('', '');
  readonly prices: RequestPrices;
  readonly certificate: ServerCertificate | undefined;
  readonly pool: WorkerPool;
  readonly poolChannel: PoolChannel;
  readonly proxy: Proxy;
  readonly dataServer: DataServer;
  readonly #send: (message: FromDataThread) => void;
  readonly #counters: ThreadCounters;
  readonly #overload: Overload;
  readonly #keyUses: KeyUseTable;
  readonly #reporter: RequestReporter;
  /** Last uses of keys that the main thread knows. */
  readonly #knownUses = new Map<string, number>();
  /** Ports of weir: of the data server and of the admin server. */
  #ownPorts: readonly number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(start: ThreadStart, send: (message: FromDataThread) => void, queue: AsyncQueue) {
    const { config, thread, threads } = start;
    this.#send = send;
    this.recorder = new ThreadRecorder(start, send);
    this.log = new Logger(this.recorder.sink, { level: config.log.level, isText: start.isTextLog });
    this.log.recorder = (event) => send({ kind: 'event', event });
    const settings = { metrics: config.metrics, models: config.llm, maxDeployments: MAX_DEPLOYMENTS };
    this.#counters = new ThreadCounters(settings, new SharedArrays(start.counters));
    const { overloaded, open: openExchanges, http2 } = this.#counters;
    const limits = new SharedLimits(config, threads, thread, start.limits);
    this.certificate =
      start.certificate &&
      new ServerCertificate('ingress', config.ingress.tls, limits.refusedHandshakes, start.certificate);
    this.poolChannel = new PoolChannel((message) => send({ kind: 'pool', message }));
    this.pool = new WorkerPool(start.pool, this.poolChannel, () => this.#deploymentsChanged());
    this.#keys.use(start.keys);
    this.prices = new RequestPrices(config.llm);
    this.prices.use(start.prices);
    const exchanges = new Exchanges(config.identity, openExchanges);
    const deploymentAt = (index: number) => this.pool.deployments[index]?.options;
    const open = new OpenPaths(config.client_keys.open_paths);
    const { required, pass_on } = config.client_keys;
    this.#keyUses = new KeyUseTable(threads, thread, start.keyUses);
    const access = required ? new ClientAccess(this.#keys, this.#keyUses, open, deploymentAt) : undefined;
    this.#overload = new Overload(config.ingress.overload_delay, this.log, undefined, overloaded);
    const isChecked = required || config.ingress.overload_delay > 0;
    this.proxy = new Proxy(this.pool, exchanges, config.proxy, required && !pass_on, {
      counters: http2,
      heldBytes: limits.heldBytes,
    });
    const webhooks = new Webhooks(config.webhook, {
      listenHost: config.ingress.listen.host,
      ownPorts: () => this.#ownPorts,
    });
    this.dataServer = newDataServer({
      config,
      pool: this.pool,
      queue,
      exchanges,
      proxy: this.proxy,
      webhooks,
      access,
      admission: isChecked ? new Admission(this.#overload, open, access) : undefined,
      wake: (deployment) => send({ kind: 'wake', deployment }),
      certificate: this.certificate,
      log: this.log,
      limits,
    });
    this.#reporter = new RequestReporter((report) => send({ kind: 'requests', report }));
    this.recorder.requests.attach(exchanges);
    // In the order of observers.ts.
    const observers = [
      this.prices.observer,
      ...(access ? [access] : []),
      this.#counters.inFlight,
      this.#counters.llm,
      this.#reporter,
      ...this.recorder.requests.observers(deploymentAt),
      missedPaths(deploymentAt, (missed) => send({ kind: 'missedPath', missed })),
    ];
    for (const observer of observers) exchanges.observe(observer);
    if (this.log.isDebug) exchanges.follow(stepLog(this.log, deploymentAt));
  }

  /** Uses these keys from now on. */
  useKeys(keys: KeySnapshot, uses: SharedKeyUses): void {
    this.#keyUses.update(uses);
    this.#keys.use(keys);
  }

  /** Accepts connections. Ports as in ThreadOperations. */
  async listen(port: number, adminPort: number): Promise<void> {
    this.#ownPorts = [port, adminPort];
    this.#counters.eventLoop.start();
    this.#overload.start();
    this.#timer = setInterval(() => this.#report(), REPORT_MS).unref();
    await this.dataServer.start('further', port);
  }

  /** Accepts nothing more, lets exchanges end for at most `remainingMs`, and stops everything. */
  async stop(remainingMs: number): Promise<void> {
    await this.dataServer.stop(performance.now() + remainingMs);
    this.proxy.close();
    this.pool.stop();
    this.#overload.stop();
    this.#counters.eventLoop.stop();
    clearInterval(this.#timer);
    this.#reporter.flush();
    this.#report();
    this.log.flushEvents();
    this.recorder.close();
  }

  /** Ends the wait in `stop`: running exchanges are cut. */
  endDrain(): void {
    this.proxy.abortAll('draining');
    this.dataServer.endDrain();
  }

  #deploymentsChanged(): void {
    this.dataServer.reroute(this.pool.current);
    this.recorder.requests.update(this.pool.current);
  }

  #report(): void {
    const { active, idle } = this.proxy.connections();
    this.#counters.connections.set([active, idle]);
    const unpriced = this.prices.unpriced.take();
    if (unpriced) this.#send({ kind: 'unpriced', ...unpriced });
    const used: (readonly [string, number])[] = [];
    for (const [id, { ms }] of this.#keys.lastUses) {
      if (ms === 0 || this.#knownUses.get(id) === ms) continue;
      this.#knownUses.set(id, ms);
      used.push([id, ms]);
    }
    if (used.length > 0) this.#send({ kind: 'keysUsed', uses: used });
  }
}
