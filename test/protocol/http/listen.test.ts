// Listening on one port with several servers, as data threads do.
import { createServer, type Server } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { boundAddress, listen } from '../../../src/protocol/http/listen.ts';

const servers: Server[] = [];
const server = (): Server => {
  const made = createServer();
  servers.push(made);
  return made;
};
const at = (port: number) => ({ listen: { host: '127.0.0.1', port }, socket_mode: '660' });

afterEach(async () => {
  await Promise.all(
    servers
      .splice(0)
      .map((one) => new Promise((resolve) => (one.listening ? one.close(resolve) : resolve(0)))),
  );
});

it('lets further threads listen on the port that the first one has chosen', async () => {
  const first = server();
  await listen(first, at(0), '--listen', 'first');
  const { port } = boundAddress(first, at(0).listen);
  const further = server();
  await listen(further, at(port), '--listen', 'further');
  expect(boundAddress(further, at(0).listen).port).toBe(port);
});

it('refuses a port that another process shares', async () => {
  const other = server();
  await listen(other, at(0), '--listen', 'first');
  const { port } = boundAddress(other, at(0).listen);
  await expect(listen(server(), at(port), '--listen', 'first')).rejects.toThrow(
    `cannot listen on 127.0.0.1:${port}: the port is in use; choose another address with --listen`,
  );
});

it('refuses to share a port that a server has alone', async () => {
  const other = server();
  await listen(other, at(0), '--listen');
  const { port } = boundAddress(other, at(0).listen);
  await expect(listen(server(), at(port), '--listen', 'further')).rejects.toThrow('the port is in use');
});
