// npm start: the example replica behind a weir that supervises it, and some lines to try it with.
// Must stay true: what it prints works when it is pasted; where a usual port is taken, the next free one is used.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** The wanted port where it is free, else any. */
async function freePort(wanted: number): Promise<number> {
  for (const port of [wanted, 0]) {
    const probe = createServer().listen(port, '127.0.0.1');
    const failed = once(probe, 'error').then(() => false);
    if (!(await Promise.race([once(probe, 'listening').then(() => true), failed]))) continue;
    const found = (probe.address() as AddressInfo).port;
    probe.close();
    await once(probe, 'close');
    return found;
  }
  throw new Error('no port is free on 127.0.0.1');
}

const [replica, data, admin] = [await freePort(8000), await freePort(8080), await freePort(9464)];
// Of its own for each start: another one may be running.
const folder = mkdtempSync(join(tmpdir(), 'weir-example-'));
const weir = spawn(
  path('../bin/weir'),
  [
    'run',
    `--replica=http://127.0.0.1:${replica}`,
    `--listen=127.0.0.1:${data}`,
    `--admin=127.0.0.1:${admin}`,
    `--data-dir=${folder}`,
    '--model-name=weir-ngram',
    '--pool-probe-retry-interval=100ms',
    '--',
    process.execPath,
    path('replica/server.ts'),
    String(replica),
  ],
  // A group of its own: Ctrl-C reaches weir once, through us.
  { stdio: ['ignore', 'inherit', 'inherit'], detached: true },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => weir.kill(signal));
weir.on('exit', (code) => {
  rmSync(folder, { recursive: true, force: true });
  process.exit(code ?? 1);
});

const isReady = () =>
  fetch(`http://127.0.0.1:${admin}/readyz`).then(
    (res) => res.ok,
    () => false,
  );
while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, 50));

console.log(`
  client ──► weir 127.0.0.1:${data} ──► replica 127.0.0.1:${replica}    metrics: 127.0.0.1:${admin}

A prediction, with its request id among the headers:
  curl -i http://127.0.0.1:${data}/production/predict -d '{"prompt": "The river", "max_tokens": 20}'

A streamed chat:
  curl -N http://127.0.0.1:${data}/v1/chat/completions -d '{"model": "weir-ngram", "stream": true, "messages": [{"role": "user", "content": "A good weir"}]}'

What Prometheus reads:
  curl http://127.0.0.1:${admin}/metrics

What happened, to the requests and in the replica's output:
  curl "http://127.0.0.1:${admin}/v1/logs?limit=5"
  bin/weir logs --url http://127.0.0.1:${admin} --since 1h

Ctrl-C ends it.
`);
