// Replicas at a host name with several addresses: each address is a replica as long as the name has it.
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

/** A server for each address, all on one port; each answers with its address. */
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

/** A hosts file, and the environment with which weir reads it. */
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

type Shown = { id: string; url: string; address?: string; state: string; problem: string };
const replicasOf = async (weir: Weir): Promise<Shown[]> => {
  const shown = (await (await fetch(`${weir.admin}/v1/replicas`)).json()) as {
    deployments: { replicas: Shown[] }[];
  };
  return shown.deployments[0]!.replicas;
};
const ready = async (weir: Weir): Promise<string[]> =>
  (await replicasOf(weir)).filter(({ state }) => state === 'ready').map(({ id }) => id);
const areReady = (weir: Weir, ...ids: string[]) =>
  until(`${ids.join(', ')} are ready`, async () => (await ready(weir)).join() === ids.join());

for (const lane of ['fast', 'full'] as const)
  it(`requests go to every address, with the Host of the client, in the ${lane} lane`, async () => {
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
    await areReady(weir, 'r0-127.0.0.2', 'r0-127.0.0.3');
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

it('replicas come and go with the addresses, and no request is lost', async () => {
  const port = await serversAt(['127.0.0.2', '127.0.0.3']);
  const hosts = hostsFile('127.0.0.2 model.test');
  const weir = await startWeir([`--replica=http://model.test:${port}`, ...QUICK], { env: hosts.env });
  await areReady(weir, 'r0');
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
  await until('the new one serves', () => texts.has('127.0.0.3 x'));
  await areReady(weir, 'r0-127.0.0.2', 'r0-127.0.0.3');
  // The earlier address is the same replica with another id, so it stays ready.
  expect(weir.lines.filter((line) => String(line.event).includes('draining'))).toEqual([]);
  hosts.set('127.0.0.3 model.test');
  await until('the old one is gone', async () => (await replicasOf(weir)).length === 1);
  await areReady(weir, 'r0');
  texts.clear();
  await until('it serves', () => texts.size > 0);
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

it('addresses stay while the resolver fails; the name of an unreachable replica is resolved at once', async () => {
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
  await areReady(weir, 'r0');
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

it('a name that cannot be resolved at the start is one replica with that problem until it can be', async () => {
  const port = await serversAt(['127.0.0.2', '127.0.0.3']);
  const hosts = hostsFile();
  const weir = await startWeir([`--replica=http://model.test:${port}`, ...QUICK], { env: hosts.env });
  const [replica] = await until('it was probed', async () => {
    const all = await replicasOf(weir);
    return all[0]!.problem.includes('ENOTFOUND') && all;
  });
  expect(replica).toMatchObject({ id: 'r0', state: 'starting', problem: 'getaddrinfo ENOTFOUND model.test' });
  hosts.set('127.0.0.2 model.test', '127.0.0.3 model.test');
  await areReady(weir, 'r0-127.0.0.2', 'r0-127.0.0.3');
});

it('certificates are verified for the name, at any address', async () => {
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
  await areReady(weir, 'r0-127.0.0.2', 'r0-127.0.0.3');
  expect((await call(weir.url, '/', { headers: { host: 'x' } })).text).toMatch(/^127\.0\.0\.[23] x$/);
  const other = await start('other.test');
  await until('it is refused', async () => (await replicasOf(other))[0]!.problem.includes('other.test'));
});

it('probes have the name as their Host', async () => {
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
  await until('both have asked', () => seen.size === 2);
  expect([...seen].sort()).toEqual([`/metrics model.test:${port}`, `/ready model.test:${port}`]);
});

it('names of gRPC replicas are resolved too', async () => {
  const replica = await startGrpcReplica();
  const { env } = hostsFile('127.0.0.1 model.test', '127.0.0.9 model.test');
  const weir = await startWeir([`--replica=grpc://model.test:${replica.port}`, ...QUICK], { env });
  await areReady(weir, 'r0-127.0.0.1');
  const gone = (await replicasOf(weir)).find(({ id }) => id === 'r0-127.0.0.9');
  expect(gone).toMatchObject({ state: 'starting', address: '127.0.0.9' });
  const client = new TestClient(weir.port);
  expect((await client.unary('emptyCall').outcome).code).toBe(0);
});

it('with an interval of 0 there is one replica, as the system resolves it', async () => {
  const port = await serversAt(['127.0.0.2', '127.0.0.3']);
  const { env } = hostsFile('127.0.0.2 model.test', '127.0.0.3 model.test');
  const weir = await startWeir(
    [`--replica=http://model.test:${port}`, ...QUICK, '--pool-resolve-interval=0'],
    { env },
  );
  await areReady(weir, 'r0');
  expect((await call(weir.url, '/', { headers: { host: 'x' } })).text).toBe('127.0.0.2 x');
});
