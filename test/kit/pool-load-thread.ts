// A data thread that puts load on its pool, and posts what came of it.
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { WorkerPool, type WorkerPoolStart } from '../../src/data-plane/replicas/pool.ts';
import { loadPool, type LoadSettings } from './pool-load.ts';
import { poolPort } from './pool-port.ts';

const { start, port, settings } = workerData as {
  start: WorkerPoolStart;
  port: MessagePort;
  settings: LoadSettings;
};

// The ports of the pool keep no thread running.
parentPort!.on('message', () => undefined);
const pool = new WorkerPool(start, poolPort(port));
const totals = await loadPool(pool, settings);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort!.postMessage(totals);
