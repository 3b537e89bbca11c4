// npm run soak: many mixed exchanges with random aborts against a real weir, and then the books are compared.
// Must stay true: every exchange that this client began is found in weir's counters exactly once, gauges end at 0, and
// memory at the end is what it was after the warm-up. Exit code 1 where it is not.
// Usage: node bench/soak.ts [EXCHANGES, default 1000000]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { residentBytes } from './cpu.ts';

const total = Number(process.argv[2] ?? 1_000_000);
const CONNECTIONS = 64;

/** Path → callback that is called when the replica has that request, which it never answers. */
const held = new Map<string, () => void>();

const replica = createServer((req, res) => {
  // Answers before it reads the body, and closes the connection at once: with unread input, the kernel resets it.
  if (req.url === '/early') {
    req.socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge', () => req.socket.destroy());
    return;
  }
  req.resume();
  req.on('end', () => {
    if (req.url === '/slow') return void setTimeout(() => res.end('late'), 20);
    // Ends with its connection, when the client has left.
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

/** What this client knows: answers by status, and requests that it left before their answer was whole. */
const books = { begun: 0, answered: new Map<number, number>(), left: 0 };
const kinds = [
  'POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody',
  'POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
  'GET /stream HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /error HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n',
  // The full lane's: a target prefix that is unknown, an expectation, a header named in Connection.
  'POST /deployment/nope/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
  'GET /small HTTP/1.1\r\nHost: x\r\nConnection: x-a\r\nX-A: 1\r\n\r\n',
].map((text) => Buffer.from(text));

/** Uploads that the replica refuses early, for either lane. */
const EARLY_BYTES = 300_000;
const earlies = ['', 'Connection: x-a\r\nX-A: 1\r\n'].map((fields) =>
  Buffer.from(
    `POST /early HTTP/1.1\r\nHost: x\r\n${fields}Content-Length: ${EARLY_BYTES}\r\n\r\n${'x'.repeat(EARLY_BYTES)}`,
  ),
);

const isWhole = (answer: string): boolean => {
  const end = answer.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = /content-length: (\d+)/i.exec(answer.slice(0, end))?.[1];
  return length === undefined ? answer.endsWith('0\r\n\r\n') : answer.length >= end + 4 + Number(length);
};

/** One connection after the other, each with some exchanges, one in eight of which is left in its midst. */
async function client(): Promise<void> {
  while (books.begun < total) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let answer = '';
    let heard: (() => void) | undefined;
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (isWhole(answer)) heard?.();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => heard?.());
    await once(socket, 'connect');
    for (let i = 0; i < 200 && !socket.destroyed && books.begun < total; i++) {
      answer = '';
      if (Math.random() < 0.01) {
        // The client certainly leaves before the answer is whole, since the replica sends none.
        const path = `/held/${books.left++}`;
        const arrived = new Promise<void>((resolve) => held.set(path, resolve));
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        books.begun++;
        await arrived;
        held.delete(path);
        break;
      }
      const whole = new Promise<void>((resolve) => (heard = resolve));
      // Rare, since they are large.
      const sent = Math.random() < 0.005 ? earlies : kinds;
      socket.write(sent[Math.floor(Math.random() * sent.length)]!);
      books.begun++;
      await whole;
      const status = Number(answer.slice(9, 12));
      books.answered.set(status, (books.answered.get(status) ?? 0) + 1);
      if (/\r\nconnection: close/i.test(answer)) break;
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
  if (warm === 0 && books.begun > total / 5) warm = residentBytes(weir.pid!);
  process.stderr.write(`\r${books.begun} of ${total}, ${Math.round(residentBytes(weir.pid!) / 1e6)} MB`);
}, 500);
await Promise.all(clients);
clearInterval(watch);
process.stderr.write('\n');

let text = '';
for (let i = 0; i < 100; i++) {
  text = await page();
  if (
    sum(text, 'weir_exchanges_total', '') >= books.begun &&
    sum(text, 'baseten_concurrent_requests', '') === 0
  )
    break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const problems: string[] = [];
const check = (what: string, weirs: number, ours: number) => {
  console.log(`${what.padEnd(44)} weir ${String(weirs).padStart(9)}   client ${String(ours).padStart(9)}`);
  if (weirs !== ours) problems.push(what);
};
check('exchanges', sum(text, 'weir_exchanges_total', ''), books.begun);
check('left', sum(text, 'weir_exchanges_total', 'cause="client_gone"'), books.left);
check(
  'status 200',
  sum(text, 'baseten_inference_requests_total', 'status_code="200"'),
  books.answered.get(200) ?? 0,
);
check(
  'status 500',
  sum(text, 'baseten_inference_requests_total', 'status_code="500"'),
  books.answered.get(500) ?? 0,
);
check(
  'status 413, early',
  sum(text, 'baseten_inference_requests_total', 'status_code="413"'),
  books.answered.get(413) ?? 0,
);
check('failures of the replica', sum(text, 'weir_exchanges_total', 'cause="reset_midway"'), 0);
check(
  'unknown targets',
  sum(text, 'weir_exchanges_total', 'cause="unknown_target"'),
  books.answered.get(404) ?? 0,
);
check('concurrent now', sum(text, 'baseten_concurrent_requests', ''), 0);
check('held by the replica now', sum(text, 'weir_replica_outstanding_requests', ''), 0);
const end = residentBytes(weir.pid!);
console.log(
  `resident memory after a fifth ${Math.round(warm / 1e6)} MB, at the end ${Math.round(end / 1e6)} MB`,
);
if (end > warm * 1.3 + 10e6) problems.push('memory');
weir.kill('SIGTERM');
await once(weir, 'exit');
replica.close();
replica.closeAllConnections();
console.log(problems.length === 0 ? 'the books agree' : `the books differ: ${problems.join(', ')}`);
process.exit(problems.length === 0 ? 0 : 1);
