// Viewers of the web page for bench/page.ts: ten open Overviews and two live tails, on raw requests.
// Invariant: each asks as the page does: an overview in 5 s with its ETag, GET /v1/me in 15 s, compressed.
// Usage: node viewers.ts ADMIN_URL, until its standard input closes. Prints one line when all are open.
import { Agent, get, type IncomingHttpHeaders } from 'node:http';

const admin = process.argv[2]!;
const OVERVIEWS = 10;
/** The first one matches nearly all records, as the worst case; the second one few, as usual. */
const FILTERS = ['status:200', 'level:error'];
const OVERVIEW_MS = 5000;
const ME_MS = 15_000;
const TAIL =
  '/v1/logs?follow=1&preview=512&fields=timestamp_ns,seq,kind,level,message,request_id,status,duration_ms&q=';

let answers = 0;
let events = 0;

/** Asks and reads the whole answer. Returns its headers. */
function ask(agent: Agent, path: string, headers: Record<string, string> = {}): Promise<IncomingHttpHeaders> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingHttpHeaders>();
  get(admin + path, { agent, headers: { 'accept-encoding': 'gzip', ...headers } }, (res) => {
    if (res.statusCode !== 200 && res.statusCode !== 304)
      reject(new Error(`${path}: status ${res.statusCode}`));
    res.resume();
    res.on('end', () => {
      answers++;
      resolve(res.headers);
    });
  }).on('error', reject);
  return promise;
}

async function overview(): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  let etag: string | undefined;
  const look = async (): Promise<void> => {
    const headers = await ask(agent, '/v1/overview', etag === undefined ? {} : { 'if-none-match': etag });
    etag = headers.etag ?? etag;
  };
  await look();
  await ask(agent, '/v1/me');
  setInterval(() => void look(), OVERVIEW_MS);
  setInterval(() => void ask(agent, '/v1/me'), ME_MS);
}

function tail(filter: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  get(admin + TAIL + filter, { headers: { accept: 'text/event-stream' } }, (res) => {
    if (res.statusCode !== 200) reject(new Error(`live tail: status ${res.statusCode}`));
    resolve();
    res.on('data', (chunk: Buffer) => (events += chunk.toString('latin1').split('\ndata: ').length - 1));
  }).on('error', reject);
  return promise;
}

for (const filter of FILTERS) await tail(filter);
for (let i = 0; i < OVERVIEWS; i++) {
  await overview();
  // Not all at the same moment.
  await new Promise((resolve) => setTimeout(resolve, OVERVIEW_MS / OVERVIEWS));
}
console.log('open');
process.stdin.resume();
process.stdin.on('end', () => {
  console.log(JSON.stringify({ answers, events }));
  process.exit(0);
});
