// The door for KEDA by itself: what is left of a KEDA that comes and goes.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KedaServer } from '../../../src/control/scaling/keda.ts';
import type { ScaleReading } from '../../../src/control/scaling/autoscaler.ts';
import { Keda } from '../../kit/keda.ts';
import { until } from '../../kit/until.ts';

const READING = { id: 'dep1', desired: 0, in_flight: 0, mean_in_flight: 0 } as ScaleReading;
const listeners = new Set<() => void>();
let door: KedaServer;
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
  door = new KedaServer({ listen: { host: '127.0.0.1', port: 0 } }, deps, 150);
  await door.start();
});
afterEach(() => {
  door.stop();
  listeners.clear();
});

it('keeps nothing of a thousand streams that were opened and left', async () => {
  const keda = new Keda(door.address.port);
  for (let round = 0; round < 10; round++) {
    const streams = Array.from({ length: 100 }, (_, i) =>
      keda.stream(i % 2 === 0 ? 'StreamIsActive' : 'StreamMetricSpec'),
    );
    await until('all are open', () => listeners.size === 100);
    for (const stream of streams) stream.cancel();
    await until('none is kept', () => listeners.size === 0);
  }
  keda.close();
});

it('keeps nothing of a stream whose connection was cut, or whose metadata is wrong', async () => {
  const keda = new Keda(door.address.port);
  const wrong = keda.stream('StreamIsActive', { deployment: 'nope' });
  await until('it is refused', () => wrong.problem());
  expect(listeners.size).toBe(0);
  keda.stream('StreamIsActive');
  await until('it is open', () => listeners.size === 1);
  keda.close();
  await until('nothing is kept', () => listeners.size === 0);
});

it('forgets a KEDA whose machine has vanished without a word', async () => {
  const sockets: Socket[] = [];
  const cable = createServer((socket) => {
    const on = connect(door.address.port, '127.0.0.1');
    sockets.push(socket, on);
    socket.pipe(on).pipe(socket);
    for (const one of [socket, on]) one.on('error', () => one.destroy());
  }).listen(0, '127.0.0.1');
  await once(cable, 'listening');
  const keda = new Keda((cable.address() as AddressInfo).port);
  keda.stream('StreamIsActive');
  await until('it is open', () => listeners.size === 1);
  for (const socket of sockets) socket.unpipe().pause();
  await until('nothing is kept', () => listeners.size === 0);
  for (const socket of sockets) socket.destroy();
  keda.close();
  cable.close();
});

it('answers what is too long to be a sentence with the beginning of one', async () => {
  const keda = new Keda(door.address.port);
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

it('ends streams in good order when it leaves: KEDA then comes back at once', async () => {
  const keda = new Keda(door.address.port);
  const stream = keda.stream('StreamIsActive');
  await until('it is open', () => listeners.size === 1);
  door.leave();
  await until('it has ended', () => stream.hasEnded());
  expect(stream.problem()).toBeUndefined();
  expect(listeners.size).toBe(0);
  keda.close();
});

it('streams a spec again when it has changed, and only then', async () => {
  const keda = new Keda(door.address.port);
  const byMean = { metric: 'concurrency' };
  const is = (concurrency_target: number) => {
    reading = { ...READING, concurrency_target, target_utilization_percentage: 50 };
    for (const listener of listeners) listener();
  };
  is(4);
  const stream = keda.stream<{ metricSpecs: { targetSizeFloat: number }[] }>('StreamMetricSpec', byMean);
  await until('the first is there', () => stream.got.length === 1);
  for (const target of [4, 4, 16, 16, 4]) is(target);
  await until('all are there', () => stream.got.length === 3);
  expect(stream.got.map(({ metricSpecs }) => metricSpecs[0]!.targetSizeFloat)).toEqual([2, 8, 2]);
  expect(stream.got.at(-1)).toEqual(await keda.metricSpec(byMean));
  keda.close();
});

it('pushes each time that activity begins, and nothing while that is not known', async () => {
  const keda = new Keda(door.address.port);
  reading = { ...READING, desired: null };
  const stream = keda.stream<{ result: boolean }>('StreamIsActive');
  await until('it is open', () => listeners.size === 1);
  for (const desired of [null, 0, 1, 2, null, 0, 1]) {
    reading = { ...READING, desired };
    for (const listener of listeners) listener();
  }
  await until('both came', () => stream.got.length === 2);
  expect(stream.got).toEqual([{ result: true }, { result: true }]);
  keda.close();
});
