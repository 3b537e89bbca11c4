// Records requests and posts lines, until it is killed. Run as a program: `<folder> <requests per millisecond>`.
// It prints a line for each step, in one write, so that the reader knows what it had done when it was killed:
//   sent <number of the last request> <performance.now()>
//   stored <number of requests that are counted as stored>
//   acknowledged <number of the last post that was acknowledged>
// Invariant: the body size of a request is its number, and the message of a line is that of its post.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { Exchanges } from '../../src/core/exchange/exchange.ts';
import { Logger } from '../../src/core/logger.ts';
import { Logs, RecorderClient } from '../../src/telemetry/logs/logs.ts';
import { line } from './own-store.ts';

const [folder, perMillisecond] = process.argv.slice(2);
const print = (text: string): void => void writeSync(1, `${text}\n`);
const quiet = { write: (text: string) => print(`log ${text}`), flush: () => undefined, dropped: () => 0 };
const logs = new Logs(
  {
    folder: join(folder!, 'logs'),
    maxBytes: 2 ** 32,
    own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }),
    retentionMs: 86_400_000,
    maxLineBytes: 65_536,
    maxBodyBytes: 65_536,
    redactsCommonSecrets: true,
    files: [],
    fileOrigin: { deployment: '', environment: '', replica: '' },
    redactPatterns: [],
  },
  new RecorderClient({ fd: -1, isText: false }),
  new Logger(quiet, { level: 'info', isText: false }),
);
const exchanges = new Exchanges({ trust_inbound: false });
exchanges.observe({ closed: (one) => logs.requestEnded(one, { id: 'dep1', environment: 'production' }) });

let requests = 0;
let posts = 0;
function send(count: number): void {
  for (let i = 0; i < count; i++) {
    const exchange = exchanges.open(undefined);
    Object.assign(exchange, { method: 'POST', target: '/predict', requestBytes: ++requests });
    exchange.close('ok', 200);
  }
  print(`sent ${requests} ${performance.now()}`);
}

async function postAll(): Promise<void> {
  for (;;) {
    const n = ++posts;
    const result = await logs.post([line(`post ${n} first`), line(`post ${n} second`)]);
    if ('stored' in result) print(`acknowledged ${n}`);
  }
}

let lastMs = performance.now();
setInterval(() => {
  const nowMs = performance.now();
  send(Math.min(5000, Math.ceil((nowMs - lastMs) * Number(perMillisecond))));
  lastMs = nowMs;
  print(`stored ${logs.figures.stored.get('request') ?? 0}`);
}, 1);
void postAll();
