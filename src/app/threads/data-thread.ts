// Entry of a data thread other than the main thread. It serves requests on the port of the data server.
// Invariant: the thread does what the main thread says, in that order. An uncaught error ends it, and the main
// thread starts another one.
import { parentPort, workerData } from 'node:worker_threads';
import { answer, WorkerCalls } from '../../core/worker-rpc.ts';
import type { AsyncQueue } from '../../data-plane/server/data-server.ts';
import type { FromDataThread } from './from-thread.ts';
import { ThreadModules } from './thread-modules.ts';
import type { ThreadStart } from './thread-start.ts';
import type { ThreadOperations, ToDataThread } from './to-thread.ts';

const send = (message: FromDataThread): void => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort!.postMessage(message);
};

/** Calls of the queue, which is in the main thread. */
const calls = new WorkerCalls({ postMessage: (list) => send({ kind: 'calls', calls: list }) });
const queue = Object.fromEntries(
  (['submit', 'status', 'cancel', 'result', 'depth'] as const).map((operation) => [
    operation,
    (...args: readonly unknown[]) => calls.call(operation, ...args),
  ]),
) as unknown as AsyncQueue;

const modules = new ThreadModules(workerData as ThreadStart, send, queue);

const operations: ThreadOperations = {
  settle: () => undefined,
  listen: (port, adminPort) => modules.listen(port, adminPort),
  keys: (keys, uses) => modules.useKeys(keys, uses),
  prices: (stored) => modules.prices.use(stored),
  certificate: (files) => modules.certificate?.use(files),
  stop: (remainingMs) => modules.stop(remainingMs),
};

function run(operation: string, args: readonly unknown[]): unknown {
  const method = operations[operation as keyof ThreadOperations] as (
    ...values: readonly unknown[]
  ) => unknown;
  return method(...args);
}

parentPort!.on('message', (message: ToDataThread) => {
  switch (message.kind) {
    case 'calls':
      for (const call of message.calls) answer(call, run, (result) => send({ kind: 'result', result }));
      return;
    case 'pool':
      return modules.poolChannel.received(message.message);
    case 'result':
      return calls.settle(message.result);
    case 'recorder':
      return modules.recorder.reconnect(message.connection);
    case 'endDrain':
      return modules.endDrain();
  }
});
