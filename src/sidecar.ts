// Builds every part, introduces them to each other, starts them in order and stops them in reverse.
// Must stay true: it reads like a table of contents. What a part does is in its room; who knows whom is here.
import { Admin } from './admin/admin.ts';
import type { Address } from './base/settings.ts';
import { formatAddress } from './base/settings.ts';
import { Lifecycle, type Part } from './base/lifecycle.ts';
import { fileSink, Log } from './base/log.ts';
import { Child } from './child/child.ts';
import type { Config } from './config/config.ts';
import { accessLog } from './exchange/access-log.ts';
import { Exchanges } from './exchange/exchange.ts';
import { Ingress } from './ingress/ingress.ts';
import { createMetrics, type Measured } from './metrics/metrics.ts';
import { Pool } from './pool/pool.ts';
import { Proxy } from './proxy/proxy.ts';
import { Samplers, type SampledReplica } from './samplers/samplers.ts';
import { version } from './version.ts';

/** What runs, from the outside. */
export interface Sidecar {
  readonly log: Log;
  readonly addresses: { readonly data: Address; readonly admin: Address };
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
  const log = new Log(fileSink(1), { level: config.log.level, isText });

  const pool = new Pool(config.deployments, config.pool, ({ from, to, problem, ...replica }) => {
    const say = to === 'down' ? log.warn : log.info;
    say(`replica is ${to}`, { ...replica, from, problem: to === 'ready' ? undefined : problem });
  });
  const child = command && new Child(command, config.child, log, () => pool.restarted());

  const exchanges = new Exchanges(config.identity);
  const proxy = new Proxy(pool, config.proxy);
  const samplers = new Samplers(
    config.samplers,
    { replicas: () => sampledReplicas(pool), childPid: () => child?.pid },
    log,
  );
  const measured: Measured = createMetrics(config.metrics, config.model, pool, {
    build: { version, node: process.versions.node },
    connections: () => proxy.connections(),
    droppedLines: () => log.sink.dropped(),
    samplers,
  });
  exchanges.observe(measured.observer);
  if (config.log.access) exchanges.observe(accessLog(log.sink, isText, config.deployments));

  const ingress = new Ingress(
    config.ingress,
    { maxBody: config.proxy.max_body, totalTimeoutMs: config.proxy.total_timeout },
    config.deployments,
    exchanges,
    proxy,
  );
  let isAccepting = true;
  const admin = new Admin(config.admin, {
    metrics: measured.metrics,
    pool,
    isAccepting: () => isAccepting,
    settings: explain,
  });

  // Stopped in reverse: the data door drains while the admin door still answers, the child goes when nobody needs it.
  const parts: Part[] = [measured.loop, samplers, admin];
  if (child) parts.push(child);
  parts.push(pool, { name: 'proxy', start: () => undefined, stop: () => proxy.close() }, ingress);
  const lifecycle = new Lifecycle(parts, log);
  try {
    await lifecycle.start();
  } catch (error) {
    log.sink.flush();
    throw error;
  }
  const addresses = { data: ingress.address, admin: admin.address };
  log.info('listening', { data: formatAddress(addresses.data), admin: formatAddress(addresses.admin) });

  let hurry = (): void => undefined;
  const hurried = new Promise<void>((resolve) => (hurry = resolve));
  return {
    log,
    addresses,
    signalChild: (signal) => child?.signal(signal),
    hurry: () => hurry(),
    async stop() {
      isAccepting = false;
      log.info('draining', { running: exchanges.openCount, timeout_ms: config.ingress.drain_timeout });
      await Promise.race([
        new Promise((resolve) => setTimeout(resolve, config.ingress.drain_delay)),
        hurried,
      ]);
      void hurried.then(() => proxy.abortAll('draining'));
      await lifecycle.stop(performance.now() + config.ingress.drain_timeout);
      log.info('stopped');
      log.sink.flush();
    },
  };
}

/** Settings of replicas that were not configured but came later. */
const UNSET = { gpus: [], container: { cgroup: 'auto', pid: 0, docker: '' } };

/** The pool's replicas as the samplers know them. */
const sampledReplicas = (pool: Pool): SampledReplica[] =>
  pool.deployments.flatMap(({ options, replicas }, deployment) =>
    replicas.map(({ id, url: { host, port } }) => {
      const { gpus, container } = options.replicas.find((replica) => replica.id === id) ?? UNSET;
      return { deployment, id, host, port, gpus, container };
    }),
  );
