// Client certificates at each server, with openssl and curl as clients: who is served, who is refused and how, and where
// the subject is shown.
import { credentials, status } from '@grpc/grpc-js';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, writeFileSync } from 'node:fs';
import { connect as connectH2 } from 'node:http2';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { certificate, clientCertificate, localCertificate, type Certificate } from '../kit/certificate.ts';
import { removeFolders } from '../kit/folder.ts';
import { Keda } from '../kit/keda.ts';
import { closeReplicas, headerValues, mirror, startReplica, type SeenRequest } from '../kit/replica.ts';
import { closeGrpc, startGrpcReplica, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const SUBJECT = 'CN=client,O=Example\\, Inc.';

let at: string;
let authority: Certificate;
let server: Certificate;
let client: Certificate;
/** Signed by an authority that weir does not know. */
let stranger: Certificate;
let expired: Certificate;

beforeAll(() => {
  ({ at, authority, server } = localCertificate());
  client = clientCertificate(at, '/O=Example, Inc./CN=client', authority);
  stranger = clientCertificate(at, '/CN=stranger', certificate(at, 'other'));
  expired = clientCertificate(at, '/CN=expired', authority, -1);
});
afterEach(async () => {
  await stopAll();
  await closeGrpc();
  await closeReplicas();
});
afterAll(removeFolders);

type Section = 'ingress' | 'admin' | 'scale';

const tls = (section: Section, asked: 'off' | 'optional' | 'required', ...more: string[]) => [
  `--${section}-tls-cert=${server.certFile}`,
  `--${section}-tls-key=${server.keyFile}`,
  `--${section}-tls-client-certificates=${asked}`,
  ...(asked === 'off' ? [] : [`--${section}-tls-client-ca=${authority.certFile}`]),
  ...more,
];

const flagsOf = (by?: Certificate) => (by ? ['--cert', by.certFile, '--key', by.keyFile] : []);

/** Runs curl over TLS, with a client certificate if one is given. Rejects with what it printed if it fails. */
const curl = (by: Certificate | undefined, ...args: string[]): Promise<string> =>
  new Promise((resolve, reject) =>
    execFile(
      'curl',
      ['-sS', '--max-time', '10', '--cacert', authority.certFile, ...flagsOf(by), ...args],
      (error, out, err) => (error ? reject(new Error(err)) : resolve(out)),
    ),
  );

/** What openssl s_client prints for a connection that sends `text`. */
async function openssl(port: number, args: string[], text = ''): Promise<string> {
  const child = spawn('openssl', [
    's_client',
    '-connect',
    `127.0.0.1:${port}`,
    '-CAfile',
    authority.certFile,
    '-quiet',
    '-no_ign_eof',
    ...args,
  ]);
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (out += chunk.toString('latin1')));
  child.stdin.on('error', () => undefined);
  child.stdin.write(text);
  const ended = setTimeout(() => child.stdin.end(), 1500);
  await once(child, 'close');
  clearTimeout(ended);
  return out;
}

describe.each([
  ['the fast lane', []],
  ['the full lane', ['--proxy-fast-lane=false']],
])('with client certificates, %s', (_, lane) => {
  it('serves a client with one, and shows its subject in the access log, the record and the header', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir([
      `--replica=${replica.url}`,
      '--logs-capture=metadata',
      ...tls('ingress', 'required', '--ingress-tls-subject-header=X-Client-Subject', ...lane),
    ]);
    const out = await curl(
      client,
      '-i',
      `https://localhost:${weir.port}/x`,
      '-H',
      'x-client-subject: CN=admin',
      '-H',
      'X_Client_Subject: CN=admin',
      '-d',
      'hello',
    );
    expect(out).toMatch(/^HTTP\/2 200 /);
    const seen = JSON.parse(out.slice(out.indexOf('\r\n\r\n'))) as SeenRequest;
    expect(headerValues(seen.headers, 'x-client-subject')).toEqual([SUBJECT]);
    expect(headerValues(seen.headers, 'x_client_subject')).toEqual([]);
    const id = /x-baseten-request-id: ([0-9a-f]{37})/i.exec(out)![1]!;
    expect(await weir.expectExchange(id)).toMatchObject({ status: 200, client_subject: SUBJECT });
    const query = encodeURIComponent('client_subject:*CN=client* kind:request');
    await until('the record is found', async () => {
      const response = await fetch(`${weir.admin}/v1/logs?q=${query}`);
      const { logs } = (await response.json()) as {
        logs: { request_id: string; attributes: Record<string, unknown> }[];
      };
      return logs.some((one) => one.request_id === id && one.attributes['client_subject'] === SUBJECT);
    });
  });

  it('tells the replica nothing without the setting, and no subject for a client without a certificate', async () => {
    const replica = await startReplica(mirror);
    const subjectOf = async (weir: Weir, by?: Certificate) => {
      const args = ['-H', 'x-client-subject: CN=admin', `https://localhost:${weir.port}/x`];
      return headerValues((JSON.parse(await curl(by, ...args)) as SeenRequest).headers, 'x-client-subject');
    };
    const silent = await startWeir([`--replica=${replica.url}`, ...tls('ingress', 'optional', ...lane)]);
    expect(await subjectOf(silent, client)).toEqual(['CN=admin']);
    const telling = await startWeir([
      `--replica=${replica.url}`,
      ...tls('ingress', 'optional', '--ingress-tls-subject-header=x-client-subject', ...lane),
    ]);
    expect(await subjectOf(telling)).toEqual([]);
    expect(await subjectOf(telling, client)).toEqual([SUBJECT]);
    await telling.expectLine('the subject', (line) => line['client_subject'] === SUBJECT);
    expect(telling.lines.filter(({ event }) => event === 'exchange')).toHaveLength(2);
  });

  it('drops the header of a client from trailers', async () => {
    const replica = await startReplica((req, res) => {
      req.resume().on('end', () => res.end(JSON.stringify(req.rawTrailers)));
    });
    const weir = await startWeir([
      `--replica=${replica.url}`,
      ...tls('ingress', 'optional', '--ingress-tls-subject-header=x-client-subject', ...lane),
    ]);
    const socket = await handshake(weir, client);
    socket.write(
      'POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n' +
        '1\r\na\r\n0\r\nx-client-subject: CN=admin\r\nx-sum: 1\r\n\r\n',
    );
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
    await once(socket, 'close');
    expect(got).toMatch(/\["x-sum","1"\]/);
  });

  it('tells a client whose certificate is not trusted or has expired why it is refused', async () => {
    const replica = await startReplica(mirror);
    for (const asked of ['optional', 'required'] as const) {
      const weir = await startWeir([`--replica=${replica.url}`, ...tls('ingress', asked, ...lane)]);
      const url = `https://localhost:${weir.port}/x`;
      const unknown = await curl(stranger, '--http1.1', '-i', url);
      expect(unknown).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
      expect(unknown).toMatch(/"Client certificate refused: [a-z ]+ \(UNABLE_TO_.*, CN=stranger\)"/);
      expect(await curl(expired, '--http1.1', '-i', url)).toMatch(
        /"Client certificate refused: certificate has expired \(CERT_HAS_EXPIRED, CN=expired\)"/,
      );
      expect(await curl(client, url)).toContain('"method":"GET"');
      await weir.expectMetric('weir_tls_refused_total{server="ingress",reason="untrusted_certificate"}', 2);
      const said = weir.lines.filter(({ event }) => event === 'connection to a TLS port refused');
      expect(said).toHaveLength(1);
      expect(said[0]!['problem']).toContain('CN=stranger');
    }
  });

  it('sends the alert certificate_required to a client without one', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir([`--replica=${replica.url}`, ...tls('ingress', 'required', ...lane)]);
    expect(await openssl(weir.port, ['-tls1_3'], 'GET / HTTP/1.1\r\n\r\n')).toContain(
      'alert certificate required',
    );
    expect(await openssl(weir.port, ['-tls1_2'], 'GET / HTTP/1.1\r\n\r\n')).toContain(
      'alert handshake failure',
    );
    // curl is told over HTTP/1.1; over HTTP/2 some versions only say that the connection is lost.
    await expect(curl(undefined, '--http1.1', `https://localhost:${weir.port}/x`)).rejects.toThrow(
      /alert certificate required/,
    );
    await weir.expectMetric('weir_tls_refused_total{server="ingress",reason="no_certificate"}', 3);
  });

  it('resumes sessions of a client, and never those of a client that was refused', async () => {
    const replica = await startReplica(mirror);
    for (const version of ['-tls1_2', '-tls1_3']) {
      const weir = await startWeir([`--replica=${replica.url}`, ...tls('ingress', 'required', ...lane)]);
      const text = 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
      for (const [who, expected] of [
        [client, '200 OK'],
        [stranger, '403 Forbidden'],
      ] as const) {
        const session = join(at, `session${version}`);
        const args = [version, '-cert', who.certFile, '-key', who.keyFile];
        expect(await openssl(weir.port, [...args, '-sess_out', session], text)).toContain(expected);
        expect(await openssl(weir.port, [...args, '-sess_in', session], text)).toContain(expected);
      }
    }
  });

  it('does not serve a client whose certificate has expired, although its session is resumed', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir([`--replica=${replica.url}`, ...tls('ingress', 'required', ...lane)]);
    const validMs = 8_000;
    const brief = clientCertificate(at, '/CN=brief', authority, validMs / 86_400_000);
    const expiryMs = Date.now() + validMs;
    const text = 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const send = (version: string, ...more: string[]) =>
      openssl(weir.port, [version, '-cert', brief.certFile, '-key', brief.keyFile, ...more], text);
    const versions = ['-tls1_2', '-tls1_3'];
    for (const version of versions)
      expect(await send(version, '-sess_out', join(at, `brief${version}`))).toContain('200 OK');
    await until('the certificate has expired', () => Date.now() > expiryMs, validMs + 5_000);
    for (const version of versions) {
      const got = await send(version, '-sess_in', join(at, `brief${version}`));
      expect(got).toContain('certificate has expired (CERT_HAS_EXPIRED, CN=brief)');
    }
  });

  it('shows the subject on a WebSocket', async () => {
    const echo = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(echo, 'listening');
    let subject: unknown;
    echo.on('connection', (_socket, req) => (subject = req.headers['x-client-subject']));
    const { port } = echo.address() as { port: number };
    const weir = await startWeir([
      `--replica=http://127.0.0.1:${port}`,
      ...tls('ingress', 'required', '--ingress-tls-subject-header=x-client-subject', ...lane),
    ]);
    const socket = new WebSocket(`wss://localhost:${weir.port}/websocket`, {
      ca: authority.cert,
      cert: client.cert,
      key: client.key,
      headers: { 'x-client-subject': 'CN=admin' },
    });
    await once(socket, 'open');
    expect(subject).toBe(SUBJECT);
    socket.close();
    await once(socket, 'close');
    await weir.expectLine('the WebSocket', ({ client_subject }) => client_subject === SUBJECT);
    echo.close();
  });
});

async function handshake(
  weir: Pick<Weir, 'port'>,
  by?: Certificate,
  ca = authority.cert,
): Promise<TLSSocket> {
  const socket = connect({ port: weir.port, host: '127.0.0.1', ca, cert: by?.cert, key: by?.key });
  await once(socket, 'secureConnect');
  return socket;
}

it('shows the subject of a gRPC client, and drops its own header', async () => {
  const replica = await startGrpcReplica();
  const weir = await startWeir([
    `--replica=${replica.url}`,
    ...tls('ingress', 'required', '--ingress-tls-subject-header=x-client-subject'),
  ]);
  const secure = credentials.createSsl(
    Buffer.from(authority.cert),
    Buffer.from(client.key),
    Buffer.from(client.cert),
  );
  const call = await new TestClient(weir.port, {}, secure).unary('unaryCall', { responseSize: 5 }).outcome;
  expect(call.code).toBe(status.OK);
  expect(await weir.expectExchange(call.id)).toMatchObject({ protocol: 'grpc', client_subject: SUBJECT });
});

it('tells a gRPC client whose certificate is not trusted why it is refused, in the status of its call', async () => {
  const replica = await startGrpcReplica();
  for (const library of ['weir', 'node']) {
    const weir = await startWeir([
      `--replica=${replica.url}`,
      `--proxy-http2-library=${library}`,
      ...tls('ingress', 'required'),
    ]);
    const secure = credentials.createSsl(
      Buffer.from(authority.cert),
      Buffer.from(stranger.key),
      Buffer.from(stranger.cert),
    );
    const call = await new TestClient(weir.port, {}, secure).unary('unaryCall', { responseSize: 5 }).outcome;
    expect(call.code).toBe(status.PERMISSION_DENIED);
    expect(call.details).toMatch(/Client certificate refused: [a-z ]+ \(UNABLE_TO_.*, CN=stranger\)/);
    expect(replica.calls).toBe(0);
    expect(weir.lines.filter(({ event }) => event === 'exchange')).toEqual([]);
  }
});

it('answers the requests of an HTTP/2 client whose certificate is not trusted with 403, and closes', async () => {
  const replica = await startReplica(mirror);
  const weir = await startWeir([`--replica=${replica.url}`, ...tls('ingress', 'optional')]);
  const session = connectH2(`https://localhost:${weir.port}`, {
    ca: authority.cert,
    cert: stranger.cert,
    key: stranger.key,
  });
  session.on('error', () => undefined);
  const closed = once(session, 'close');
  const answers = await Promise.all(
    ['GET', 'POST', 'HEAD'].map(async (method) => {
      const stream = session.request({ ':method': method, ':path': '/x' });
      if (method === 'POST') stream.write('the beginning of a body');
      else stream.end();
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
      const body = Buffer.concat((await stream.toArray()) as Buffer[]).toString();
      return [method, headers[':status'], headers['content-type'], body === '' ? '' : JSON.parse(body)];
    }),
  );
  const answer = {
    error: expect.stringMatching(/^Client certificate refused: [a-z ]+ \(UNABLE_TO_.*, CN=stranger\)$/),
    error_code: 'unauthorized',
  };
  expect(answers).toEqual([
    ['GET', 403, 'application/json', answer],
    ['POST', 403, 'application/json', answer],
    ['HEAD', 403, 'application/json', ''],
  ]);
  await closed;
  const out = await curl(stranger, '-i', `https://localhost:${weir.port}/x`);
  expect(out).toMatch(/^HTTP\/2 403 /);
  expect(out).toContain('Client certificate refused');
  await weir.expectMetric('weir_tls_refused_total{server="ingress",reason="untrusted_certificate"}', 2);
  expect(weir.lines.filter(({ event }) => event === 'exchange')).toEqual([]);
});

it('cuts a long subject, escapes control characters, and keeps different subjects apart', async () => {
  const replica = await startReplica(mirror);
  const weir = await startWeir([
    `--replica=${replica.url}`,
    ...tls('ingress', 'required', '--ingress-tls-subject-header=x-client-subject'),
  ]);
  const long = (last: string) =>
    clientCertificate(
      at,
      `${Array.from({ length: 10 }, (_, i) => `/OU=${'u'.repeat(60)}${i}`).join('')}/CN=${last}`,
      authority,
    );
  const odd = clientCertificate(at, '/O=Zoë \u202e\u0085 \u0007/CN=odd', authority);
  for (const by of [long('a'), long('b'), odd]) await curl(by, `https://localhost:${weir.port}/x`);
  const subjects = await until('three lines', () => {
    const lines = weir.lines.filter(({ event }) => event === 'exchange');
    return lines.length === 3 && lines.map((line) => String(line['client_subject']));
  });
  expect(subjects[0]!.length).toBe(512);
  expect(subjects[0]).not.toBe(subjects[1]);
  expect(subjects[2]).toBe('CN=odd,O=Zoë \\E2\\80\\AE\\C2\\85 \\07');
  const seen = JSON.parse(await curl(odd, `https://localhost:${weir.port}/x`)) as SeenRequest;
  expect(headerValues(seen.headers, 'x-client-subject')).toEqual([
    'CN=odd,O=Zo\\C3\\AB \\E2\\80\\AE\\C2\\85 \\07',
  ]);
});

describe('the admin server', () => {
  it('speaks TLS, asks clients for certificates, and still wants a key', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir([
      `--replica=${replica.url}`,
      '--admin-key=a-very-long-secret',
      ...tls('admin', 'required'),
    ]);
    const url = `https://localhost:${weir.adminPort}`;
    const status = ['-o', '/dev/null', '-w', '%{http_code}'];
    expect(await curl(client, ...status, `${url}/metrics`)).toBe('200');
    expect(await curl(client, ...status, `${url}/v1/settings`)).toBe('401');
    const key = ['-H', 'Authorization: Bearer a-very-long-secret'];
    expect(await curl(client, ...status, ...key, `${url}/v1/settings`)).toBe('200');
    await curl(client, ...key, '-X', 'POST', `${url}/v1/replicas/local/r0/drain`);
    const change = await weir.expectLine(
      'the change',
      (line) => line['path'] === '/v1/replicas/local/r0/drain',
    );
    expect(change).toMatchObject({ by: 'admin.key', address: '127.0.0.1', client_subject: SUBJECT });
    await expect(curl(undefined, `${url}/livez`)).rejects.toThrow(/alert certificate required/);
    expect(await curl(stranger, `${url}/livez`)).toContain('Client certificate refused');
    const plain = await fetch(`http://127.0.0.1:${weir.adminPort}/livez`);
    expect([plain.status, await plain.text()]).toEqual([
      400,
      expect.stringContaining('This port speaks TLS: use https://'),
    ]);
  });
});

describe('the scaler server', () => {
  it('speaks TLS, and asks clients for certificates', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir([
      `--replica=${replica.url}`,
      '--scaler=127.0.0.1:0',
      ...tls('scale', 'required'),
    ]);
    const ssl = (by?: Certificate) =>
      credentials.createSsl(
        Buffer.from(authority.cert),
        by ? Buffer.from(by.key) : null,
        by ? Buffer.from(by.cert) : null,
      );
    const good = new Keda(weir.scalerPort, ssl(client));
    expect(await good.isActive()).toMatchObject({ result: true });
    good.close();
    for (const [by, code] of [
      [undefined, status.UNAVAILABLE],
      [stranger, status.PERMISSION_DENIED],
    ] as const) {
      const bad = new Keda(weir.scalerPort, ssl(by));
      await expect(bad.isActive()).rejects.toMatchObject({ code });
      bad.close();
    }
    expect(await weir.stop()).toBe(0);
  });
});

describe('certificates that change', () => {
  it('are used for new connections under load, together with the authorities of clients', async () => {
    const replica = await startReplica(mirror);
    const files = { cert: join(at, 'live.pem'), key: join(at, 'live-key.pem'), ca: join(at, 'live-ca.pem') };
    const put = (pair: Certificate, ca: Certificate) => {
      copyFileSync(pair.certFile, files.cert);
      copyFileSync(pair.keyFile, files.key);
      copyFileSync(ca.certFile, files.ca);
    };
    put(server, authority);
    const weir = await startWeir([
      `--replica=${replica.url}`,
      ...(['ingress', 'admin'] as const).flatMap((section) => [
        `--${section}-tls-cert=${files.cert}`,
        `--${section}-tls-key=${files.key}`,
      ]),
      '--ingress-tls-client-certificates=required',
      `--ingress-tls-client-ca=${files.ca}`,
    ]);
    const over = new AbortController();
    let served = 0;
    const failures: string[] = [];
    const load = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) {
        const socket = await handshake(weir, client).catch((error: Error) => error);
        if (socket instanceof Error) {
          failures.push(socket.message);
          continue;
        }
        socket.write('GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
        let got = '';
        socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
        socket.on('error', (error) => failures.push(error.message));
        await once(socket, 'close');
        if (got.startsWith('HTTP/1.1 200')) served++;
        else failures.push(got);
      }
    });
    const open = await handshake(weir, client);
    for (let i = 0; i < 3; i++) {
      const before = weir.lines.filter(({ event }) => event === 'certificate').length;
      put(certificate(at, `server${i}`, 'DNS:localhost,IP:127.0.0.1', authority), authority);
      await until(
        'both servers have the new one',
        () => weir.lines.filter(({ event }) => event === 'certificate').length >= before + 2,
      );
    }
    over.abort();
    await Promise.all(load);
    expect(failures).toEqual([]);
    expect(served).toBeGreaterThan(10);
    // An open connection goes on.
    open.write('GET /x HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(String((await once(open, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    open.destroy();
    // Another authority: a session of the old one is not resumed either.
    const session = join(at, 'old-session');
    const args = ['-tls1_3', '-cert', client.certFile, '-key', client.keyFile];
    const text = 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    expect(await openssl(weir.port, [...args, '-sess_out', session], text)).toContain('200 OK');
    copyFileSync(stranger.certFile, files.ca);
    await until('the client is refused', async () =>
      (await openssl(weir.port, args, text)).includes('403 Forbidden'),
    );
    expect(await openssl(weir.port, [...args, '-sess_in', session], text)).toContain('403 Forbidden');
  });

  it('stay in use while the new ones are broken or expired, which is said once and shown in the metrics', async () => {
    const replica = await startReplica(mirror);
    const files = { cert: join(at, 'broken.pem'), key: join(at, 'broken-key.pem') };
    copyFileSync(server.certFile, files.cert);
    copyFileSync(server.keyFile, files.key);
    const weir = await startWeir([
      `--replica=${replica.url}`,
      `--ingress-tls-cert=${files.cert}`,
      `--ingress-tls-key=${files.key}`,
    ]);
    const page = await weir.page();
    const expiry = page.value('weir_certificate_expiry_timestamp_seconds{server="ingress"}')!;
    expect(expiry * 1000 - Date.now()).toBeGreaterThan(29 * 86_400_000);
    const refusals = () => weir.lines.filter(({ event }) => event === 'certificate refused');
    writeFileSync(files.cert, 'garbage');
    await weir.expectMetric('weir_certificate_refused{server="ingress"}', 1);
    for (let i = 0; i < 3; i++) {
      weir.process.kill('SIGHUP');
      await weir.expectLine('the reload', ({ event }) => event === 'certificate refused');
    }
    expect(refusals()).toHaveLength(1);
    expect(refusals()[0]!['problem']).toContain('is not PEM');
    copyFileSync(expired.keyFile, files.key);
    copyFileSync(expired.certFile, files.cert);
    await weir.expectLine('the refusal', (line) => / expired at 20/.test(String(line['problem'])));
    expect(await curl(undefined, `https://localhost:${weir.port}/x`)).toContain('"method":"GET"');
    copyFileSync(server.certFile, files.cert);
    copyFileSync(server.keyFile, files.key);
    await weir.expectMetric('weir_certificate_refused{server="ingress"}', 0);
  });
});

it('rejects settings of client certificates that do not go together', async () => {
  const check = async (...args: string[]) =>
    (await runWeir(['check', '--replica=http://127.0.0.1:9', ...args])).err;
  const pair = [`--admin-tls-cert=${server.certFile}`, `--admin-tls-key=${server.keyFile}`];
  expect(await check('--admin-tls-client-certificates=required')).toContain(
    'admin.tls.client_certificates is required, which needs admin.tls.cert and admin.tls.key',
  );
  expect(await check(...pair, '--admin-tls-client-certificates=optional')).toContain(
    'admin.tls.client_certificates is optional, but admin.tls.client_ca is empty',
  );
  expect(await check(...pair, `--admin-tls-client-ca=${authority.certFile}`)).toContain(
    'admin.tls.client_ca is set, but admin.tls.client_certificates is off',
  );
  expect(
    await check(
      ...tls('scale', 'required').slice(0, 3),
      '--scaler=:0',
      `--scale-tls-client-ca=${server.keyFile}`,
    ),
  ).toMatch(/scale\.tls\.client_ca .* contains a private key but no certificate|scale\.listen/);
  expect(await check('--ingress-tls-subject-header=content-length')).toContain(
    'must be a name that begins with x-client-, x-ssl-client- or x-forwarded-client-',
  );
});
