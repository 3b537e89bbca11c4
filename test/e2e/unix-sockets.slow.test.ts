// Unix sockets: as listeners of each server and as replicas of each protocol, with curl and real servers.
import { ServerCredentials, status } from '@grpc/grpc-js';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { folder, removeFolders } from '../kit/folder.ts';
import {
  startRawReplica,
  bodyOf,
  closeReplicas,
  headerValues,
  mirror,
  startReplica,
  type SeenRequest,
} from '../kit/replica.ts';
import { Keda } from '../kit/keda.ts';
import { closeGrpc, startGrpcReplica, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll } from '../kit/weir.ts';

let at: string;
const servers: Server[] = [];
beforeEach(() => {
  at = folder();
});
afterEach(async () => {
  await stopAll();
  await closeGrpc();
  await closeReplicas();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
afterAll(removeFolders);

/** Starts an HTTP server on a Unix socket. */
async function listenAt(path: string, handler: RequestListener): Promise<Server> {
  const server = createServer(handler).listen(path);
  servers.push(server);
  await once(server, 'listening');
  return server;
}

const curl = (...args: string[]): Promise<string> =>
  new Promise((resolve, reject) =>
    execFile('curl', ['-sS', '--max-time', '10', ...args], (error, out) =>
      error ? reject(error) : resolve(out),
    ),
  );

/** One request through a Unix socket. */
async function ask(socketPath: string, path: string, body?: string) {
  const req = request({ socketPath, path, method: body === undefined ? 'GET' : 'POST', agent: false });
  req.end(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return {
    status: res.statusCode,
    id: res.headers['x-baseten-request-id'],
    text: (await bodyOf(res)).toString(),
  };
}

describe.each([
  ['the fast lane', []],
  ['the full lane', ['--proxy-fast-lane=false']],
])('over Unix sockets, %s', (_, lane) => {
  it('serves curl, and tells the replica and the log that the client has no address', async () => {
    const replica = await startReplica(mirror);
    const path = join(at, 'weir.sock');
    const weir = await startWeir(['--replica', replica.url, `--listen=unix:${path}`, ...lane]);
    const out = await curl('-i', '--unix-socket', path, 'http://model/x', '-d', 'hello');
    expect(out).toMatch(/^HTTP\/1\.1 200 /);
    const seen = JSON.parse(out.slice(out.indexOf('\r\n\r\n'))) as SeenRequest;
    expect(seen.body).toBe('hello');
    expect(headerValues(seen.headers, 'x-forwarded-for')).toEqual(['unix']);
    expect(headerValues(seen.headers, 'forwarded')).toEqual(['for=_unix;host=model;proto=http']);
    const id = /x-baseten-request-id: ([0-9a-f]{37})/i.exec(out)![1]!;
    expect(await weir.expectExchange(id)).toMatchObject({ status: 200, remote: 'unix' });
    expect(await weir.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it('forwards requests to a replica, with large bodies, and shows its path', async () => {
    const path = join(at, 'vllm.sock');
    const hosts: (string | undefined)[] = [];
    await listenAt(path, (req, res) => {
      hosts.push(req.headers.host);
      if (req.url === '/metrics') res.end('# TYPE vllm_things gauge\nvllm_things 7\n');
      else req.pipe(res);
    });
    const weir = await startWeir([
      `--replica=unix:${path}`,
      '--deployment-readiness-path=/health',
      '--merge-metrics-path=/metrics',
      '--merge-metrics-interval=1s',
      ...lane,
    ]);
    const large = 'x'.repeat(3_000_000);
    for (const body of ['a', large, 'b']) {
      const response = await fetch(`${weir.url}/echo`, { method: 'POST', body });
      expect([response.status, (await response.text()) === body]).toEqual([200, true]);
    }
    // The probe and the client, whose Host is passed on.
    expect(new Set(hosts)).toEqual(new Set(['localhost', `127.0.0.1:${weir.port}`]));
    const replicas = await (await fetch(`${weir.admin}/v1/replicas`)).text();
    expect(replicas).toContain(`"url":"unix:${path}"`);
    await until('the metrics of the replica are merged', async () =>
      (await (await fetch(`${weir.admin}/metrics`)).text()).includes('vllm_things{'),
    );
  });

  it('forwards WebSockets to a replica', async () => {
    const path = join(at, 'ws.sock');
    const server = await listenAt(path, (_req, res) => res.end());
    new WebSocketServer({ server }).on('connection', (socket) =>
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
    );
    const weir = await startWeir([`--replica=unix:${path}`, ...lane]);
    const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/websocket`);
    await once(socket, 'open');
    socket.send(Buffer.alloc(70_000, 7));
    expect((await once(socket, 'message'))[0]).toEqual(Buffer.alloc(70_000, 7));
    socket.close();
    await once(socket, 'close');
  });

  it('answers 500 with the reason while the socket of a replica is missing, and serves when it is there', async () => {
    const path = join(at, 'late.sock');
    const weir = await startWeir([
      `--replica=unix:${path}`,
      '--pool-probe-retry-interval=100ms',
      '--deployment-queue-timeout=200ms',
      ...lane,
    ]);
    const early = await fetch(`${weir.url}/x`);
    expect(early.status).toBe(500);
    expect(await (await fetch(`${weir.admin}/readyz`)).text()).toContain(`no such socket (${path})`);
    await listenAt(path, (_req, res) => res.end('here'));
    await until('the replica is ready', async () => (await fetch(`${weir.url}/x`)).status === 200);
  });

  it('closes the connection of a response that ends with it and breaks', async () => {
    const replica = await startRawReplica((socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
        setTimeout(() => socket.resetAndDestroy(), 50);
      }),
    );
    const path = join(at, 'weir.sock');
    const weir = await startWeir([`--replica=${replica.url}`, `--listen=unix:${path}`, ...lane]);
    const socket = connect({ path });
    socket.on('error', () => undefined);
    // In HTTP/1.0 the end of the connection is the end of the body.
    socket.write('GET / HTTP/1.0\r\n\r\n');
    await once(socket.resume(), 'close');
    // The process goes on.
    await expect(ask(path, '/x')).rejects.toThrow('aborted');
    expect(weir.process.exitCode).toBeNull();
  });
});

it('forwards gRPC through Unix sockets on both sides, and probes the replica there', async () => {
  const replica = await startGrpcReplica();
  const [own, path] = [join(at, 'weir.sock'), join(at, 'model.sock')];
  await new Promise((resolve) =>
    replica.server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), resolve),
  );
  const weir = await startWeir([`--replica=grpc+unix:${path}`, `--listen=unix:${own}`]);
  await weir.expectMetric('weir_replica_ready{deployment_id="local",replica="r0"}', 1);
  const call = await new TestClient(own).unary('unaryCall', { responseSize: 200_000 }).outcome;
  expect([call.code, call.responses[0].payload.body.length]).toEqual([status.OK, 200_000]);
  expect(await weir.expectExchange(call.id)).toMatchObject({ protocol: 'grpc', remote: 'unix' });
});

it('fails gRPC calls when the socket of a gRPC replica is missing', async () => {
  const weir = await startWeir([
    `--replica=grpc+unix:${join(at, 'nowhere.sock')}`,
    '--deployment-queue-timeout=200ms',
  ]);
  const call = await new TestClient(weir.port).unary('unaryCall').outcome;
  expect(call.code).not.toBe(status.OK);
  expect(await (await fetch(`${weir.admin}/readyz`)).text()).toContain('no such socket');
});

it('serves KEDA on a Unix socket', async () => {
  const replica = await startReplica(mirror);
  const path = join(at, 'scaler.sock');
  const weir = await startWeir([`--replica=${replica.url}`, `--scaler=unix:${path}`]);
  const keda = new Keda(0, undefined, `unix:${path}`);
  expect(await keda.isActive()).toEqual({ result: true });
  keda.close();
  expect(await weir.stop()).toBe(0);
  expect(existsSync(path)).toBe(false);
});

it('runs queued requests at a replica', async () => {
  const path = join(at, 'async.sock');
  let host: string | undefined;
  await listenAt(path, (req, res) => {
    host = req.headers.host;
    req.pipe(res);
  });
  const weir = await startWeir([`--replica=unix:${path}`, '--async-keep-results']);
  const sent = await fetch(`${weir.url}/production/async_predict`, {
    method: 'POST',
    body: JSON.stringify({ model_input: { prompt: 'hello' } }),
  });
  expect(sent.status).toBe(201);
  await weir.expectLine(
    'the task',
    (line) => line.event === 'exchange' && line['async'] === true && line['status'] === 200,
  );
  expect(host).toBe('localhost');
});

describe('a socket file', () => {
  const listen = (path: string, ...more: string[]) => [
    '--replica=http://127.0.0.1:9',
    `--listen=unix:${path}`,
    '--admin=127.0.0.1:0',
    '--logs-capture=off',
    '--deployment-queue-timeout=200ms',
    `--data-dir=${folder()}`,
    ...more,
  ];

  it('has the mode of the setting', async () => {
    const [data, admin, scaler] = ['data', 'admin', 'scaler'].map((name) => join(at, `${name}.sock`)) as [
      string,
      string,
      string,
    ];
    await startWeir(
      listen(
        data,
        `--admin=unix:${admin}`,
        '--admin-socket-mode=600',
        `--scaler=unix:${scaler}`,
        '--scale-socket-mode=666',
      ),
    );
    const modes = [data, admin, scaler].map((path) => (statSync(path).mode & 0o777).toString(8));
    expect(modes).toEqual(['660', '600', '666']);
  });

  it('of a process that was killed is removed, and that of a running one is not', async () => {
    const path = join(at, 'weir.sock');
    const first = await startWeir(listen(path));
    const refused = await runWeir(['serve', ...listen(path)]);
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain(
      `cannot listen on unix:${path}: process ${first.process.pid} listens there; choose another address with --listen`,
    );
    expect((await ask(path, '/x')).status).toBeGreaterThan(0);
    await first.stop('SIGKILL');
    expect(lstatSync(path).isSocket()).toBe(true);
    const second = await startWeir(listen(path));
    expect(await second.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it('is not removed when weir stops, if it is another process’s or no socket by then', async () => {
    const path = join(at, 'weir.sock');
    const first = await startWeir(listen(path));
    rmSync(path);
    const second = await startWeir(listen(path));
    expect(await first.stop()).toBe(0);
    expect((await ask(path, '/x')).status).toBeGreaterThan(0);
    rmSync(path);
    writeFileSync(path, 'notes');
    expect(await second.stop()).toBe(0);
    expect(statSync(path).size).toBe(5);
    expect(readdirSync(at)).toEqual(['weir.sock']);
  });

  it('never replaces a file that is not a socket', async () => {
    const [path, link] = [join(at, 'notes.txt'), join(at, 'link')];
    writeFileSync(path, 'notes');
    symlinkSync(path, link);
    for (const one of [path, link]) {
      const refused = await runWeir(['serve', ...listen(one)]);
      expect(refused.code).not.toBe(0);
      expect(refused.err).toContain(`cannot listen on unix:${one}: a file is there that is not a socket`);
    }
    expect(statSync(path).size).toBe(5);
  });

  it('in a folder that does not exist is an error with the path', async () => {
    const path = join(at, 'nowhere', 'weir.sock');
    const refused = await runWeir(['serve', ...listen(path)]);
    expect(refused.err).toMatch(new RegExp(`cannot listen on unix:${path}: .*(ENOENT|EACCES)`));
  });

  it('has a path of at most 107 bytes', async () => {
    const long = `/${'x'.repeat(107)}`;
    const checked = await runWeir(['check', ...listen(long), `--replica=unix:${long}`]);
    expect(checked.code).toBe(2);
    expect(checked.err.match(/the path has 108 bytes, and a Unix socket allows 107/g)).toHaveLength(2);
    const relative = await runWeir(['check', ...listen('weir.sock')]);
    expect(relative.err).toContain('the path must begin with / and name a file, such as unix:/run/weir.sock');
  });
});

describe('the admin server on a Unix socket', () => {
  it('needs no key, since its clients are on this machine', async () => {
    const replica = await startReplica(mirror);
    const path = join(at, 'admin.sock');
    await startWeir([`--replica=${replica.url}`, `--admin=unix:${path}`, '--admin-protect-metrics']);
    for (const route of ['/v1/settings', '/metrics'])
      expect(
        await curl(
          '-o',
          '/dev/null',
          '-w',
          '%{http_code}',
          '--unix-socket',
          path,
          `http://localhost${route}`,
        ),
      ).toBe('200');
    // A proxy on this machine passes on requests of others, with their Host.
    const other = await curl('--unix-socket', path, 'http://weir.example/v1/settings');
    expect(other).toContain('only requests from this machine are allowed');
  });

  it('needs a key as soon as one is set', async () => {
    const replica = await startReplica(mirror);
    const path = join(at, 'admin.sock');
    await startWeir([`--replica=${replica.url}`, `--admin=unix:${path}`, '--admin-key=a-very-long-secret']);
    expect((await ask(path, '/v1/settings')).status).toBe(401);
  });
});

it('serves a hundred clients of a Unix socket at the same time', async () => {
  const replica = await startReplica((req, res) => void req.pipe(res));
  const path = join(at, 'weir.sock');
  await startWeir([`--replica=${replica.url}`, `--listen=unix:${path}`]);
  const texts = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => (await ask(path, '/echo', `body ${i}`)).text),
  );
  expect(texts).toEqual(Array.from({ length: 100 }, (_, i) => `body ${i}`));
});

it('starts a process that serves a Unix socket', async () => {
  const path = join(at, 'child.sock');
  const program = `require('http').createServer((q, r) => r.end('child')).listen(${JSON.stringify(path)})`;
  const weir = await startWeir([`--replica=unix:${path}`, '--pool-probe-retry-interval=100ms'], {
    command: 'run',
    rest: [process.execPath, '-e', program],
  });
  await until('the process serves', async () => (await (await fetch(`${weir.url}/x`)).text()) === 'child');
});
