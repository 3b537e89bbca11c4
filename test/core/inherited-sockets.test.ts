// Sockets that a process inherits from systemd, as its environment describes them.
import { expect, it } from 'vitest';
import { takeSystemdSockets } from '../../src/core/inherited-sockets.ts';

const taken = (env: Record<string, string>): unknown => Object.fromEntries(takeSystemdSockets(env, 7));

it('takes the sockets of all servers by their names', () => {
  expect(taken({ LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'admin:data:scaler' })).toEqual({
    admin: { fd: 3, madeFor: '' },
    data: { fd: 4, madeFor: '' },
    scaler: { fd: 5, madeFor: '' },
  });
});

it('takes a single socket with another name for the data server', () => {
  const one = { data: { fd: 3, madeFor: '' } };
  expect(taken({ LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'weir.socket' })).toEqual(one);
  expect(taken({ LISTEN_PID: '7', LISTEN_FDS: '1' })).toEqual(one);
  expect(taken({ LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'admin' })).toEqual({
    admin: { fd: 3, madeFor: '' },
  });
});

it('refuses several sockets that it cannot assign', () => {
  expect(() => taken({ LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'data:metrics' })).toThrow(
    'systemd passes a socket named "metrics"; name each with FileDescriptorName= in a socket unit of its own: data, admin, scaler',
  );
  expect(() => taken({ LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'data:data' })).toThrow(
    'systemd passes two sockets named "data"',
  );
});

it('ignores sockets of another process, and removes the variables in any case', () => {
  for (const pid of ['7', '8']) {
    const env = { LISTEN_PID: pid, LISTEN_FDS: '1', LISTEN_FDNAMES: 'data', OTHER: '1' };
    expect(takeSystemdSockets(env, 7).size).toBe(pid === '7' ? 1 : 0);
    expect(env).toEqual({ OTHER: '1' });
  }
});
