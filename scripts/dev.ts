// npm run dev: the example of `npm start`, restarted when a file of the source or of the page changes. Arguments go to
// Node, for example `npm run dev -- --inspect=0`.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
/** Editors write a file in several steps; a restart waits until none has changed for this long. */
const QUIET_MS = 200;

let running: ChildProcess | undefined;
let isStopping = false;
let isRestarting = false;

function start(): void {
  running = spawn(process.execPath, [path('../examples/start.ts')], {
    stdio: 'inherit',
    env: { ...process.env, NODE_OPTIONS: [process.env['NODE_OPTIONS'], ...process.argv.slice(2)].join(' ') },
  });
  running.once('exit', (code) => {
    if (isStopping) process.exit(code ?? 1);
    if (!isRestarting) console.log('weir ended; waiting for a change of the source');
  });
}

async function restart(): Promise<void> {
  console.log('source changed, restarting');
  isRestarting = true;
  if (running !== undefined && running.exitCode === null) {
    running.kill('SIGTERM');
    await once(running, 'exit');
  }
  isRestarting = false;
  start();
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    isStopping = true;
    if (running === undefined || running.exitCode !== null) process.exit(0);
    running.kill(signal);
  });

let pending: NodeJS.Timeout | undefined;
for (const folder of ['../src', '../page'])
  watch(path(folder), { recursive: true }, () => {
    clearTimeout(pending);
    pending = setTimeout(() => void restart(), QUIET_MS);
  });
start();
