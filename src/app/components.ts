// The components of a sidecar in the order in which they start. They stop in reverse.
import { describe, WeirError } from '../core/errors.ts';
import type { Component } from '../core/lifecycle.ts';
import { deploymentEvents } from '../data-plane/replicas/pool.ts';
import type { Modules } from './modules.ts';

/**
 * Reasons for the order of the stop: the data server drains first, while the admin server still answers; the
 * supervised process ends after the last request; the log pipeline stores the last event; the folder is released last.
 */
export function componentsOf(modules: Modules): Component[] {
  const { config, log, logPipeline, dataFolder, proxy, child } = modules;
  return [
    ...(dataFolder ? [dataFolder, component('url key', { start: () => loadUrlKey(modules) })] : []),
    ...logPipeline.components,
    ...(modules.exports ? [modules.exports] : []),
    ...(modules.downloads ? [modules.downloads] : []),
    ...(modules.scoring ? [modules.scoring] : []),
    modules.keys,
    modules.keyUses,
    modules.keyLastUses,
    modules.prices,
    modules.projects,
    modules.attachments,
    modules.views,
    modules.counters.own.eventLoop,
    modules.overload,
    modules.collectors,
    modules.kubernetes,
    modules.replicaMetrics,
    modules.overview,
    modules.admin,
    modules.autoscaler,
    ...(child ? [child] : []),
    modules.queue,
    ...(modules.earlierWeirs ? [modules.earlierWeirs] : []),
    component('deployments', { start: () => deploymentEvents(log, [], config.deployments) }),
    component(modules.threads.name, {
      start: () => startThreads(modules),
      stop: (deadlineMs) => modules.threads.stop(deadlineMs),
    }),
    modules.pool,
    component(PROXY, { stop: () => proxy.close() }),
    ingress(modules),
  ];
}

/** The threads start while replicas are probed. */
function startThreads({ threads, threadCount, logPipeline }: Modules): void {
  if (threadCount === 1) return;
  logPipeline.openStore();
  threads.start();
}

/** The data servers of all threads. They drain at the same time. */
const ingress = ({ dataServer, threads, threadCount }: Modules): Component => ({
  name: dataServer.name,
  async start() {
    await dataServer.start(threadCount === 1 ? 'alone' : 'first');
    await threads.listen();
  },
  async stop(deadlineMs) {
    await Promise.all([dataServer.stop(deadlineMs), threads.stop(deadlineMs)]);
  },
});

/**
 * True for a component that stops when the next weir takes the data folder: those that use it or belong to the operators'
 * API. The others forward requests, and go on.
 */
export function belongsToFolder(modules: Modules, { name }: Component): boolean {
  const { counters, overload, queue, threads, pool, dataServer } = modules;
  const others: readonly string[] = [counters.own.eventLoop, overload, threads, pool, dataServer].map(
    (one) => one.name,
  );
  return !others.includes(name) && name !== PROXY && (name !== queue.name || queue.isInFolder);
}

const PROXY = 'proxy';

const component = (name: string, steps: Partial<Omit<Component, 'name'>>): Component => ({
  name,
  start: () => undefined,
  stop: () => undefined,
  ...steps,
});

/** Without a disk to write to, URLs are signed with a key of this process. */
async function loadUrlKey({ urls, config, log }: Modules): Promise<void> {
  try {
    await urls.load(config.data.dir);
  } catch (error) {
    if (error instanceof WeirError) throw error;
    log.warn('signed URLs are valid until weir ends only, since their key cannot be stored', {
      folder: config.data.dir,
      problem: describe(error),
    });
  }
}
