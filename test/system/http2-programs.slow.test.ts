// Plain HTTP/2 requests of programs of others: curl, nghttp, h2load, and httpx of Python.
import { execFile, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localCertificate } from '../kit/certificate.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { isMissing } from '../kit/program.ts';
import {
  closeReplicas,
  headerValues,
  mirror,
  onBody,
  startReplica,
  type SeenRequest,
} from '../kit/replica.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const execute = promisify(execFile);
const run = async (program: string, ...args: string[]): Promise<string> =>
  (await execute(program, args, { maxBuffer: 64 * 1024 ** 2 })).stdout;

const { authority, server } = localCertificate();
const MIB = 1024 * 1024;
const large = randomBytes(5 * MIB);
const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let plain: Weir;
let tls: Weir;

beforeAll(async () => {
  const replica = await startReplica((req, res) => {
    if (req.url === '/large') return void res.end(large);
    if (req.url === '/hash') return void onBody(req, (body) => res.end(hash(body)));
    if (req.url === '/trailers') {
      res.writeHead(200, { trailer: 'x-sum' });
      res.write('body');
      res.addTrailers({ 'x-sum': '42' });
      return void res.end();
    }
    mirror(req, res);
  });
  [plain, tls] = await Promise.all([
    startWeir(['--replica', replica.url]),
    startWeir([
      '--replica',
      replica.url,
      '--ingress-tls-cert',
      server.certFile,
      '--ingress-tls-key',
      server.keyFile,
    ]),
  ]);
});
afterAll(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

describe.skipIf(isMissing('curl')).each([
  ['prior knowledge', ['--http2-prior-knowledge'], () => plain.url],
  ['TLS', ['--http2', '--cacert', authority.certFile], () => `https://localhost:${tls.port}`],
] as const)('curl over HTTP/2 with %s', (_, args, url) => {
  const curl = (...more: string[]) => run('curl', '-sS', '--max-time', '30', ...args, ...more);

  it('sends requests and reads responses', async () => {
    const out = await curl('-i', '-d', 'hello', '-b', 'a=1; b=2', `${url()}/x?y`);
    expect(out).toMatch(/^HTTP\/2 200 \r\n/);
    const seen = JSON.parse(out.slice(out.indexOf('\r\n\r\n'))) as SeenRequest;
    expect(seen).toMatchObject({ method: 'POST', url: '/x?y', body: 'hello' });
    expect(headerValues(seen.headers, 'cookie')).toEqual(['a=1; b=2']);
    expect(await curl('-I', `${url()}/x`)).toMatch(/^HTTP\/2 200 \r\n/);
  });

  it('sends and reads large bodies, with and without their length', async () => {
    const at = folder();
    const file = join(at, 'large');
    writeFileSync(file, large);
    expect(await curl('--data-binary', `@${file}`, `${url()}/hash`)).toBe(hash(large));
    expect(await curl('-T', file, '-H', 'Content-Length:', `${url()}/hash`)).toBe(hash(large));
    const copy = join(at, 'copy');
    await curl('-o', copy, `${url()}/large`);
    expect(hash(readFileSync(copy))).toBe(hash(large));
  });

  it('reads trailers', async () => {
    expect(await curl('-i', `${url()}/trailers`)).toMatch(/body.*x-sum: 42\r\n$/s);
  });
});

it.skipIf(isMissing('curl'))('curl sends requests at the same time over one connection', async () => {
  const args = [
    '-sS',
    '--max-time',
    '30',
    '--http2',
    '--cacert',
    authority.certFile,
    '-Z',
    '--no-progress-meter',
  ];
  const out = await run(
    'curl',
    ...args,
    '-w',
    '\n%{http_version} %{http_code}\n',
    `https://localhost:${tls.port}/x[1-30]`,
  );
  expect(out.match(/^2 200$/gm)).toHaveLength(30);
});

it.skipIf(isMissing('nghttp'))('nghttp upgrades nothing and reads what it asks for', async () => {
  const out = await run('nghttp', '-v', `${plain.url}/x`);
  expect(out).toMatch(/recv \(stream_id=\d+\) :status: 200/);
  expect(out).toMatch(/recv GOAWAY|send GOAWAY/);
  expect(out).not.toMatch(/INTERNAL_ERROR|PROTOCOL_ERROR/);
});

it.skipIf(isMissing('h2load'))('h2load gets every response', async () => {
  const out = await run('h2load', '-n', '4000', '-c', '4', '-m', '16', `${plain.url}/x`);
  expect(out).toMatch(/4000 succeeded, 0 failed, 0 errored/);
  const file = join(folder(), 'body');
  writeFileSync(file, large.subarray(0, 100_000));
  const posted = await run('h2load', '-n', '400', '-c', '4', '-m', '8', '-d', file, `${plain.url}/hash`);
  expect(posted).toMatch(/400 succeeded, 0 failed, 0 errored/);
});

const HTTPX = `
import asyncio, hashlib, sys, httpx

async def body():
    for _ in range(20):
        yield b'x' * 10_000

async def main(url):
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        answers = await asyncio.gather(*[client.post(url + '/x', json={'n': n}) for n in range(20)])
        assert all(a.http_version == 'HTTP/2' and a.status_code == 200 for a in answers), answers
        assert sorted(a.json()['body'] for a in answers) == sorted('{"n": %d}' % n for n in range(20))
        # The body is still on its way when it is refused.
        refused = await asyncio.gather(
            *[client.post(url + '/deployment/none/predict', content=b'x' * 20_000) for _ in range(20)])
        assert all(a.status_code == 404 for a in refused), refused
        sent = await client.post(url + '/hash', content=body())
        assert sent.text == hashlib.sha256(b'x' * 200_000).hexdigest(), sent.text
        async with client.stream('GET', url + '/large') as answer:
            size = 0
            async for piece in answer.aiter_bytes():
                size += len(piece)
        assert size == 5 * 1024 * 1024, size
        # A response that is not read to its end.
        async with client.stream('GET', url + '/large') as answer:
            assert answer.status_code == 200
        assert (await client.get(url + '/x')).status_code == 200
    print('ok')

asyncio.run(main(sys.argv[1]))
`;

/** True if Python's httpx must be skipped. In CI it must be there. */
const hasNoHttpx =
  !process.env['CI'] && spawnSync('/usr/bin/python3', ['-c', 'import httpx, h2']).status !== 0;

it.skipIf(hasNoHttpx)('httpx sends and reads bodies, also as streams', async () => {
  expect(await run('/usr/bin/python3', '-c', HTTPX, plain.url)).toBe('ok\n');
});
