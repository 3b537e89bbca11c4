// gRPC-Web from a page of another origin, in Chromium, with the client libraries of others.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleClient, clientsAreMissing } from '../kit/clients.ts';
import { localCertificate } from '../kit/certificate.ts';
import { removeFolders } from '../kit/folder.ts';
import { closeGrpc, startGrpcReplica, testDescriptor, type GrpcReplica } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, launched } from './kit/browser.ts';

const ID = /^[0-9a-f]{37}$/;

type Outcome = Record<string, unknown>;
type WebCall = (given: Record<string, string>) => Promise<Outcome>;

describe.skipIf(browserIsMissing || clientsAreMissing)('a page of another origin', () => {
  let replica: GrpcReplica;
  /** With the defaults of ingress.cors, with settings that allow the metadata of the calls, and over TLS and HTTP/2. */
  let weir: Weir;
  let open: Weir;
  let secure: Weir;
  let site: Server;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    const script = bundleClient('grpc-web-browser.mjs');
    site = createServer((req, res) => {
      const isScript = req.url === '/calls.js';
      res.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
      res.end(
        isScript ? script : '<!doctype html><link rel="icon" href="data:,"><script src="/calls.js"></script>',
      );
    });
    site.listen(0, '127.0.0.1');
    await once(site, 'listening');
    const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    replica = await startGrpcReplica();
    const args = ['--replica', replica.url, '--ingress-cors-origins', origin];
    weir = await startWeir(args);
    const allowed = [
      '--ingress-cors-headers',
      '*',
      '--ingress-cors-exposed-headers',
      'x-grpc-test-echo-initial',
    ];
    open = await startWeir([...args, ...allowed]);
    const { certFile, keyFile } = localCertificate().server;
    secure = await startWeir([...args, '--ingress-tls-cert', certFile, '--ingress-tls-key', keyFile]);
    page = await (await launched()).newPage({ ignoreHTTPSErrors: true });
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await page.goto(origin);
  });
  afterAll(async () => {
    await closeBrowser();
    await stopAll();
    await closeGrpc();
    site.close();
    removeFolders();
  });

  const outcomeOf = (client: string, format: string, call: string, url = weir.url): Promise<Outcome> =>
    page.evaluate((given) => (globalThis as unknown as { webCall: WebCall }).webCall(given), {
      client,
      format,
      call,
      baseUrl: url,
      descriptor: testDescriptor,
    });

  describe.each([
    ['grpc-web', 'text'],
    ['grpc-web', 'binary'],
    ['connect-web', 'binary'],
  ])('with %s in %s', (client, format) => {
    it('makes calls, and reads metadata, messages and statuses', async () => {
      const id = expect.stringMatching(ID) as string;
      const empty = await outcomeOf(client, format, 'empty');
      expect(empty).toMatchObject({ code: 0, sizes: [0], id });
      const unary = await outcomeOf(client, format, 'unary', open.url);
      expect(unary).toMatchObject({ code: 0, sizes: [314159], initial: 'first', trailing: 'q6ur', id });
      const stream = await outcomeOf(client, format, 'stream');
      expect(stream).toMatchObject({ code: 0, sizes: [31415, 9, 2653, 58979], id });
      const error = await outcomeOf(client, format, 'error', open.url);
      expect(error).toMatchObject({ code: 5, message: 'keine \u00dcbung, 50 %' });
      const unimplemented = await outcomeOf(client, format, 'unimplemented');
      expect(unimplemented).toMatchObject({ code: 12 });
      expect(problems).toEqual([]);
    });

    it('makes calls over TLS and HTTP/2', async () => {
      const url = `https://127.0.0.1:${secure.port}`;
      const response = page.waitForResponse((one) => one.request().method() === 'POST');
      const stream = await outcomeOf(client, format, 'stream', url);
      expect(stream).toMatchObject({ code: 0, sizes: [31415, 9, 2653, 58979] });
      expect(await (await response).httpVersion()).toBe('HTTP/2.0');
      const error = await outcomeOf(client, format, 'unimplemented', url);
      expect(error).toMatchObject({ code: 12 });
      expect(problems).toEqual([]);
    });

    it('gets DEADLINE_EXCEEDED at its deadline, and cancels a call', async () => {
      let release = (): void => undefined;
      replica.hold = new Promise((resolve) => (release = resolve));
      const { cancelled } = replica;
      expect(await outcomeOf(client, format, 'deadline')).toMatchObject({ code: 4 });
      await outcomeOf(client, format, 'cancel');
      await until('both calls are cancelled at the replica', () => replica.cancelled >= cancelled + 2);
      release();
      replica.hold = undefined;
    });
  });
});
