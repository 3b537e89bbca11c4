// npm start: runs the example replica under weir and prints commands to try.
// Invariant: the printed commands work as they are. If a default port is in use, a free one is used.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Returns the preferred port if it is free, otherwise any free port. */
async function freePort(preferred: number): Promise<number> {
  for (const port of preferred === 0 ? [0] : [preferred, 0]) {
    const probe = createServer().listen(port, '127.0.0.1');
    const failed = once(probe, 'error').then(() => false);
    if (!(await Promise.race([once(probe, 'listening').then(() => true), failed]))) continue;
    const found = (probe.address() as AddressInfo).port;
    probe.close();
    await once(probe, 'close');
    return found;
  }
  throw new Error('no free port on 127.0.0.1');
}

// A clone that was installed without scripts has no page, and one whose page was changed has an old one.
spawnSync(process.execPath, [path('../scripts/build-page.ts'), '--if-old', '--if-possible'], {
  stdio: 'inherit',
});
/** Another program may take a port between the look and the start of weir, which then ends at once. */
const TRIES = 3;

interface Ports {
  readonly replica: number;
  readonly data: number;
  readonly admin: number;
}

// A new folder for each start, since another one may be running.
const folder = mkdtempSync(join(tmpdir(), 'weir-example-'));

const startWeir = ({ replica, data, admin }: Ports): ChildProcess =>
  spawn(
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
    // A separate process group, so that Ctrl-C reaches weir only once, through this process.
    { stdio: ['ignore', 'inherit', 'inherit'], detached: true },
  );

/** Waits until weir is ready. Returns false if it ends before. */
async function isReady(weir: ChildProcess, { admin }: Ports): Promise<boolean> {
  for (;;) {
    const answered = await fetch(`http://127.0.0.1:${admin}/readyz`).then(
      (res) => res.ok,
      () => false,
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (weir.exitCode !== null || weir.signalCode !== null) return false;
    if (answered) return true;
  }
}

let weir: ChildProcess | undefined;
let isEnding = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    isEnding = true;
    weir?.kill(signal);
  });

const end = (code: number | null): never => {
  rmSync(folder, { recursive: true, force: true });
  process.exit(code ?? 1);
};

let ports: Ports = { replica: await freePort(8000), data: await freePort(8080), admin: await freePort(9464) };
for (let tries = 1; ; tries++) {
  weir = startWeir(ports);
  if (await isReady(weir, ports)) break;
  if (isEnding || tries === TRIES) end(weir.exitCode);
  ports = { replica: await freePort(0), data: await freePort(0), admin: await freePort(0) };
}
const { replica, data, admin } = ports;
weir.on('exit', end);

console.log(`
  client ──► weir 127.0.0.1:${data} ──► replica 127.0.0.1:${replica}    admin: 127.0.0.1:${admin}

Open the web page:
  http://127.0.0.1:${admin}/ui/

Send a prediction request; the response headers contain its request id:
  curl -i http://127.0.0.1:${data}/production/predict -d '{"prompt": "The river", "max_tokens": 20}'

Stream a chat completion:
  curl -N http://127.0.0.1:${data}/v1/chat/completions -d '{"model": "weir-ngram", "stream": true, "messages": [{"role": "user", "content": "A good weir"}]}'

Read the metrics:
  curl http://127.0.0.1:${admin}/metrics

Read the logs of the requests and of the replica:
  curl "http://127.0.0.1:${admin}/v1/logs?limit=5"
  bin/weir logs --url http://127.0.0.1:${admin} --since 1h

Ctrl-C ends it.
`);
