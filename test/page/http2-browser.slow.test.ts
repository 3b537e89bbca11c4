// A web page in Chromium that uses weir over HTTP/2 and TLS: requests, answers as streams, and a WebSocket.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium } from 'playwright-core';
import { afterAll, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { localCertificate } from '../kit/certificate.ts';
import { removeFolders } from '../kit/folder.ts';
import { startWeir, stopAll } from '../kit/weir.ts';
import { browserIsMissing } from './kit/browser.ts';

afterAll(async () => {
  await stopAll();
  removeFolders();
});

it.skipIf(browserIsMissing)('fetches, reads a stream of events, and opens a WebSocket', async () => {
  const { server: certificate } = localCertificate();
  const replica = createServer((req, res) => {
    if (req.url === '/page')
      return void res.setHeader('content-type', 'text/html').end('<title>page</title>');
    if (req.url !== '/events') return void req.pipe(res);
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    let sent = 0;
    const timer = setInterval(() => {
      res.write(`data: ${sent++}\n\n`);
      if (sent === 5) res.end(() => clearInterval(timer));
    }, 20);
  });
  const sockets = new WebSocketServer({ server: replica, path: '/v1/websocket' });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data, { binary: false })));
  replica.listen(0, '127.0.0.1');
  await once(replica, 'listening');
  const weir = await startWeir([
    '--replica',
    `http://127.0.0.1:${(replica.address() as AddressInfo).port}`,
    '--ingress-tls-cert',
    certificate.certFile,
    '--ingress-tls-key',
    certificate.keyFile,
  ]);
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    // Chromium has no sandbox for root.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await page.goto(`https://localhost:${weir.port}/page`);
  const seen = await page.evaluate(`(async () => {
    const posted = await (await fetch('/echo', { method: 'POST', body: 'x'.repeat(300000) })).text();
    const reader = (await fetch('/events')).body.pipeThrough(new TextDecoderStream()).getReader();
    let events = '';
    for (let next = await reader.read(); !next.done; next = await reader.read()) events += next.value;
    const socket = new WebSocket('wss://' + location.host + '/websocket');
    await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
    socket.send('hello');
    const echo = await new Promise((resolve) => { socket.onmessage = ({ data }) => resolve(data); });
    socket.close(1000);
    const protocols = performance.getEntriesByType('resource').map((one) => one.nextHopProtocol);
    return { posted: posted.length, events, echo, protocols: [...new Set(protocols)] };
  })()`);
  expect(seen).toEqual({
    posted: 300_000,
    events: [0, 1, 2, 3, 4].map((n) => `data: ${n}\n\n`).join(''),
    echo: 'hello',
    protocols: ['h2'],
  });
  expect(await weir.expectLine('the WebSocket', (line) => line['protocol'] === 'websocket')).toMatchObject({
    http_version: '2',
    status: 1000,
  });
  await browser.close();
  sockets.close();
  replica.close();
});
