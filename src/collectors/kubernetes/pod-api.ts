// Lists and watches pods at the Kubernetes API server.
// Invariant: each request ends by itself: a list at its deadline, a watch after 30 s without data. Nothing is retried
// here. The library is loaded only if it is used, since it takes about 35 MB.
// Only this file imports @kubernetes/client-node.
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ObservableMiddleware } from '@kubernetes/client-node';
import { describe } from '../../core/errors.ts';
import type { KubernetesOptions } from './options.ts';

/** All pods, and the resource version from which a watch continues. */
export interface PodList {
  readonly items: readonly unknown[];
  readonly version: string;
}

/** How a watch ended. `quiet`: it can continue from the last version. `gone`: a new list is needed. */
export type WatchEnd = 'quiet' | 'gone' | { readonly problem: string };

export interface PodApi {
  list(): Promise<PodList | { readonly problem: string }>;
  /** Watches from a version on. `opened` is called when the watch is open, `event` for each event. */
  watch(
    version: string,
    listener: { opened(): void; event(type: string, object: unknown): void },
    signal: AbortSignal,
  ): Promise<WatchEnd>;
}

/** The server ends a watch after this time, so that a connection that the network dropped is not kept forever. */
const WATCH_S = 300;

/** Loads the library and reads the credentials. Rejects if there are none. */
export async function openPodApi(options: KubernetesOptions): Promise<PodApi> {
  const { KubeConfig, CoreV1Api, Watch, Observable } = await import('@kubernetes/client-node');
  const inCluster = new KubeConfig();
  // Reads KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
  inCluster.loadFromCluster();
  const server = options.server || inCluster.getCurrentCluster()!.server;
  if (URL.parse(server) === null)
    throw new Error(
      'no API server: KUBERNETES_SERVICE_HOST is not set; set kubernetes.server outside of a cluster',
    );
  const file = (name: string) => join(options.credentials, name);
  const namespace = options.namespace || (await readFile(file('namespace'), 'utf8')).trim();
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'cluster', server, caFile: file('ca.crt'), skipTLSVerify: false },
    // The file is read again every minute, since tokens of service accounts expire.
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
          : { problem: 'the response of the API server is not a list of pods' };
      } catch (error) {
        return { problem: problemOf(error) };
      }
    },
    watch: (version, listener, signal) =>
      new Promise((resolve) => {
        const query = {
          ...chosen,
          resourceVersion: version,
          allowWatchBookmarks: true,
          timeoutSeconds: WATCH_S,
        };
        let controller: AbortController | undefined;
        let isOver = false;
        const end = (result: WatchEnd) => {
          if (isOver) return;
          isOver = true;
          signal.removeEventListener('abort', stop);
          controller?.abort();
          resolve(result);
        };
        const stop = () => end('quiet');
        signal.addEventListener('abort', stop);
        const event = (type: string, object: unknown) => {
          if (isOver) return;
          if (type === 'ERROR') end(endOf(object));
          else listener.event(type, object);
        };
        const done = (error: unknown) => {
          // Not a failure: no event came, or the network dropped the connection. The next watch shows if it fails.
          const isQuiet = error == null || (controller !== undefined && codeOf(error) === undefined);
          end(isQuiet ? 'quiet' : endOf(error));
        };
        watcher.watch(pathname, query, event, done).then(
          (opened) => {
            controller = opened;
            if (isOver) opened.abort();
            else listener.opened();
          },
          (error: unknown) => end(endOf(error)),
        );
      }),
  };
}

const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === 'TimeoutError';

/** The HTTP status in an error of the library, or in the Status object that ended a watch. */
const codeOf = (error: unknown): number | undefined => {
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown };
  // Codes below 100 are those of a DOMException, which a deadline throws.
  return [statusCode, code].find((value) => typeof value === 'number' && value >= 100) as number | undefined;
};

/** 410 Gone: the version is too old to continue from. */
const endOf = (error: unknown): WatchEnd => (codeOf(error) === 410 ? 'gone' : { problem: problemOf(error) });

/** The problem in one short line, since errors of the library contain whole responses. */
function problemOf(error: unknown): string {
  const code = codeOf(error);
  if (code !== undefined) return `the API server returned ${code}`;
  if (isTimeout(error)) return 'no response from the API server within kubernetes.request_timeout';
  return error instanceof Error ? describe(error).slice(0, 200) : 'unknown error of the API server';
}
