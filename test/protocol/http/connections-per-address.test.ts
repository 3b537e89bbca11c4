// Limits of connections by client address.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SharedArrays } from '../../../src/core/shared-arrays.ts';
import { ConnectionsPerAddress, networkOf } from '../../../src/protocol/http/connections-per-address.ts';

const THREADS = 3;
/** The same limit in each of three threads, here one after the other. */
function limitsOf(limit: number): ConnectionsPerAddress[] {
  const memory = new SharedArrays();
  return Array.from({ length: THREADS }, (_, thread) => {
    const arrays = thread === 0 ? memory : new SharedArrays(memory.buffers);
    return new ConnectionsPerAddress(limit, { threads: THREADS, thread, arrays });
  });
}

const socketFrom = (remoteAddress: string): Socket =>
  Object.assign(new EventEmitter(), { remoteAddress }) as unknown as Socket;

describe('the limit of connections of an address', () => {
  it('refuses further ones until one closes, and counts each address for itself', () => {
    const limit = new ConnectionsPerAddress(2);
    const first = socketFrom('10.0.0.1');
    expect([first, socketFrom('10.0.0.1'), socketFrom('10.0.0.1')].map((one) => limit.accepts(one))).toEqual([
      true,
      true,
      false,
    ]);
    expect(limit.accepts(socketFrom('10.0.0.2'))).toBe(true);
    expect(limit.refused).toBe(1);
    first.emit('close', false);
    expect(limit.accepts(socketFrom('10.0.0.1'))).toBe(true);
  });

  it('forgets an address with its last connection', () => {
    const limit = new ConnectionsPerAddress(5);
    const sockets = Array.from({ length: 1000 }, (_, i) => socketFrom(`10.0.${i >> 8}.${i & 255}`));
    for (const socket of sockets) limit.accepts(socket);
    expect(limit.addresses).toBe(1000);
    for (const socket of sockets) socket.emit('close', false);
    expect(limit.addresses).toBe(0);
  });

  it('counts nothing if it is 0', () => {
    const limit = new ConnectionsPerAddress(0);
    expect(limit.accepts(socketFrom('10.0.0.1'))).toBe(true);
    expect(limit.addresses).toBe(0);
  });

  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['2001:db8:0:1:aaaa:bbbb:cccc:dddd', '2001:db8:0:1::'],
    ['2001:db8:0:1::5', '2001:db8:0:1::'],
    ['2001:db8::5', '2001:db8:0:0::'],
    ['::1', '0:0:0:0::'],
    ['fe80::1%eth0', 'fe80:0:0:0::'],
  ])('takes %s as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('with several threads, the limit of connections of an address', () => {
  it('counts the connections of all threads', () => {
    const step = fc.record({ thread: fc.nat(THREADS - 1), address: fc.nat(40), closes: fc.boolean() });
    const lost = fc.record({ lost: fc.nat(THREADS - 1) });
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 30, arbitrary: step }, { weight: 1, arbitrary: lost }), {
          maxLength: 200,
        }),
        (steps) => {
          const limits = limitsOf(2);
          let open: { readonly thread: number; readonly address: string; readonly socket: Socket }[] = [];
          let refused = 0;
          for (const one of steps) {
            if ('lost' in one) {
              limits[0]!.lost(one.lost);
              open = open.filter(({ thread }) => thread !== one.lost);
              continue;
            }
            const { thread } = one;
            const address = `10.0.0.${one.address}`;
            const found = open.findIndex((other) => other.thread === thread && other.address === address);
            if (one.closes && found !== -1) {
              open.splice(found, 1)[0]!.socket.emit('close', false);
              continue;
            }
            const socket = socketFrom(address);
            const isAllowed = open.filter((other) => other.address === address).length < 2;
            expect(limits[thread]!.accepts(socket)).toBe(isAllowed);
            if (isAllowed) open.push({ thread, address, socket });
            else refused++;
          }
          expect(limits[0]!.addresses).toBe(new Set(open.map(({ address }) => address)).size);
          expect(limits[0]!.refused).toBe(refused);
          for (const { socket } of open) socket.emit('close', false);
          expect(limits[0]!.addresses).toBe(0);
        },
      ),
    );
  });

  it('counts more addresses than all threads have room for together', () => {
    const limits = limitsOf(1);
    const sockets = Array.from({ length: 30_000 }, (_, i) =>
      socketFrom(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`),
    );
    for (const [i, socket] of sockets.entries()) expect(limits[i % THREADS]!.accepts(socket)).toBe(true);
    const again = (i: number) => limits[i % THREADS]!.accepts(socketFrom(sockets[i]!.remoteAddress!));
    expect([again(0), again(29_999)]).toEqual([false, false]);
    for (const socket of sockets) socket.emit('close', false);
    expect(limits.map(({ addresses }) => addresses)).toEqual([0, 0, 0]);
  });

  it('is exact while threads accept and close connections at the same time', async () => {
    const memory = new SharedArrays();
    const limit = new ConnectionsPerAddress(3, { threads: THREADS, thread: 0, arrays: memory });
    const open = new Int32Array(new SharedArrayBuffer(4 * 8));
    const found = await Promise.all(
      [1, 2].map(
        (thread) =>
          new Promise<number>((resolve, reject) => {
            const workerData = { thread, threads: THREADS, memory: memory.buffers, open, rounds: 30_000 };
            const worker = new Worker(new URL('../../kit/connecting-thread.ts', import.meta.url), {
              workerData,
            });
            worker.once('message', resolve).once('error', reject);
          }),
      ),
    );
    expect(Math.max(...found)).toBe(3);
    expect(limit.addresses).toBe(0);
  });
});
