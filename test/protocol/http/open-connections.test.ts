// Limits of the open connections of a server.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { SharedArrays } from '../../../src/core/shared-arrays.ts';
import { OpenConnections } from '../../../src/protocol/http/open-connections.ts';

const socket = (): Socket => new EventEmitter() as unknown as Socket;

it('refuses further connections until one closes', () => {
  const limit = new OpenConnections(2);
  const first = socket();
  expect([first, socket(), socket()].map((one) => limit.accepts(one))).toEqual([true, true, false]);
  expect(limit.count).toBe(2);
  first.emit('close', false);
  expect(limit.accepts(socket())).toBe(true);
});

it('counts the connections of all threads, and forgets those of a thread that has ended', () => {
  const memory = new SharedArrays();
  const one = new OpenConnections(3, { threads: 2, thread: 0, arrays: memory });
  const other = new OpenConnections(3, {
    threads: 2,
    thread: 1,
    arrays: new SharedArrays(memory.buffers),
  });
  expect([one, other, other, one].map((limit) => limit.accepts(socket()))).toEqual([true, true, true, false]);
  one.lost(1);
  expect(one.count).toBe(1);
  expect([one.accepts(socket()), other.accepts(socket())]).toEqual([true, true]);
});
