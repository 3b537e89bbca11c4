// Replicas at a host name with several addresses: each address of the name is a replica.
import { writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { certificate, localCertificate } from '../kit/certificate.ts';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { closeGrpc, startGrpcReplica, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const servers = new Set<Server>();
afterEach(async () => {
  await stopAll();
  await closeGrpc();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers.clear();
  removeFolders();
});

async function listen(server: Server, host: string, port = 0): Promise<number> {
  servers.add(server);
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Starts a server for each address, all on one port. Each responds with its address. */
async function serversAt(
  hosts: string[],
  make: (listener: RequestListener) => Server = createServer,
): Promise<number> {
  let port = 0;
  for (const host of hosts)
    port = await listen(
      make((req, res) => res.end(`${host} ${req.headers.host}`)),
      host,
      port,
    );
  return port;
}

/** Writes a hosts file. Returns the environment with which weir reads it. */
function hostsFile(...lines: string[]) {
  const file = join(folder(), 'hosts');
  const set = (...now: string[]) => writeFileSync(file, `${now.join('\n')}\n`);
  set(...lines);
  const program = fileURLToPath(new URL('../kit/named-hosts.mjs', import.meta.url));
  return { set, env: { TEST_HOSTS: file, NODE_OPTIONS: `--import=${program}` } };
}

const QUICK = [
  '--pool-resolve-interval=100ms',
  '--pool-probe-interval=100ms',
  '--pool-probe-retry-interval=50ms',
  '--pool-slow-return=0s',
];

type ListedReplica = { id: string; url: string; address?: string; state: string; problem: string };
const replicasOf = async (weir: Weir): Promise<ListedReplica[]> => {
  const shown = (await (await fetch(`${weir.admin}/v1/replicas`)).json()) as {
    deployments: { replicas: ListedReplica[] }[];
  };
  return shown.deployments[0]!.replicas;
};
const ready = async (weir: Weir): Promise<string[]> =>
  (await replicasOf(weir)).filter(({ state }) => state === 'ready').map(({ id }) => id);
const expectReady = (weir: Weir, ...ids: string[]) =>
  until(`${ids.join(', ')} are ready`, async () => (await ready(weir)).join() === ids.join());

for (const lane of ['fast', 'full'] as const)
  it(`sends requests to every address with the Host of the client in the ${lane} lane`, async () => {
    const port = await serversAt(['127.0.0.2', '127.0.0.3']);
    const { env } = hostsFile('127.0.0.1 localhost', '127.0.0.3 model.test', '127.0.0.2 model.test');
    const weir = await startWeir(
      [
        `--replica=http://model.test:${port}`,
        ...QUICK,
        ...(lane === 'full' ? ['--proxy-fast-lane=false'] : []),
      ],
      { env },
    );
    await expectReady(weir, 'r0-127.0.0.2', 'r0-127.0.0.3');
    const texts = new Set<string>();
    for (let i = 0; i < 6; i++)
      texts.add((await call(weir.url, '/', { headers: { host: 'client.example' } })).text);
    expect([...texts].sort()).toEqual(['127.0.0.2 client.example', '127.0.0.3 client.example']);
    expect(await replicasOf(weir)).toMatchObject([
      { id: 'r0-127.0.0.2', url: `http://model.test:${port}`, address: '127.0.0.2' },
      { id: 'r0-127.0.0.3', url: `http://model.test:${port}`, address: '127.0.0.3' },
    ]);
    const page = await weir.page();
    expect(page.value('weir_replica_ready{deployment_id="local",replica="r0-127.0.0.2"}')).toBe(1);
  });

it('adds and removes replicas with the addresses, and loses no request', async () => {
  const port = await serversAt(['127.0.0.2', '127.0.0.3']);
  const hosts = hostsFile('127.0.0.2 model.test');
  const weir = await startWeir([`--replica=http://model.test:${port}`, ...QUICK], { env: hosts.env });
  await expectReady(weir, 'r0');
  const load = { isOver: false };
  const statuses = new Set<number>();
  const texts = new Set<string>();
  const client = (async () => {
    while (!load.isOver) {
      const { status, text } = await call(weir.url, '/', { headers: { host: 'x' } });
      statuses.add(status);
      texts.add(text);
    }
  })();
  hosts.set('127.0.0.2 model.test', '127.0.0.3 model.test');
  await until('the new replica serves', () => texts.has('127.0.0.3 x'));
  await expectReady(weir, 'r0-127.0.0.2', 'r0-127.0.0.3');
  // The earlier address stays the same replica under another id, so it stays ready.
  expect(weir.lines.filter((line) => String(line.event).includes('draining'))).toEqual([]);
  hosts.set('127.0.0.3 model.test');
  await until('the old replica is removed', async () => (await replicasOf(weir)).length === 1);
  await expectReady(weir, 'r0');
  texts.clear();
  await until('the remaining replica serves', () => texts.size > 0);
  expect([...texts]).toEqual(['127.0.0.3 x']);
  load.isOver = true;
  await client;
  expect([...statuses]).toEqual([200]);
  expect(
    await weir.expectLine('the change', (line) => line.event === 'addresses of a host changed'),
  ).toMatchObject({
    host: 'model.test',
  });
});

it('keeps addresses while the resolver fails, and resolves the name of an unreachable replica at once', async () => {
  const port = await serversAt(['127.0.0.2', '127.0.0.3']);
  const hosts = hostsFile('127.0.0.2 model.test');
  const weir = await startWeir(
    [
      `--replica=http://model.test:${port}`,
      ...QUICK,
      '--pool-resolve-interval=1h',
      '--pool-probe-failures=1',
    ],
    { env: hosts.env },
  );
  await expectReady(weir, 'r0');
  hosts.set('! model.test');
  const [first, second] = [...servers];
  first!.closeAllConnections();
  first!.close();
  const warned = await weir.expectLine(
    'the problem',
    (line) => line.event === 'host name resolution problem',
  );
  expect(warned).toMatchObject({ level: 'warn', host: 'model.test', addresses: ['127.0.0.2'] });
  expect(warned['problem']).toContain('EAI_AGAIN');
  expect(await replicasOf(weir)).toMatchObject([{ id: 'r0', address: '127.0.0.2', state: 'down' }]);
  expect(second!.listening).toBe(true);
});

it('shows a name that cannot be resolved as one replica with that problem until it is resolved', async () => {
  const port = await serversAt(['127.0.0.2', '127.0.0.3']);
  const hosts = hostsFile();
  const weir = await startWeir([`--replica=http://model.test:${port}`, ...QUICK], { env: hosts.env });
  const [replica] = await until('the replica was probed', async () => {
    const all = await replicasOf(weir);
    return all[0]!.problem.includes('ENOTFOUND') && all;
  });
  expect(replica).toMatchObject({ id: 'r0', state: 'starting', problem: 'getaddrinfo ENOTFOUND model.test' });
  hosts.set('127.0.0.2 model.test', '127.0.0.3 model.test');
  await expectReady(weir, 'r0-127.0.0.2', 'r0-127.0.0.3');
});

it('verifies certificates for the name at any address', async () => {
  const { at, authority } = localCertificate();
  const { cert, key } = certificate(at, 'model', 'DNS:model.test', authority);
  const port = await serversAt(['127.0.0.2', '127.0.0.3'], (listener) =>
    createTlsServer({ cert, key }, listener),
  );
  const { env } = hostsFile('127.0.0.2 model.test', '127.0.0.3 model.test', '127.0.0.2 other.test');
  const start = (name: string) =>
    startWeir(
      [
        `--replica=https://${name}:${port}`,
        `--deployment-tls-ca=${authority.certFile}`,
        '--deployment-readiness-path=/',
        ...QUICK,
      ],
      { env },
    );
  const weir = await start('model.test');
  await expectReady(weir, 'r0-127.0.0.2', 'r0-127.0.0.3');
  expect((await call(weir.url, '/', { headers: { host: 'x' } })).text).toMatch(/^127\.0\.0\.[23] x$/);
  const other = await start('other.test');
  await until('the certificate is rejected', async () =>
    (await replicasOf(other))[0]!.problem.includes('other.test'),
  );
});

it('sends probes with the name as Host', async () => {
  const seen = new Set<string>();
  const server = createServer((req, res) => {
    seen.add(`${req.url} ${req.headers.host}`);
    res.end('a 1\n');
  });
  const port = await listen(server, '127.0.0.2');
  const { env } = hostsFile('127.0.0.2 model.test');
  await startWeir(
    [
      `--replica=http://model.test:${port}`,
      '--deployment-readiness-path=/ready',
      '--merge-metrics-path=/metrics',
      ...QUICK,
    ],
    { env },
  );
  await until('the probe and the scrape have arrived', () => seen.size === 2);
  expect([...seen].sort()).toEqual([`/metrics model.test:${port}`, `/ready model.test:${port}`]);
});

it('resolves names of gRPC replicas', async () => {
  const replica = await startGrpcReplica();
  const { env } = hostsFile('127.0.0.1 model.test', '127.0.0.9 model.test');
  const weir = await startWeir([`--replica=grpc://model.test:${replica.port}`, ...QUICK], { env });
  await expectReady(weir, 'r0-127.0.0.1');
  const unreachable = (await replicasOf(weir)).find(({ id }) => id === 'r0-127.0.0.9');
  expect(unreachable).toMatchObject({ state: 'starting', address: '127.0.0.9' });
  const client = new TestClient(weir.port);
  expect((await client.unary('emptyCall').outcome).code).toBe(0);
});

it('uses one replica, as the system resolves it, if resolve_interval is 0', async () => {
  const port = await serversAt(['127.0.0.2', '127.0.0.3']);
  const { env } = hostsFile('127.0.0.2 model.test', '127.0.0.3 model.test');
  const weir = await startWeir(
    [`--replica=http://model.test:${port}`, ...QUICK, '--pool-resolve-interval=0'],
    { env },
  );
  await expectReady(weir, 'r0');
  expect((await call(weir.url, '/', { headers: { host: 'x' } })).text).toBe('127.0.0.2 x');
});
