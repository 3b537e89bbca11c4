// A MessagePort of Node as the port of a pool.
import type { MessagePort } from 'node:worker_threads';
import type { PoolPort } from '../../src/data-plane/replicas/pool.ts';

export const poolPort = (port: MessagePort): PoolPort => ({
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  postMessage: (message) => port.postMessage(message),
  on: (event, listener) => port.on(event, (message: unknown) => listener(message as never)),
  unref: () => port.unref(),
  close: () => port.close(),
});
