// Limits of connections by client address.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ConnectionsPerAddress, networkOf } from '../../../src/protocol/http/connections-per-address.ts';

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
