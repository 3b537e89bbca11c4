// The two questions to the API server: which pods are there, and what changes from now on.
// Must stay true: the library is loaded only where it is wanted (it takes some 35 MB), and each question ends by
// itself: a list by its deadline, a watch when nothing came for 30 s. Nothing is tried again here.
// Only this file imports @kubernetes/client-node.
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ObservableMiddleware } from '@kubernetes/client-node';
import { describe } from '../../core/errors.ts';
import type { KubernetesOptions } from './options.ts';

/** All pods at one moment, and the version from which a watch goes on. */
export interface PodList {
  readonly items: readonly unknown[];
  readonly version: string;
}

/** How a watch ended: `quiet` may go on where it was, `gone` needs a new list, else what was wrong. */
export type WatchEnd = 'quiet' | 'gone' | { readonly problem: string };

export interface PodApi {
  list(): Promise<PodList | { readonly problem: string }>;
  /** Watches from a version on. `opened` is called when the server has agreed, `event` for each thing it tells. */
  watch(
    version: string,
    heard: { opened(): void; event(type: string, object: unknown): void },
    signal: AbortSignal,
  ): Promise<WatchEnd>;
}

/** The server is asked to end a watch by then, so that one which the network has forgotten is not kept for ever. */
const WATCH_S = 300;

/** Loads the library and reads the credentials; rejects where there are none. */
export async function openPodApi(options: KubernetesOptions): Promise<PodApi> {
  const { KubeConfig, CoreV1Api, Watch, Observable } = await import('@kubernetes/client-node');
  const inCluster = new KubeConfig();
  // The library knows where a cluster announces its API server.
  inCluster.loadFromCluster();
  const server = options.server || inCluster.getCurrentCluster()!.server;
  if (URL.parse(server) === null)
    throw new Error('no API server is announced here, as in a pod; set kubernetes.server');
  const file = (name: string) => join(options.credentials, name);
  const namespace = options.namespace || (await readFile(file('namespace'), 'utf8')).trim();
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'cluster', server, caFile: file('ca.crt'), skipTLSVerify: false },
    // Read again every minute: tokens of service accounts are changed while a pod runs.
    { name: 'user', authProvider: { name: 'tokenFile', config: { tokenFile: file('token') } } },
  );
  const chosen: { fieldSelector?: string; labelSelector?: string } =
    options.pods === 'own'
      ? { fieldSelector: `metadata.name=${options.pod_name || hostname()}` }
      : { labelSelector: options.selector };
  const core = config.makeApiClient(CoreV1Api);
  const watcher = new Watch(config);
  const pathname = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  return {
    async list() {
      const signal = AbortSignal.timeout(options.request_timeout);
      const deadline: ObservableMiddleware = {
        pre: (request) => {
          request.setSignal(signal);
          return new Observable(Promise.resolve(request));
        },
        post: (response) => new Observable(Promise.resolve(response)),
      };
      try {
        const { items, metadata } = await core.listNamespacedPod(
          { namespace, ...chosen },
          { middleware: [deadline], middlewareMergeStrategy: 'append' },
        );
        const version = metadata?.resourceVersion;
        return Array.isArray(items) && typeof version === 'string' && version !== ''
          ? { items, version }
          : { problem: 'what it answers is no list of pods' };
      } catch (error) {
        return { problem: problemOf(error) };
      }
    },
    watch: (version, heard, signal) =>
      new Promise((resolve) => {
        const query = {
          ...chosen,
          resourceVersion: version,
          allowWatchBookmarks: true,
          timeoutSeconds: WATCH_S,
        };
        let controller: AbortController | undefined;
        let isOver = false;
        const end = (how: WatchEnd) => {
          if (isOver) return;
          isOver = true;
          signal.removeEventListener('abort', stop);
          controller?.abort();
          resolve(how);
        };
        const stop = () => end('quiet');
        signal.addEventListener('abort', stop);
        const event = (type: string, object: unknown) => {
          if (isOver) return;
          if (type === 'ERROR') end(endOf(object));
          else heard.event(type, object);
        };
        const done = (error: unknown) => {
          // No failure by itself: nothing happened, or the network cut or forgot the connection; the next one will tell.
          const isQuiet = error == null || (controller !== undefined && codeOf(error) === undefined);
          end(isQuiet ? 'quiet' : endOf(error));
        };
        watcher.watch(pathname, query, event, done).then(
          (opened) => {
            controller = opened;
            if (isOver) opened.abort();
            else heard.opened();
          },
          (error: unknown) => end(endOf(error)),
        );
      }),
  };
}

const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === 'TimeoutError';

/** The HTTP status in an error of the library, or in a Status object that a watch was ended with. */
const codeOf = (error: unknown): number | undefined => {
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown };
  // Below 100 are the codes of a DOMException, which is what a deadline throws.
  return [statusCode, code].find((value) => typeof value === 'number' && value >= 100) as number | undefined;
};

/** 410 Gone: the version is too old to go on from. */
const endOf = (error: unknown): WatchEnd => (codeOf(error) === 410 ? 'gone' : { problem: problemOf(error) });

/** What went wrong in one short line: an error of the library holds whole responses. */
function problemOf(error: unknown): string {
  const code = codeOf(error);
  if (code !== undefined) return `answered ${code}`;
  if (isTimeout(error)) return 'did not answer in time';
  return error instanceof Error ? describe(error).slice(0, 200) : 'told of an error';
}
