// A worker thread for tests: accepts and closes connections of eight addresses as fast as it can, within a limit that it
// shares with others. It sends the most connections that one address had.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { SharedArrays } from '../../src/core/shared-arrays.ts';
import { ConnectionsPerAddress } from '../../src/protocol/http/connections-per-address.ts';

interface ConnectingJob {
  readonly thread: number;
  readonly threads: number;
  readonly memory: readonly SharedArrayBuffer[];
  /** By address: open connections, counted by the test. */
  readonly open: Int32Array;
  readonly rounds: number;
}

const { thread, threads, memory, open, rounds } = workerData as ConnectingJob;
const limit = new ConnectionsPerAddress(3, { threads, thread, arrays: new SharedArrays(memory) });
const mine: { readonly socket: Socket; readonly at: number }[] = [];

function close(): void {
  const { socket, at } = mine.shift()!;
  Atomics.sub(open, at, 1);
  socket.emit('close', false);
}

let most = 0;
for (let i = 0; i < rounds; i++) {
  const at = (i * 5 + thread) % open.length;
  const socket = Object.assign(new EventEmitter(), { remoteAddress: `10.0.0.${at}` }) as unknown as Socket;
  if (limit.accepts(socket)) {
    most = Math.max(most, Atomics.add(open, at, 1) + 1);
    mine.push({ socket, at });
  }
  if (mine.length > 20) close();
}
while (mine.length > 0) close();
parentPort!.postMessage(most, []);
