// weir logs and weir health against an admin server over TLS, with client certificates, and over a Unix socket.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clientCertificate, localCertificate, type Certificate } from '../kit/certificate.ts';
import { removeFolders } from '../kit/folder.ts';
import { freePort } from '../kit/port.ts';
import { closeReplicas, mirror, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { BIN, runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

let at: string;
let authority: Certificate;
let server: Certificate;
let client: Certificate;
beforeAll(() => {
  ({ at, authority, server } = localCertificate());
  client = clientCertificate(at, '/CN=operator', authority);
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
});
afterAll(removeFolders);

const pair = () => [`--admin-tls-cert=${server.certFile}`, `--admin-tls-key=${server.keyFile}`];

async function start(...args: string[]): Promise<Weir> {
  const replica = await startReplica(mirror);
  const weir = await startWeir([`--replica=${replica.url}`, '--logs-capture=metadata', ...args]);
  expect((await fetch(`${weir.url}/x`)).status).toBe(200);
  return weir;
}

/** Runs weir logs until it prints the request. */
const expectLogs = (args: string[], env: Record<string, string> = {}) =>
  until('the request is printed', async () => {
    const { code, out, err } = await runWeir(['logs', '--kind', 'request', ...args], env);
    expect([code, err]).toEqual([0, '']);
    return out.includes('GET /x 200');
  });

describe('over TLS', () => {
  it('weir logs trusts the authority of --ca-file or WEIR_CLIENT_CA_FILE only', async () => {
    const weir = await start(...pair());
    const url = `https://localhost:${weir.adminPort}`;
    await expectLogs(['--url', url, '--ca-file', authority.certFile]);
    await expectLogs([], { WEIR_CLIENT_URL: url, WEIR_CLIENT_CA_FILE: authority.certFile });
    const unknown = await runWeir(['logs', '--url', url]);
    expect(unknown.code).toBe(1);
    expect(unknown.err).toMatch(
      /cannot reach weir at https:.*; give the file of the certificate authority with --ca-file/,
    );
    const plain = await runWeir(['logs', '--url', `http://localhost:${weir.adminPort}`]);
    expect(plain.err).toContain('This port speaks TLS: use https://');
    const broken = await runWeir(['logs', '--url', url, '--ca-file', server.keyFile]);
    expect([broken.code, broken.err]).toEqual([2, expect.stringContaining('--ca-file')]);
  });

  it('weir logs shows a client certificate', async () => {
    const weir = await start(
      ...pair(),
      '--admin-tls-client-certificates=required',
      `--admin-tls-client-ca=${authority.certFile}`,
    );
    const args = ['--url', `https://localhost:${weir.adminPort}`, '--ca-file', authority.certFile];
    const files = ['--cert-file', client.certFile, '--key-file', client.keyFile];
    await expectLogs([...args, ...files]);
    const without = await runWeir(['logs', ...args]);
    expect(without.err).toMatch(/alert certificate required/i);
    const half = await runWeir(['logs', ...args, '--cert-file', client.certFile]);
    expect(half.err).toContain('--cert-file: a certificate needs its private key');
    const health = ['health', `--admin=localhost:${weir.adminPort}`, ...pair(), ...files];
    expect(await runWeir(health)).toMatchObject({ code: 0, out: 'ok\n' });
  });

  it('weir logs -f prints new records, and continues after weir was started again', async () => {
    const port = await freePort();
    const begin = () => start(...pair(), `--admin=127.0.0.1:${port}`);
    const first = await begin();
    const tail = spawn(BIN, [
      'logs',
      '-f',
      '--kind',
      'request',
      '--url',
      `https://localhost:${port}`,
      '--ca-file',
      authority.certFile,
    ]);
    let out = '';
    tail.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const expectPrinted = (weir: Weir, path: string) =>
      until(`${path} is printed`, async () => {
        await fetch(`${weir.url}${path}`);
        return out.includes(`GET ${path} 200`);
      });
    await expectPrinted(first, '/one');
    await first.stop('SIGKILL');
    await expectPrinted(await begin(), '/two');
    tail.kill();
    await once(tail, 'exit');
  });

  it('weir health verifies the certificate for https:// and with --ca-file', async () => {
    const weir = await start(...pair());
    const address = `localhost:${weir.adminPort}`;
    const health = async (...args: string[]) => (await runWeir(['health', ...args])).out;
    expect(await health(`--admin=${address}`, ...pair())).toBe('ok\n');
    expect(await health(`--admin=${address}`, ...pair(), '--ready')).toBe('ok\n');
    expect(await health('--admin', `https://${address}`, '--ca-file', authority.certFile)).toBe('ok\n');
    expect(await health(`--admin=https://${address}`)).toMatch(/unable to verify|self-signed/);
    expect(await health(`--admin=${address}`, ...pair(), '--ca-file', client.certFile)).toMatch(/unable to/);
    expect(await health(`--admin=${address}`)).toContain('answered 400');
  });
});

it('weir logs and weir health work over a Unix socket', async () => {
  const path = join(at, 'admin.sock');
  await start(`--admin=unix:${path}`);
  await expectLogs(['--url', `unix:${path}`]);
  await expectLogs([], { WEIR_CLIENT_URL: `unix:${path}` });
  expect(await runWeir(['health', `--admin=unix:${path}`, '--ready'])).toMatchObject({
    code: 0,
    out: 'ok\n',
  });
  const gone = await runWeir(['health', `--admin=unix:${path}x`]);
  expect([gone.code, gone.out]).toEqual([1, expect.stringContaining('ENOENT')]);
  const none = await runWeir(['logs', '--url', 'unix:relative']);
  expect([none.code, none.err]).toEqual([2, expect.stringContaining('the path must begin with /')]);
});
