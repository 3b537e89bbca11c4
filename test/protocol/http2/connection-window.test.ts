// Credit of a connection: how it waits for room, and that it never waits for none.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SharedArrays } from '../../../src/core/shared-arrays.ts';
import { ConnectionWindow } from '../../../src/protocol/http2/connection-window.ts';
import { Http2HeldBytes } from '../../../src/protocol/http2/http2-held-bytes.ts';
import type { Output } from '../../../src/protocol/http2/output.ts';
import { until } from '../../kit/until.ts';
import { optionsFor } from './kit/endpoints.ts';

const MIB = 1024 ** 2;

/** A window whose peer knows its credit. `mostOfOneStream`: see ConnectionWindow. */
function windowOf(heldBytes: Http2HeldBytes, mostOfOneStream = () => 0) {
  const peer = { credit: 65_535 };
  const output = { frame32: (_type: number, _id: number, by: number) => (peer.credit += by) };
  return {
    peer,
    window: new ConnectionWindow(
      output as unknown as Output,
      optionsFor('server', { heldBytes }),
      mostOfOneStream,
    ),
  };
}

/** The peer sends bytes, and they are used up. */
function pass({ peer, window }: ReturnType<typeof windowOf>, bytes: number): void {
  peer.credit -= bytes;
  expect(window.received(bytes)).toBe(true);
  window.hold(bytes);
  window.consumed(bytes);
}

it('a connection that has all it needs is not on the list of those that wait, although others hold bytes', () => {
  const heldBytes = new Http2HeldBytes(64 * MIB);
  heldBytes.add(1);
  const pair = windowOf(heldBytes);
  for (let i = 0; i < 1000; i++) pass(pair, Math.min(MIB, pair.peer.credit));
  expect(heldBytes.waiting).toBe(0);
  expect(pair.peer.credit).toBeGreaterThan(7 * MIB);
});

it('a connection that ends while it waits for room is forgotten', () => {
  const heldBytes = new Http2HeldBytes(64 * MIB);
  heldBytes.add(63 * MIB);
  const pair = windowOf(heldBytes);
  pass(pair, pair.peer.credit);
  expect(heldBytes.waiting).toBe(1);
  pair.window.close();
  expect(heldBytes.waiting).toBe(0);
  const { credit } = pair.peer;
  heldBytes.release(63 * MIB);
  expect(pair.peer.credit).toBe(credit);
});

it('a credit that was left small is filled up once bytes are used up', () => {
  const pair = windowOf(new Http2HeldBytes(2 * MIB));
  // The second time half of the maximum is held, and a quarter of the window less a byte is not worth an update.
  for (let i = 0; i < 2; i++) {
    expect(pair.window.received(MIB - 1)).toBe(true);
    pair.peer.credit -= MIB - 1;
    pair.window.hold(MIB - 1);
  }
  expect(pair.peer.credit).toBe(1);
  pair.window.consumed(2 * (MIB - 1));
  expect(pair.peer.credit).toBe(MIB);
});

it('without room the others have a window beside the stream that holds most, and no more', () => {
  const heldBytes = new Http2HeldBytes(2 * MIB);
  heldBytes.add(2 * MIB);
  let most = 0;
  const { peer, window } = windowOf(heldBytes, () => most);
  const hold = (bytes: number) => {
    peer.credit -= bytes;
    expect(window.received(bytes)).toBe(true);
    window.hold(bytes);
  };
  while (most < MIB) {
    hold(MIB / 16);
    most += MIB / 16;
  }
  expect(peer.credit).toBeGreaterThanOrEqual(MIB / 2);
  // A second stream stalls too.
  let others = 0;
  while (peer.credit > 0 && others < 8 * MIB) {
    const bytes = Math.min(peer.credit, MIB / 16);
    hold(bytes);
    others += bytes;
  }
  expect(others).toBeGreaterThanOrEqual((MIB * 3) / 4);
  expect(others).toBeLessThanOrEqual((MIB * 17) / 16);
});

it('a connection gets credit again when another thread has made room', async () => {
  const memory = new SharedArrays();
  const [own, other] = [0, 1].map((thread) => {
    const arrays = thread === 0 ? memory : new SharedArrays(memory.buffers);
    return new Http2HeldBytes(64 * MIB, { threads: 2, thread, arrays });
  }) as [Http2HeldBytes, Http2HeldBytes];
  other.add(63 * MIB);
  expect(own.bytes).toBe(63 * MIB);
  const pair = windowOf(own);
  pass(pair, pair.peer.credit);
  expect([own.waiting, other.waiting]).toEqual([1, 0]);
  const { credit } = pair.peer;
  other.release(40 * MIB);
  await until('the connection has credit', () => pair.peer.credit > credit);
  expect([own.waiting, own.bytes]).toEqual([0, 23 * MIB]);
  own.lost(1);
  expect(own.bytes).toBe(0);
});

it('a peer may always send more once what it sent is used up', () => {
  const step = fc.record({ bytes: fc.nat(4 * MIB), other: fc.nat(8 * MIB), isUsedUp: fc.boolean() });
  fc.assert(
    fc.property(fc.constantFrom(1, 2, 3, 8, 64), fc.array(step, { maxLength: 60 }), (max, steps) => {
      const heldBytes = new Http2HeldBytes(max * MIB);
      const pair = windowOf(heldBytes);
      let held = 0;
      let others = 0;
      for (const { bytes, other, isUsedUp } of steps) {
        if (other > others) heldBytes.add(other - others);
        else heldBytes.release(others - other);
        others = other;
        const sent = Math.min(bytes, pair.peer.credit);
        pair.peer.credit -= sent;
        expect(pair.window.received(sent)).toBe(true);
        pair.window.hold(sent);
        held += sent;
        if (!isUsedUp) continue;
        pair.window.consumed(held);
        held = 0;
        expect(pair.peer.credit).toBeGreaterThanOrEqual(MIB / 4);
      }
    }),
  );
});
