// Replicas over TLS: gRPC, HTTP, WebSocket and async tasks; which certificates are accepted, how others are reported.
import { ServerCredentials, status } from '@grpc/grpc-js';
import { once } from 'node:events';
import { copyFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server as NetServer } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { certificate, localCertificate, type Certificate } from '../kit/certificate.ts';
import { call } from '../kit/client.ts';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas, mirror, startReplica } from '../kit/replica.ts';
import { closeGrpc, startGrpcReplica, TestClient, type Message } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

let at: string;
let authority: Certificate;
let server: Certificate;
/** A certificate for another name than the address of the replica. */
let named: Certificate;
const servers = new Set<Server | NetServer>();

beforeAll(() => {
  ({ at, authority, server } = localCertificate());
  named = certificate(at, 'named', 'DNS:model.internal', authority);
});
afterEach(async () => {
  await stopAll();
  await closeGrpc();
  await closeReplicas();
  for (const one of servers) {
    if ('closeAllConnections' in one) one.closeAllConnections();
    one.close();
  }
  servers.clear();
});
afterAll(removeFolders);

const QUICK = ['--pool-probe-interval=50ms', '--pool-probe-retry-interval=50ms'];
const trusted = () => `--deployment-tls-ca=${authority.certFile}`;

const secured = ({ cert, key }: Certificate) =>
  ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }]);

/** A gRPC server over TLS. */
async function startSecure(by: Certificate = server, port = 0) {
  const replica = await startGrpcReplica({}, port, secured(by));
  return Object.assign(replica, { url: `grpcs://localhost:${replica.port}` });
}

async function listening<S extends Server | NetServer>(one: S): Promise<{ server: S; port: number }> {
  servers.add(one);
  one.listen(0, '127.0.0.1');
  await once(one, 'listening');
  return { server: one, port: (one.address() as AddressInfo).port };
}

const startHttps = (handler: RequestListener, { cert, key }: Certificate = server) =>
  listening(createServer({ cert, key }, handler));

/** The only replica in /v1/replicas. */
async function shown(weir: Weir): Promise<{ state: string; problem: string; alive: boolean }> {
  const body = (await (await fetch(`${weir.admin}/v1/replicas`)).json()) as {
    deployments: { replicas: { state: string; problem: string; alive: boolean }[] }[];
  };
  return body.deployments[0]!.replicas[0]!;
}

describe('a gRPC replica over TLS', () => {
  it('serves a unary call and a bidirectional stream, and gets a cancellation', async () => {
    const replica = await startSecure();
    const weir = await startWeir(['--replica', replica.url, trusted()]);
    expect(await shown(weir)).toMatchObject({ state: 'ready', problem: '' });
    const client = new TestClient(weir.port);
    const unary = await client.unary('unaryCall', { responseSize: 100_000 }).outcome;
    expect([unary.code, unary.responses[0].payload.body.length]).toEqual([status.OK, 100_000]);
    expect(replica.seen[0]!.get('x-baseten-request-id')).toEqual([unary.id]);

    const stream = client.duplex();
    const sizes: number[] = [];
    stream.call.on('data', ({ payload }: Message) => sizes.push(payload.body.length as number));
    for (const size of [9, 70_000]) {
      stream.call.write({ responseParameters: [{ size }] });
      await until(`a response of ${size} bytes`, () => sizes.at(-1) === size);
    }
    stream.call.end();
    expect((await stream.outcome).code).toBe(status.OK);

    const before = replica.cancelled;
    const cancelled = client.duplex();
    cancelled.call.write({ responseParameters: [{ size: 1 }] });
    await once(cancelled.call, 'data');
    cancelled.call.cancel();
    expect((await cancelled.outcome).code).toBe(status.CANCELLED);
    await until('the replica has the cancellation', () => replica.cancelled > before);

    const refused = await client.unary('unaryCall', { responseStatus: { code: 9, message: 'not now' } })
      .outcome;
    expect([refused.code, refused.details]).toEqual([9, 'not now']);
    await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
    await weir.expectMetric('weir_replica_connections{state="idle"}', 1);
  });

  it('is down when it stops, and calls wait until it is back', async () => {
    const replica = await startSecure();
    const weir = await startWeir(['--replica', replica.url, trusted(), ...QUICK]);
    const client = new TestClient(weir.port);
    expect((await client.unary('emptyCall').outcome).code).toBe(status.OK);
    replica.server.forceShutdown();
    await until('it is down', async () => (await shown(weir)).state === 'down');
    const waiting = client.unary('emptyCall').outcome;
    await weir.expectMetric('weir_queue_length{deployment_id="local"}', 1);
    await startSecure(server, replica.port);
    expect((await waiting).code).toBe(status.OK);
  });

  it.each([
    [
      'public authorities only',
      () => [],
      /the server's certificate is not trusted \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\); set tls_ca/,
    ],
    [
      'another authority',
      () => [`--deployment-tls-ca=${certificate(at, 'other').certFile}`],
      /the server's certificate is not trusted/,
    ],
    [
      'another name',
      () => [trusted(), '--deployment-tls-server-name=model.internal'],
      /for another name; set tls_server_name/,
    ],
  ])(
    'is not ready and reports the reason if its certificate is checked against %s',
    async (_, args, problem) => {
      const replica = await startSecure();
      const weir = await startWeir([
        '--replica',
        replica.url,
        ...args(),
        '--deployment-queue-timeout=300ms',
        ...QUICK,
      ]);
      const { state, problem: reported } = await shown(weir);
      expect(state).toBe('starting');
      expect(reported).toMatch(problem);
      expect((await new TestClient(weir.port).unary('emptyCall').outcome).code).not.toBe(status.OK);
      expect(replica.calls).toBe(0);
    },
  );

  it('is trusted by NODE_EXTRA_CA_CERTS, and no variable turns verification off', async () => {
    const replica = await startSecure();
    const extra = await startWeir(['--replica', replica.url], {
      env: { NODE_EXTRA_CA_CERTS: authority.certFile },
    });
    expect((await shown(extra)).state).toBe('ready');
    const off = await startWeir(['--replica', replica.url], { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });
    expect((await shown(off)).problem).toMatch(/not trusted/);
  });

  it('reports that it does not speak TLS, or not HTTP/2 over TLS', async () => {
    const clear = await startGrpcReplica();
    const one = await startWeir(['--replica', clear.url.replace('grpc:', 'grpcs:'), trusted()]);
    expect((await shown(one)).problem).toMatch(
      /the server does not use TLS .*grpc:\/\/ connects without TLS/,
    );
    const { port } = await startHttps(mirror);
    const two = await startWeir(['--replica', `grpcs://localhost:${port}`, trusted()]);
    expect((await shown(two)).problem).toBe(
      'the server does not support HTTP/2 over TLS (ALPN did not select h2)',
    );
    const { cert, key } = server;
    const mute = await listening(
      createTlsServer({ cert, key }, (socket) => socket.on('error', () => undefined)),
    );
    const three = await startWeir(['--replica', `grpcs://localhost:${mute.port}`, trusted()]);
    expect((await shown(three)).problem).toBe(
      'the server does not support HTTP/2 over TLS (ALPN did not select h2)',
    );
  });
});

describe('an HTTP replica over TLS', () => {
  it('is verified by its own name for any Host header of a client', async () => {
    const { port } = await startHttps(mirror);
    const weir = await startWeir(['--replica', `https://localhost:${port}`, trusted()]);
    for (const host of ['model.example', 'localhost', '127.0.0.1'])
      expect((await call(weir.url, '/x', { headers: { host } })).status).toBe(200);
    // All requests share one connection, so a client cannot cause more by sending other names.
    await weir.expectMetric('weir_replica_connections{state="idle"}', 1);
  });

  it('is accepted at an address that its certificate contains, or by the configured server name', async () => {
    const [own, other] = [await startHttps(mirror), await startHttps(mirror, named)];
    const one = await startWeir(['--replica', `https://127.0.0.1:${own.port}`, trusted()]);
    expect((await call(one.url, '/x')).status).toBe(200);
    const two = await startWeir([
      '--replica',
      `https://127.0.0.1:${other.port}`,
      trusted(),
      '--deployment-tls-server-name=model.internal',
    ]);
    expect((await call(two.url, '/x')).status).toBe(200);
    const three = await startWeir(['--replica', `https://127.0.0.1:${other.port}`, trusted()]);
    expect((await shown(three)).problem).toMatch(/certificate is for another name/);
  });

  it('is not ready with an untrusted certificate, with or without readiness_path', async () => {
    const { port } = await startHttps(mirror);
    for (const path of ['', '/health']) {
      const weir = await startWeir([
        '--replica',
        `https://localhost:${port}`,
        `--deployment-readiness-path=${path}`,
      ]);
      expect(await shown(weir)).toMatchObject({ state: 'starting' });
      expect((await shown(weir)).problem).toMatch(/the server's certificate is not trusted/);
      await weir.stop();
    }
  });

  it('gets 502 if its certificate changes to another name, and the log has the reason', async () => {
    const { server: https, port } = await startHttps(mirror);
    const weir = await startWeir([
      '--replica',
      `https://localhost:${port}`,
      trusted(),
      '--pool-probe-interval=1d',
      '--proxy-retry-connect-attempts=1',
    ]);
    https.setSecureContext({ cert: named.cert, key: named.key });
    const response = await call(weir.url, '/x');
    expect([response.status, response.headers['x-weir-cause']]).toEqual([502, 'connect_failed']);
    const line = await weir.expectExchange(response.headers['x-baseten-request-id'] as string);
    expect(line['detail']).toMatch(/certificate is for another name/);
    // Clients must not see internal names.
    expect(response.text).not.toMatch(/model\.internal/);
  });

  it('serves a WebSocket', async () => {
    const { server: https, port } = await startHttps(mirror);
    const echo = new WebSocketServer({ server: https });
    echo.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    const weir = await startWeir(['--replica', `https://localhost:${port}`, trusted()]);
    const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/websocket`, {
      headers: { host: 'model.example' },
    });
    await once(socket, 'open');
    socket.send('hello');
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    socket.close();
    await once(socket, 'close');
  });

  it('runs async tasks, and its metrics are merged', async () => {
    const seen: string[] = [];
    const { port } = await startHttps((req: IncomingMessage, res) => {
      seen.push(req.url!);
      res.end(req.url === '/metrics' ? '# TYPE it_is gauge\nit_is 7\n' : '{}');
    });
    const weir = await startWeir([
      '--replica',
      `https://localhost:${port}`,
      trusted(),
      '--merge-metrics-path=/metrics',
      `--data-dir=${join(at, 'data')}`,
    ]);
    await until('its page is merged', async () =>
      (await fetch(`${weir.admin}/metrics`).then((page) => page.text())).includes('it_is'),
    );
    const submitted = await call(weir.url, '/async_predict', { method: 'POST', body: '{"model_input":{}}' });
    expect(submitted.status).toBe(201);
    const { request_id: id } = JSON.parse(submitted.text) as { request_id: string };
    await until('the task has succeeded', async () =>
      (await call(weir.url, `/async_request/${id}`)).text.includes('"SUCCEEDED"'),
    );
    expect(seen).toContain('/v1/models/model:predict');
  });
});

it('loads a changed authority at SIGHUP, and keeps the old one if the file is invalid', async () => {
  const replica = await startSecure();
  const file = join(at, 'ca.pem');
  copyFileSync(certificate(at, 'stranger').certFile, file);
  const yaml = join(at, 'weir.yaml');
  writeFileSync(yaml, `deployments: [{ tls_ca: "${file}", replicas: [{ url: "${replica.url}" }] }]\n`);
  const weir = await startWeir(['--config', yaml, ...QUICK]);
  expect((await shown(weir)).problem).toMatch(/not trusted/);
  writeFileSync(file, 'hello');
  weir.process.kill('SIGHUP');
  const refused = await weir.expectLine('the refusal', (line) => line.event === 'configuration refused');
  expect(String(refused['problems'])).toMatch(/tls_ca \(.*ca\.pem\) is not PEM/);
  copyFileSync(authority.certFile, file);
  weir.process.kill('SIGHUP');
  await until('it is ready', async () => (await shown(weir)).state === 'ready');
});

it.each([
  [
    ['--replica=grpcs://x', '--deployment-tls-ca=/nowhere.pem'],
    /deployments\[0\]\.tls_ca \(\/nowhere\.pem\) cannot be read/,
  ],
  [
    ['--replica=http://x', '--deployment-tls-server-name=y'],
    /tls_ca and tls_server_name need a replica with an https:\/\/, h2:\/\/ or grpcs:\/\/ URL/,
  ],
  [['--replica=http://x', '--deployment-liveness-service=y'], /liveness_service is for gRPC/],
  [
    ['--replica=grpc://x', '--deployment-liveness-path=/y'],
    /for gRPC replicas set health_service and liveness_service/,
  ],
])('rejects %j in weir check', async (args, problem) => {
  const { code, err } = await runWeir(['check', ...args]);
  expect(code).toBe(2);
  expect(err).toMatch(problem);
});

it('reports a replica that closes during the handshake or does not speak TLS', async () => {
  let bytes = 0;
  const { port } = await listening(
    createTcpServer((socket) =>
      socket
        .on('error', () => undefined)
        .on('data', (chunk) => (bytes += chunk.length))
        .once('data', () => socket.destroy()),
    ),
  );
  const weir = await startWeir(['--replica', `https://localhost:${port}`, trusted()]);
  expect((await shown(weir)).problem).toBe('the server closed the connection during the TLS handshake');
  expect(bytes).toBeGreaterThan(0);
  const plain = await startReplica(mirror);
  const other = await startWeir(['--replica', plain.url.replace('http:', 'https:'), trusted()]);
  expect((await shown(other)).problem).toMatch(/the server does not use TLS/);
});
