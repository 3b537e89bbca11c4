// npm run soak: sends many mixed requests with random aborts to a real weir, then compares the counts of both sides.
// Invariant: weir's counters contain every request of this client exactly once, gauges end at 0, and memory at the end
// is that after the warm-up. Otherwise the exit code is 1.
// Usage: node bench/soak.ts [REQUESTS, default 1000000] [THREADS, default 1]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { residentBytes } from './cpu.ts';

const total = Number(process.argv[2] ?? 1_000_000);
const threads = Number(process.argv[3] ?? 1);
const CONNECTIONS = 64;

/** Called when the replica has the request of a path, to which it never responds. */
const held = new Map<string, () => void>();

const replica = createServer((req, res) => {
  // Responds before it reads the body, and closes at once. The kernel resets a connection with unread input.
  if (req.url === '/early') {
    req.socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge', () => req.socket.destroy());
    return;
  }
  req.resume();
  req.on('end', () => {
    if (req.url === '/slow') return void setTimeout(() => res.end('late'), 20);
    // This request ends when its client disconnects.
    const arrived = held.get(req.url!);
    if (arrived) return arrived();
    if (req.url === '/stream') {
      for (let i = 0; i < 5; i++) res.write(`data: ${i}\n\n`);
      return void res.end();
    }
    res.statusCode = req.url === '/error' ? 500 : 200;
    res.end('x'.repeat(200));
  });
});
replica.keepAliveTimeout = 60_000;
replica.listen(0, '127.0.0.1', 4096);
await once(replica, 'listening');

const weir = spawn(
  fileURLToPath(new URL('../bin/weir', import.meta.url)),
  [
    'serve',
    `--threads=${threads}`,
    `--replica=http://127.0.0.1:${(replica.address() as AddressInfo).port}`,
    '--listen=127.0.0.1:0',
    '--admin=127.0.0.1:0',
    '--log-access=false',
    '--logs-capture=off',
    '--async-store=memory',
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const [port, admin] = await new Promise<[number, number]>((resolve) =>
  createInterface({ input: weir.stdout }).on('line', (line) => {
    const { event, data, admin: page } = JSON.parse(line) as Record<string, string>;
    if (event === 'listening') resolve([Number(data!.split(':')[1]), Number(page!.split(':')[1])]);
  }),
);

/** Counts of this client: requests sent, responses by status, and requests aborted before their response. */
const counts = { sent: 0, responses: new Map<number, number>(), aborted: 0 };
const kinds = [
  'POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody',
  'POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
  'GET /stream HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /error HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n',
  // For the full lane: an unknown target, and a header named in Connection.
  'POST /deployment/nope/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
  'GET /small HTTP/1.1\r\nHost: x\r\nConnection: x-a\r\nX-A: 1\r\n\r\n',
].map((text) => Buffer.from(text));

/** Uploads that the replica refuses early, one for each lane. */
const EARLY_BYTES = 300_000;
const earlies = ['', 'Connection: x-a\r\nX-A: 1\r\n'].map((fields) =>
  Buffer.from(
    `POST /early HTTP/1.1\r\nHost: x\r\n${fields}Content-Length: ${EARLY_BYTES}\r\n\r\n${'x'.repeat(EARLY_BYTES)}`,
  ),
);

const isComplete = (response: string): boolean => {
  const end = response.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = /content-length: (\d+)/i.exec(response.slice(0, end))?.[1];
  return length === undefined ? response.endsWith('0\r\n\r\n') : response.length >= end + 4 + Number(length);
};

/** Opens connections one after the other, with up to 200 requests on each. Aborts one request in 100. */
async function client(): Promise<void> {
  while (counts.sent < total) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let response = '';
    let received: (() => void) | undefined;
    socket.on('data', (chunk) => {
      response += chunk.toString('latin1');
      if (isComplete(response)) received?.();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => received?.());
    await once(socket, 'connect');
    for (let i = 0; i < 200 && !socket.destroyed && counts.sent < total; i++) {
      response = '';
      if (Math.random() < 0.01) {
        // Aborted before the response for sure, since the replica sends none.
        const path = `/held/${counts.aborted++}`;
        const arrived = new Promise<void>((resolve) => held.set(path, resolve));
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        counts.sent++;
        await arrived;
        held.delete(path);
        break;
      }
      const whole = new Promise<void>((resolve) => (received = resolve));
      // Rare, since they are large.
      const sent = Math.random() < 0.005 ? earlies : kinds;
      socket.write(sent[Math.floor(Math.random() * sent.length)]!);
      counts.sent++;
      await whole;
      const status = Number(response.slice(9, 12));
      counts.responses.set(status, (counts.responses.get(status) ?? 0) + 1);
      if (/\r\nconnection: close/i.test(response)) break;
    }
    socket.destroy();
  }
}

const page = async (): Promise<string> => (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
const sum = (text: string, name: string, label: string): number =>
  [...text.matchAll(new RegExp(`^${name}\\{([^}]*)\\} (\\S+)$`, 'gm'))]
    .filter((match) => match[1]!.includes(label))
    .reduce((all, match) => all + Number(match[2]), 0);

const clients = Array.from({ length: CONNECTIONS }, client);
let warm = 0;
const watch = setInterval(() => {
  if (warm === 0 && counts.sent > total / 5) warm = residentBytes(weir.pid!);
  process.stderr.write(`\r${counts.sent} of ${total}, ${Math.round(residentBytes(weir.pid!) / 1e6)} MB`);
}, 500);
await Promise.all(clients);
clearInterval(watch);
process.stderr.write('\n');

let text = '';
for (let i = 0; i < 100; i++) {
  text = await page();
  if (
    sum(text, 'weir_exchanges_total', '') >= counts.sent &&
    sum(text, 'baseten_concurrent_requests', '') === 0
  )
    break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const problems: string[] = [];
const check = (name: string, ofWeir: number, ofClient: number) => {
  console.log(
    `${name.padEnd(44)} weir ${String(ofWeir).padStart(9)}   client ${String(ofClient).padStart(9)}`,
  );
  if (ofWeir !== ofClient) problems.push(name);
};
check('requests', sum(text, 'weir_exchanges_total', ''), counts.sent);
check('aborted requests', sum(text, 'weir_exchanges_total', 'cause="client_gone"'), counts.aborted);
check(
  'status 200',
  sum(text, 'baseten_inference_requests_total', 'status_code="200"'),
  counts.responses.get(200) ?? 0,
);
check(
  'status 500',
  sum(text, 'baseten_inference_requests_total', 'status_code="500"'),
  counts.responses.get(500) ?? 0,
);
check(
  'status 413, before the body',
  sum(text, 'baseten_inference_requests_total', 'status_code="413"'),
  counts.responses.get(413) ?? 0,
);
check('replica failures', sum(text, 'weir_exchanges_total', 'cause="reset_midway"'), 0);
check(
  'unknown targets',
  sum(text, 'weir_exchanges_total', 'cause="unknown_target"'),
  counts.responses.get(404) ?? 0,
);
check('requests in flight at the end', sum(text, 'baseten_concurrent_requests', ''), 0);
check('requests at the replica at the end', sum(text, 'weir_replica_outstanding_requests', ''), 0);
const end = residentBytes(weir.pid!);
console.log(
  `resident memory after 20 % of the requests ${Math.round(warm / 1e6)} MB, at the end ${Math.round(end / 1e6)} MB`,
);
if (end > warm * 1.3 + 10e6) problems.push('memory');
weir.kill('SIGTERM');
await once(weir, 'exit');
replica.close();
replica.closeAllConnections();
console.log(problems.length === 0 ? 'all counts match' : `counts differ: ${problems.join(', ')}`);
process.exit(problems.length === 0 ? 0 : 1);
