// Tests of the gRPC server for KEDA: streams, and what remains of closed ones.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KedaServer } from '../../../src/control/scaling/keda.ts';
import type { ScaleReading } from '../../../src/control/scaling/autoscaler.ts';
import { Keda } from '../../kit/keda.ts';
import { quietLog } from '../../kit/quiet-log.ts';
import { until } from '../../kit/until.ts';

const READING = { id: 'dep1', desired: 0, in_flight: 0, mean_in_flight: 0 } as ScaleReading;
const listeners = new Set<() => void>();
let server: KedaServer;
let reading = READING;

beforeEach(async () => {
  reading = READING;
  const deps = {
    readings: () => [reading],
    changed: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const options = { listen: { host: '127.0.0.1', port: 0 }, socket_mode: '660' };
  server = new KedaServer(options, deps, undefined, quietLog(), 150);
  await server.start();
});
afterEach(() => {
  server.stop();
  listeners.clear();
});

it('forgets a thousand streams after they were cancelled', async () => {
  const keda = new Keda(server.address.port);
  for (let round = 0; round < 10; round++) {
    const streams = Array.from({ length: 100 }, (_, i) =>
      keda.stream(i % 2 === 0 ? 'StreamIsActive' : 'StreamMetricSpec'),
    );
    await until('all streams are open', () => listeners.size === 100);
    for (const stream of streams) stream.cancel();
    await until('no stream is left', () => listeners.size === 0);
  }
  keda.close();
});

it('forgets a stream with a closed connection or invalid metadata', async () => {
  const keda = new Keda(server.address.port);
  const wrong = keda.stream('StreamIsActive', { deployment: 'nope' });
  await until('the stream is rejected', () => wrong.error());
  expect(listeners.size).toBe(0);
  keda.stream('StreamIsActive');
  await until('the stream is open', () => listeners.size === 1);
  keda.close();
  await until('no stream is left', () => listeners.size === 0);
});

it('forgets the streams of a KEDA whose machine has vanished', async () => {
  const sockets: Socket[] = [];
  const relay = createServer((socket) => {
    const onward = connect(server.address.port, '127.0.0.1');
    sockets.push(socket, onward);
    socket.pipe(onward).pipe(socket);
    for (const one of [socket, onward]) one.on('error', () => one.destroy());
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const keda = new Keda((relay.address() as AddressInfo).port);
  keda.stream('StreamIsActive');
  await until('the stream is open', () => listeners.size === 1);
  for (const socket of sockets) socket.unpipe().pause();
  await until('no stream is left', () => listeners.size === 0);
  for (const socket of sockets) socket.destroy();
  keda.close();
  relay.close();
});

it('shortens a long error', async () => {
  const keda = new Keda(server.address.port);
  const refused: unknown = await keda
    .isActive({ deployment: 'x'.repeat(60_000) })
    .catch((error: unknown) => error);
  const { code, details } = refused as { code: number; details: string };
  expect([code, details.slice(0, 30)]).toEqual([
    status.INVALID_ARGUMENT,
    `metadata deployment is "${'x'.repeat(6)}`,
  ]);
  expect(details.length).toBeLessThan(1000);
  keda.close();
});

it('ends streams without an error at a drain, so that KEDA reconnects at once', async () => {
  const keda = new Keda(server.address.port);
  const stream = keda.stream('StreamIsActive');
  await until('the stream is open', () => listeners.size === 1);
  server.drain();
  await until('the stream has ended', () => stream.hasEnded());
  expect(stream.error()).toBeUndefined();
  expect(listeners.size).toBe(0);
  keda.close();
});

it('streams a spec again only if it has changed', async () => {
  const keda = new Keda(server.address.port);
  const byMean = { metric: 'concurrency' };
  const setTarget = (concurrency_target: number) => {
    reading = { ...READING, concurrency_target, target_utilization_percentage: 50 };
    for (const listener of listeners) listener();
  };
  setTarget(4);
  const stream = keda.stream<{ metricSpecs: { targetSizeFloat: number }[] }>('StreamMetricSpec', byMean);
  await until('the first spec has arrived', () => stream.messages.length === 1);
  for (const target of [4, 4, 16, 16, 4]) setTarget(target);
  await until('all specs have arrived', () => stream.messages.length === 3);
  expect(stream.messages.map(({ metricSpecs }) => metricSpecs[0]!.targetSizeFloat)).toEqual([2, 8, 2]);
  expect(stream.messages.at(-1)).toEqual(await keda.metricSpec(byMean));
  keda.close();
});

it('pushes true each time that activity begins, and nothing while it is unknown', async () => {
  const keda = new Keda(server.address.port);
  reading = { ...READING, desired: null };
  const stream = keda.stream<{ result: boolean }>('StreamIsActive');
  await until('the stream is open', () => listeners.size === 1);
  for (const desired of [null, 0, 1, 2, null, 0, 1]) {
    reading = { ...READING, desired };
    for (const listener of listeners) listener();
  }
  await until('both messages have arrived', () => stream.messages.length === 2);
  expect(stream.messages).toEqual([{ result: true }, { result: true }]);
  keda.close();
});
