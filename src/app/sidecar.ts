// A running sidecar: start, reload, shutdown.
//   modules.ts    creates the modules        components.ts  order of start and stop    drain.ts  shutdown
//   observers.ts  who sees each exchange     build-*.ts     how modules are connected
import type { ExplainedSetting } from '../core/explained-setting.ts';
import { formatAddress, type Address } from '../core/address.ts';
import type { Config } from '../config/config.ts';
import { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { takeSystemdSockets } from '../core/inherited-sockets.ts';
import { version } from '../core/version.ts';
import { replicaOf } from '../control/child-process/child-process.ts';
import { deploymentEvents, type DeploymentOptions } from '../data-plane/replicas/pool.ts';
import type { Certificates } from './server-certificates.ts';
import { componentsOf } from './components.ts';
import { Modules } from './modules.ts';
import { Predecessor } from './restart/predecessor.ts';
import { Restart } from './restart/restart.ts';
import { withSockets } from './restart/sockets.ts';
import type { StartCommand } from './restart/successor.ts';

/** A running sidecar, as the command line uses it. */
export interface Sidecar {
  readonly log: Logger;
  readonly addresses: {
    readonly data: Address;
    readonly admin: Address;
    readonly scaler: Address | undefined;
  };
  /**
   * Applies changed deployments and replicas. Resolves when all threads have them, to '', or to the problem, in which case
   * nothing has changed.
   */
  update(deployments: readonly DeploymentOptions[]): Promise<string>;
  /** The certificates of the servers. */
  readonly certificates: Pick<Certificates, 'paths' | 'renew'>;
  /** Reads the file of client keys again. An invalid one changes nothing. Logs either outcome. */
  reloadKeys(): void;
  /** Passes a signal on to the supervised process, if there is one. */
  signalChild(signal: NodeJS.Signals): void;
  /** Lets the weir that this one replaces leave, if there is one. Until then both accept connections. */
  takeOver(): void;
  /** Replaces this weir by a new one, which listens on the same sockets. Logs the outcome. */
  restart(): void;
  /** Resolves when a new weir accepts connections in place of this one. */
  readonly replaced: Promise<void>;
  /** Lets all connections end after a new weir has taken over, then stops every component. */
  leave(): Promise<void>;
  /** Limits the time of `leave` to `ingress.drain_timeout` from now. */
  limitLeaving(): void;
  /** Drains, then stops every component. */
  stop(): Promise<void>;
  /** Ends the drain now: running requests are cut. */
  endDrain(): void;
}

/** How weir was started. */
export interface StartFacts {
  /** The process to supervise; `undefined`: none. */
  readonly command: readonly string[] | undefined;
  /** The command that starts weir anew. */
  readonly again: StartCommand;
}

/** Starts a sidecar, in place of the weir that has started this process, if one has. `explain`: the settings with their sources. */
export async function startSidecar(
  config: Config,
  { command, again }: StartFacts,
  explain: () => readonly ExplainedSetting[],
): Promise<Sidecar> {
  const predecessor = Predecessor.take(again.env);
  const inherited = new Map([...takeSystemdSockets(again.env), ...(predecessor?.sockets ?? [])]);
  const modules = new Modules(withSockets(config, inherited), command, explain, predecessor !== undefined);
  const { log } = modules;
  const lifecycle = new Lifecycle(componentsOf(modules), log);
  const restart = new Restart(modules, lifecycle, again, inherited);
  try {
    await predecessor?.release();
    await lifecycle.start();
  } catch (error) {
    log.sink.flush();
    throw error;
  }
  const addresses = {
    data: modules.dataServer.address,
    admin: modules.admin.address,
    scaler: modules.autoscaler.address,
  };
  modules.logPipeline.isUp = true;
  log.event('weir_started', {
    version,
    pid: process.pid,
    data: formatAddress(addresses.data),
    admin: formatAddress(addresses.admin),
    scaler: addresses.scaler && formatAddress(addresses.scaler),
  });
  modules.certificates.logAll();
  return {
    log,
    addresses,
    update: (deployments) => update(modules, deployments),
    certificates: modules.certificates,
    reloadKeys: () => void reloadKeys(modules),
    signalChild: (signal) => modules.child?.signal(signal),
    takeOver: () => predecessor?.serving(),
    restart: () => restart.request(),
    replaced: restart.handedOver,
    async leave() {
      await modules.drain.leave(lifecycle);
      await restart.end();
    },
    limitLeaving: () => modules.drain.limit(),
    async stop() {
      restart.stop();
      await modules.drain.run(lifecycle);
      await restart.end();
    },
    endDrain: () => modules.drain.end(),
  };
}

async function update(modules: Modules, deployments: readonly DeploymentOptions[]): Promise<string> {
  const { pool, dataServer, logPipeline, log } = modules;
  const before = pool.current.map(({ options }) => options);
  const problem = pool.update(deployments);
  if (problem !== '') return problem;
  dataServer.reroute(pool.current);
  if (modules.child) modules.ownReplica = replicaOf(modules.supervised, deployments) ?? modules.ownReplica;
  logPipeline.update(deployments, modules.ownReplica);
  deploymentEvents(log, before, deployments);
  await modules.threads.all('settle');
  return '';
}

async function reloadKeys({ keys, threads, log }: Modules): Promise<void> {
  const problem = keys.reloadFile();
  await threads.keysChanged();
  if (problem === '') log.event('client_keys_reloaded', { keys: keys.count });
  else log.event('client_keys_refused', { problem });
}
