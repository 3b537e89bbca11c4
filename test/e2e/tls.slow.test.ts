// TLS on the data server: real clients, refused connections, and certificates that change.
import { credentials, status } from '@grpc/grpc-js';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectH2, type IncomingHttpHeaders } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { certificate, localCertificate, type Certificate } from '../kit/certificate.ts';
import { RawClient } from '../kit/client.ts';
import { removeFolders } from '../kit/folder.ts';
import {
  bodyOf,
  closeReplicas,
  headerValues,
  mirror,
  startRawReplica,
  startReplica,
  type SeenRequest,
} from '../kit/replica.ts';
import { closeGrpc, startGrpcReplica, TestClient, type Message } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const ID = /^[0-9a-f]{37}$/;

let at: string;
let authority: Certificate;
let server: Certificate;

beforeAll(() => ({ at, authority, server } = localCertificate()));
afterEach(async () => {
  await stopAll();
  await closeGrpc();
  await closeReplicas();
});
afterAll(removeFolders);

const tls = (...more: string[]) => [
  `--ingress-tls-cert=${server.certFile}`,
  `--ingress-tls-key=${server.keyFile}`,
  ...more,
];

/** Opens a TLS connection. Resolves after the handshake. */
async function handshake(weir: Pick<Weir, 'port'>, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port: weir.port, host: '127.0.0.1', ca: authority.cert, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

/** Sends one request over TLS and reads the whole response. */
async function ask(weir: Weir, path: string, agent: Agent | false = false, body?: Buffer) {
  const req = request({
    host: '127.0.0.1',
    port: weir.port,
    path,
    agent,
    ca: authority.cert,
    method: body ? 'POST' : 'GET',
  });
  req.end(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return { res, body: await bodyOf(res), req };
}

const curl = (...args: string[]): Promise<string> =>
  new Promise((resolve, reject) =>
    execFile('curl', ['-sS', '--max-time', '10', '--cacert', authority.certFile, ...args], (error, out) =>
      error ? reject(error) : resolve(out),
    ),
  );

describe.each([
  ['the fast lane', []],
  ['the full lane', ['--proxy-fast-lane=false']],
])('over TLS, %s', (_, lane) => {
  it.each([['--http1.1'], ['--no-alpn']])(
    'serves curl %s and tells the replica the scheme https',
    async (how) => {
      const replica = await startReplica(mirror);
      const weir = await startWeir(['--replica', replica.url, ...tls(...lane)]);
      const out = await curl(how, '-i', `https://localhost:${weir.port}/x`, '-d', 'hello');
      expect(out).toMatch(/^HTTP\/1\.1 200 /);
      const id = /x-baseten-request-id: ([0-9a-f]{37})/i.exec(out)![1]!;
      const seen = JSON.parse(out.slice(out.indexOf('\r\n\r\n'))) as SeenRequest;
      expect(seen.body).toBe('hello');
      expect(headerValues(seen.headers, 'x-forwarded-proto')).toEqual(['https']);
      expect(headerValues(seen.headers, 'x-forwarded-for')).toEqual(['127.0.0.1']);
      expect(headerValues(seen.headers, 'forwarded')[0]).toMatch(/;proto=https$/);
      expect(await weir.expectExchange(id)).toMatchObject({ status: 200, cause: 'ok', remote: '127.0.0.1' });
      await weir.expectMetric('baseten_inference_requests_total{status_code="200",is_async="false"}', 1);
    },
  );

  it('serves a client that offers HTTP/2 and HTTP/1.1 over HTTP/2, and one that offers only one over that', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir(['--replica', replica.url, ...tls(...lane)]);
    const url = `https://localhost:${weir.port}/x`;
    expect(await curl('--http2', '-i', url)).toMatch(/^HTTP\/2 200 /);
    expect(await curl('--http1.1', '-i', url)).toMatch(/^HTTP\/1\.1 200 /);
    const session = connectH2(url, { ca: authority.cert });
    const [head] = (await once(session.request({ ':path': '/x' }), 'response')) as [IncomingHttpHeaders];
    expect(head).toMatchObject({ ':status': 200 });
    session.destroy();
  });

  it('serves HTTP/1.1 to a client that offers both if HTTP/2 serves only gRPC', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir(['--replica', replica.url, '--proxy-http2-library=node', ...tls(...lane)]);
    expect(await curl('--http2', '-i', `https://localhost:${weir.port}/x`)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('serves many requests over one connection, with large bodies in both directions', async () => {
    const replica = await startReplica((req, res) => void req.pipe(res));
    const weir = await startWeir(['--replica', replica.url, ...tls(...lane)]);
    const agent = new Agent({ keepAlive: true, ca: authority.cert });
    const large = Buffer.alloc(8 * 1024 ** 2, 'the quick brown fox ');
    const ports = new Set<number | undefined>();
    for (const body of [Buffer.from('a'), large, Buffer.from('b')]) {
      const response = await ask(weir, '/echo', agent, body);
      ports.add(response.req.socket!.localPort);
      expect(response.body.equals(body)).toBe(true);
    }
    expect(ports.size).toBe(1);
    agent.destroy();
  });

  it('forwards messages of a wss connection, with the request id on the upgrade', async () => {
    const echo = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(echo, 'listening');
    let proto: unknown;
    echo.on('connection', (socket, req) => {
      proto = req.headers['x-forwarded-proto'];
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    const url = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;
    const weir = await startWeir(['--replica', url, ...tls(...lane)]);
    const socket = new WebSocket(`wss://localhost:${weir.port}/websocket`, { ca: authority.cert });
    const upgrade = once(socket, 'upgrade') as Promise<[IncomingMessage]>;
    await once(socket, 'open');
    expect((await upgrade)[0].headers['x-baseten-request-id']).toMatch(ID);
    socket.send(Buffer.alloc(100_000, 7));
    expect((await once(socket, 'message'))[0]).toEqual(Buffer.alloc(100_000, 7));
    socket.close(4001);
    await once(socket, 'close');
    expect(proto).toBe('https');
    await weir.expectMetric('baseten_inference_requests_total{status_code="4001",is_async="false"}', 1);
    echo.close();
  });

  it('serves gRPC by ALPN, unary and bidirectional, with request ids', async () => {
    const replica = await startGrpcReplica();
    const weir = await startWeir(['--replica', replica.url, ...tls(...lane)]);
    const client = new TestClient(weir.port, {}, credentials.createSsl(Buffer.from(authority.cert)));
    const unary = await client.unary('unaryCall', { responseSize: 200_000 }).outcome;
    expect([unary.code, unary.responses[0].payload.body.length]).toEqual([status.OK, 200_000]);
    expect(unary.id).toMatch(ID);
    expect(await weir.expectExchange(unary.id)).toMatchObject({ protocol: 'grpc', remote: '127.0.0.1' });
    const { call, outcome } = client.duplex();
    const sizes: number[] = [];
    call.on('data', ({ payload }: Message) => sizes.push(payload.body.length as number));
    for (const size of [5, 70_000]) {
      call.write({ responseParameters: [{ size }] });
      await until(`a response of ${size} bytes`, () => sizes.at(-1) === size);
    }
    call.end();
    expect((await outcome).code).toBe(status.OK);
  });

  it('rejects HTTP/2 that was not negotiated by ALPN (RFC 9113 3.3)', async () => {
    const replica = await startGrpcReplica();
    const weir = await startWeir(['--replica', replica.url, ...tls(...lane)]);
    const socket = await handshake(weir);
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')));
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await once(socket, 'end');
    expect(got).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('resets the connection of a response that ends with it and breaks', async () => {
    let breakIt = (): void => undefined;
    const replica = await startRawReplica((socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
        breakIt = () => socket.resetAndDestroy();
      }),
    );
    const weir = await startWeir(['--replica', replica.url, '--pool-probe-interval=1d', ...tls(...lane)]);
    const socket = await handshake(weir);
    // In HTTP/1.0 the end of the connection is the end of the body.
    socket.write('GET / HTTP/1.0\r\n\r\n');
    await once(socket, 'data');
    breakIt();
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });

  it('disconnects a client that does not finish the handshake, and tells clear-text clients to use TLS', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir([
      '--replica',
      replica.url,
      ...tls('--ingress-tls-handshake-timeout=300ms', ...lane),
    ]);
    const silent = new RawClient(weir.port);
    const half = new RawClient(weir.port).send(Buffer.from([0x16, 3, 1, 2, 0, 1]));
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'CONNECT']) {
      const plain = new RawClient(weir.port).send(
        `${method} /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}`,
      );
      expect(await plain.expectClosed(), method).toMatch(
        /^HTTP\/1\.1 400 Bad Request\r\n[^]*This port speaks TLS: use https:/,
      );
    }
    const h2c = new RawClient(weir.port).send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    // SETTINGS, then GOAWAY with the reason.
    const goaway = await h2c.expectClosed();
    expect([goaway[3], goaway[12]]).toEqual(['\x04', '\x07']);
    expect(goaway).toContain('This port speaks TLS: use https:');
    const noise = new RawClient(weir.port).send('\x80\x02\x03');
    expect(await noise.expectClosed()).toBe('');
    await weir.expectMetric('weir_tls_refused_total{server="ingress",reason="clear_text"}', 8);
    const fetched = await fetch(weir.url, { method: 'POST', body: '{"prompt": "Hello"}' });
    expect([fetched.status, await fetched.json()]).toEqual([
      400,
      {
        error: 'This port speaks TLS: use https:// instead of http://, or grpcs:// instead of grpc://',
        error_code: 'client_error',
      },
    ]);
    expect(await half.expectClosed()).toBe('');
    expect(await silent.expectClosed()).toBe('');
    const gone = new RawClient(weir.port);
    await once(gone.socket, 'connect');
    gone.socket.resetAndDestroy();
    expect((await ask(weir, '/x')).res.statusCode).toBe(200);
    // A client without a finished handshake has made no request.
    expect(weir.lines.filter((line) => line.event === 'exchange').length).toBeLessThanOrEqual(1);
  });

  it('refuses a head that is late or too large, as in clear text', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir([
      '--replica',
      replica.url,
      ...tls('--ingress-header-timeout=300ms', '--ingress-max-header=1KiB', ...lane),
    ]);
    const responseTo = async (text: string) => {
      const socket = await handshake(weir);
      let got = '';
      socket.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')));
      socket.write(text);
      await once(socket, 'close');
      return got;
    };
    const [slow, large, silent] = await Promise.all([
      responseTo('GET / HTTP/1.1\r\nX-'),
      responseTo(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(3000)}\r\n\r\n`),
      responseTo(''),
    ]);
    expect(slow).toMatch(/^HTTP\/1\.1 408 /);
    expect(silent).toMatch(/^HTTP\/1\.1 408 /);
    expect(large).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('limits connections, and accepts new ones when others have ended', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir(['--replica', replica.url, ...tls('--ingress-max-connections=2', ...lane)]);
    const one = await handshake(weir);
    const two = await handshake(weir, { ALPNProtocols: ['http/1.1'] });
    await new RawClient(weir.port).expectClosed();
    one.destroy();
    two.destroy();
    await until('a new connection is accepted', () =>
      ask(weir, '/x').then(
        ({ res }) => res.statusCode === 200,
        () => false,
      ),
    );
  });

  it('drains with GOAWAY and without new connections, and finishes running responses', async () => {
    let stream: ServerResponse | undefined;
    const replica = await startReplica((_req, res) => {
      stream = res;
      res.write('first ');
    });
    const weir = await startWeir(['--replica', replica.url, ...tls(...lane)]);
    const idle = await handshake(weir);
    const idleEnds = once(idle.resume(), 'end');
    const session = connectH2(`https://localhost:${weir.port}`, { ca: authority.cert });
    await once(session, 'connect');
    const goaway = once(session, 'goaway') as Promise<[number]>;
    const whole = ask(weir, '/stream');
    await until('the stream has begun', () => stream);
    const exit = weir.stop();
    expect((await goaway)[0]).toBe(0);
    await until('new connections are refused', () =>
      handshake(weir).then(
        (socket) => void socket.destroy(),
        () => true,
      ),
    );
    stream!.end('last');
    expect((await whole).body.toString()).toBe('first last');
    await idleEnds;
    expect(await exit).toBe(0);
  });

  it('closes running requests after the drain timeout', async () => {
    const replica = await startReplica((_req, res) => void res.write('first'));
    const weir = await startWeir([
      '--replica',
      replica.url,
      ...tls('--ingress-drain-timeout=200ms', ...lane),
    ]);
    const socket = await handshake(weir);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    expect(await weir.stop()).toBe(0);
    await closed;
    expect(weir.lines.find((line) => line.event === 'exchange')).toMatchObject({ cause: 'draining' });
  });
});

it('speaks TLS 1.2 and 1.3 but no older version', async () => {
  const replica = await startReplica(mirror);
  const weir = await startWeir(['--replica', replica.url, ...tls()]);
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await handshake(weir, { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    socket.destroy();
  }
  const old: ConnectionOptions = {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  };
  await expect(handshake(weir, old)).rejects.toThrow(/protocol version/);
});

it('closes TLS connections to clear-text ports, says so once in the log, and still serves others', async () => {
  const replica = await startReplica(mirror);
  for (const lane of ['true', 'false']) {
    const weir = await startWeir([
      '--replica',
      replica.url,
      `--proxy-fast-lane=${lane}`,
      '--scaler=127.0.0.1:0',
    ]);
    for (const port of [weir.port, weir.adminPort, weir.scalerPort])
      for (let i = 0; i < 3; i++)
        await expect(handshake({ port })).rejects.toThrow(/disconnected|ECONNRESET/);
    expect((await fetch(`${weir.url}/x`)).status).toBe(200);
    expect((await fetch(`${weir.admin}/livez`)).status).toBe(200);
    const saying = () =>
      weir.lines.filter(({ event }) => event === 'a client speaks TLS to a clear-text port');
    const said = await until('each server says it', () => saying().length >= 3 && saying());
    expect(said.map(({ server, remote, hint }) => [server, remote, hint])).toEqual(
      ['ingress', 'admin', 'scale'].map((server) => [
        server,
        '127.0.0.1',
        `use http://, or set ${server}.tls.cert`,
      ]),
    );
  }
});

describe('a certificate', () => {
  const wrong = async (cert: string, key: string): Promise<string> => {
    const args = ['--replica', 'http://127.0.0.1:9', '--ingress-tls-cert', cert, '--ingress-tls-key', key];
    const [checked, served] = [await runWeir(['check', ...args]), await runWeir(['serve', ...args])];
    expect([checked.code, served.code]).toEqual([2, 2]);
    expect(served.err).toBe(checked.err);
    return checked.err;
  };
  const file = (name: string, text: string) => {
    writeFileSync(join(at, name), text);
    return join(at, name);
  };

  it('is refused with the reason if it is missing, invalid, or does not match its key', async () => {
    const { certFile, keyFile, cert, key } = server;
    expect(await wrong(join(at, 'nowhere.pem'), keyFile)).toMatch(
      /ingress\.tls\.cert \(.*nowhere\.pem\) cannot be read: ENOENT/,
    );
    const both = await wrong(file('text.pem', 'hello'), file('empty.pem', ''));
    expect(both).toMatch(
      /ingress\.tls\.cert .* is not PEM: a certificate begins with -----BEGIN CERTIFICATE/,
    );
    expect(both).toMatch(/ingress\.tls\.key .* is not PEM: a private key begins with -----BEGIN PRIVATE KEY/);
    const swapped = await wrong(keyFile, certFile);
    expect(swapped).toMatch(
      /cert .* contains a private key but no certificate; give the file of the certificate/,
    );
    expect(swapped).toMatch(/key .* contains a certificate but no private key; give the file of the key/);
    expect(await wrong(certFile, authority.keyFile)).toMatch(/key .* does not match the certificate in cert/);
    expect(await wrong(file('order.pem', authority.cert + cert), keyFile)).toMatch(
      /the certificate of the server at position 2; it must be the first/,
    );
    expect(await wrong(file('cut.pem', cert.replace(/\n.{20}/, '\n')), keyFile)).toMatch(
      /cannot be parsed: certificate number 1 in it is invalid/,
    );
    const broken = await wrong(certFile, file('broken-key.pem', key.replace(/\n.{20}/, '\n')));
    expect(broken).toMatch(/cannot be parsed: the private key in it is invalid/);
    // The error contains no line of the key.
    for (const line of key.split('\n').filter((one) => one.length > 20 && !one.startsWith('-----')))
      expect(broken).not.toContain(line.slice(20));
  });

  it('is refused without its key', async () => {
    const alone = await runWeir([
      'check',
      '--replica',
      'http://127.0.0.1:9',
      '--ingress-tls-cert',
      server.certFile,
    ]);
    expect([alone.code, alone.err]).toEqual([
      2,
      'weir: ingress.tls.cert is set without ingress.tls.key: TLS needs both the certificate and its private key\n',
    ]);
  });

  it('is reloaded for new connections when it changes on disk or at SIGHUP, unless it is invalid', async () => {
    const replica = await startReplica(mirror);
    const [certFile, keyFile] = [join(at, 'live.pem'), join(at, 'live-key.pem')];
    const put = ({ certFile: cert, keyFile: key }: Certificate) => {
      copyFileSync(cert, `${certFile}.next`);
      copyFileSync(key, `${keyFile}.next`);
      renameSync(`${certFile}.next`, certFile);
      renameSync(`${keyFile}.next`, keyFile);
    };
    put(server);
    const weir = await startWeir([
      '--replica',
      replica.url,
      `--ingress-tls-cert=${certFile}`,
      `--ingress-tls-key=${keyFile}`,
    ]);
    const expectLoads = (times: number) =>
      until(
        `${times} certificates are loaded`,
        () => weir.lines.filter((line) => line.event === 'certificate').length === times,
      );
    await expectLoads(1);
    const shown = async () => {
      const socket = await handshake(weir);
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      return subject.CN;
    };
    const agent = new Agent({ keepAlive: true, ca: authority.cert });
    const first = await ask(weir, '/one', agent);
    const port = first.req.socket!.localPort;
    expect(await shown()).toBe('server');

    put(certificate(at, 'second', 'DNS:localhost,IP:127.0.0.1', authority));
    await expectLoads(2);
    expect(await shown()).toBe('second');
    // The open connection keeps working.
    expect((await ask(weir, '/two', agent)).req.socket!.localPort).toBe(port);

    writeFileSync(keyFile, authority.key);
    weir.process.kill('SIGHUP');
    const refused = await weir.expectLine('the refusal', (line) => line.event === 'certificate refused');
    expect(refused['problem']).toMatch(/does not match the certificate/);
    expect(await shown()).toBe('second');

    put(certificate(at, 'third', 'DNS:localhost,IP:127.0.0.1', authority));
    weir.process.kill('SIGHUP');
    await until('the third is shown', async () => (await shown()) === 'third');
    agent.destroy();
    expect(weir.process.exitCode).toBeNull();
  });

  it('has a key that no setting, log line or error shows', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir(['--replica', replica.url, ...tls('--log-level=debug')]);
    await ask(weir, '/x');
    const settings = await (await fetch(`${weir.admin}/v1/settings`)).text();
    expect(settings).toContain(server.keyFile);
    const secret = server.key.split('\n').filter((line) => line.length > 20 && !line.startsWith('-----'));
    expect(secret.length).toBeGreaterThan(0);
    for (const line of secret)
      expect(settings + JSON.stringify(weir.lines) + weir.stderr).not.toContain(line);
  });
});

it('counts no connection after handshakes that are reset at different moments', async () => {
  const replica = await startReplica(mirror);
  const weir = await startWeir(['--replica', replica.url, ...tls('--ingress-max-connections=50')]);
  for (let i = 0; i < 200; i++) {
    const raw = connectTcp({ port: weir.port, host: '127.0.0.1' });
    raw.on('error', () => undefined);
    await once(raw, 'connect');
    const socket = connect({ socket: raw, ca: authority.cert, servername: 'localhost' });
    socket.on('error', () => undefined);
    if (i % 3 === 0)
      // Earlier connections may still count, so this one may be refused.
      await new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve));
    else if (i % 3 === 1) await new Promise((resolve) => setImmediate(resolve));
    raw.resetAndDestroy();
  }
  // If reset connections still counted, the limit would refuse this one.
  await until('it serves a request', () =>
    ask(weir, '/x').then(
      ({ res }) => res.statusCode === 200,
      () => false,
    ),
  );
});
