// weir run: a supervised replica.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder } from '../kit/folder.ts';
import { freePort } from '../kit/port.ts';
import { startReplica, closeReplicas } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Line, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

/** It listens once the file `gate` exists; at once if `gate` is empty. */
const server = (port: number, gate: string) => `
  const { createServer } = require('node:http');
  const { existsSync } = require('node:fs');
  console.log(JSON.stringify({ event: 'replica says', text: 'starting' }));
  for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'])
    process.on(signal, () => console.log(JSON.stringify({ event: 'replica got', signal })));
  process.on('SIGTERM', () => { console.log(JSON.stringify({ event: 'replica got', signal: 'SIGTERM' })); process.exit(0); });
  const waiting = setInterval(() => {
    if (${JSON.stringify(gate)} !== '' && !existsSync(${JSON.stringify(gate)})) return;
    clearInterval(waiting);
    createServer((req, res) => {
      if (req.url === '/die') process.exit(3);
      res.end(String(process.pid));
    }).listen(${port}, '127.0.0.1');
  }, 10);
`;

const supervise = (port: number, ...args: string[]): Promise<Weir> => superviseBehind('', port, ...args);

async function superviseBehind(gate: string, port: number, ...args: string[]): Promise<Weir> {
  return startWeir(
    [
      '--replica',
      `http://127.0.0.1:${port}`,
      '--pool-probe-retry-interval=50ms',
      '--child-restart-delay=50ms',
      ...args,
    ],
    { command: 'run', rest: [process.execPath, '-e', server(port, gate)] },
  );
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

it('starts the replica, is ready when the replica is, and stops it at the end', async () => {
  const gate = join(folder(), 'gate');
  const weir = await superviseBehind(gate, await freePort());
  expect((await fetch(`${weir.admin}/readyz`)).status).toBe(503);
  writeFileSync(gate, '');
  await until('it is ready', async () => (await fetch(`${weir.admin}/readyz`)).status === 200);
  const pid = Number((await call(weir.url, '/')).text);
  expect(isAlive(pid)).toBe(true);
  expect(await weir.stop()).toBe(0);
  expect(isAlive(pid)).toBe(false);
  expect(weir.lines.find((line) => line.event === 'replica got')).toMatchObject({ signal: 'SIGTERM' });
});

it('forwards SIGHUP, SIGUSR1 and SIGUSR2 to the replica', async () => {
  const weir = await supervise(await freePort());
  await until('it is ready', async () => (await fetch(`${weir.admin}/readyz`)).status === 200);
  for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
    weir.process.kill(signal);
    await weir.expectLine(signal, (line) => line.event === 'replica got' && line['signal'] === signal);
  }
});

it('restarts a replica that died, and uses the new one', async () => {
  const weir = await supervise(await freePort());
  await until('it is ready', async () => (await fetch(`${weir.admin}/readyz`)).status === 200);
  const first = (await call(weir.url, '/')).text;
  expect((await call(weir.url, '/die')).status).toBe(502);
  const died = await weir.expectLine(
    'that the process died',
    (line) => line.event === 'replica process died',
  );
  expect(died).toMatchObject({ code: 3, level: 'error' });
  await until('the new process serves', async () => {
    const { status, text } = await call(weir.url, '/');
    return status === 200 && text !== first;
  });
  await weir.expectMetric('baseten_container_restarts_total', 1);
});

it('doubles the delay before each restart of a replica that keeps dying', async () => {
  const port = await freePort();
  const weir = await startWeir(['--replica', `http://127.0.0.1:${port}`, '--child-restart-delay=40ms'], {
    command: 'run',
    rest: [process.execPath, '-e', 'process.exit(1)'],
  });
  await until(
    'it has died four times',
    () => weir.lines.filter((l) => l.event === 'replica process died').length >= 4,
  );
  const waits = weir.lines
    .filter((l) => l.event === 'replica process died')
    .map((l) => Number(l['restart_in_ms']));
  // Each delay is between half of its step and the step. Steps double.
  expect(waits[0]).toBeLessThanOrEqual(40);
  expect(waits[3]).toBeGreaterThanOrEqual(160);
});

it('kills a replica that ignores SIGTERM', async () => {
  const port = await freePort();
  const stubborn = `process.on('SIGTERM', () => {}); require('node:http').createServer((q, r) => r.end(String(process.pid))).listen(${port}, '127.0.0.1')`;
  const weir = await startWeir(
    [
      '--replica',
      `http://127.0.0.1:${port}`,
      '--pool-probe-retry-interval=50ms',
      '--child-stop-timeout=200ms',
    ],
    { command: 'run', rest: [process.execPath, '-e', stubborn] },
  );
  await until('it is ready', async () => (await fetch(`${weir.admin}/readyz`)).status === 200);
  const pid = Number((await call(weir.url, '/')).text);
  expect(await weir.stop()).toBe(0);
  expect(isAlive(pid)).toBe(false);
});

it('exits with an error if the command cannot be run', async () => {
  const { code, err } = await runWeir([
    'run',
    '--listen=127.0.0.1:0',
    '--admin=127.0.0.1:0',
    '--replica=http://127.0.0.1:9',
    '--',
    'no-such-command-at-all',
  ]);
  expect(code).toBe(69);
  expect(err).toBe('weir: cannot run "no-such-command-at-all": spawn no-such-command-at-all ENOENT\n');
});

describe('weir run with a second deployment that it does not supervise', () => {
  /** The command serves the first deployment. The second one is a separate server. */
  async function superviseOneOfTwo(other: string, ...args: string[]): Promise<Weir> {
    const port = await freePort();
    const file = join(folder({}), 'weir.yaml');
    writeFileSync(
      file,
      `deployments:
  - { id: own, environment: production, replicas: [{ url: "http://127.0.0.1:${port}" }] }
  - { id: other, environment: staging, liveness_path: /live, replicas: [{ url: "${other}" }] }
`,
    );
    return startWeir(
      ['--config', file, '--pool-probe-retry-interval=50ms', '--child-restart-delay=50ms', ...args],
      { command: 'run', rest: [process.execPath, '-e', server(port, '')] },
    );
  }

  const expectReady = (weir: Weir, deployment: string) =>
    weir.expectMetric(`weir_replica_state{deployment_id="${deployment}",replica="r0",state="ready"}`, 1);

  it('keeps its healthy process when a replica of the other deployment fails its probes', async () => {
    const other = await startReplica((req, res) => res.writeHead(req.url === '/live' ? 500 : 200).end());
    const weir = await superviseOneOfTwo(
      other.url,
      '--pool-probe-interval=50ms',
      '--pool-liveness-failures=2',
    );
    await expectReady(weir, 'own');
    const failed = (line: Line) => line.event === 'replica failed its probes';
    await until('the other replica has failed twice', () => weir.lines.filter(failed).length >= 2);
    expect(weir.lines.find(failed)).toMatchObject({
      level: 'error',
      deployment: 'other',
      reason: 'liveness probe failed 2 times: GET /live returned 500',
    });
    expect(weir.lines.some((line) => line.event === 'replica process died')).toBe(false);
    expect((await weir.page()).sum('baseten_container_restarts_total')).toBe(0);
  });

  it('keeps the replicas of the other deployment ready when its process crashes', async () => {
    const other = await startReplica((_, res) => void res.end('other'));
    const weir = await superviseOneOfTwo(other.url);
    await expectReady(weir, 'own');
    await expectReady(weir, 'other');
    await call(weir.url, '/die');
    await weir.expectLine('the restart', (line) => line.event === 'replica is starting');
    await expectReady(weir, 'own');
    const changes = weir.lines.filter(
      ({ event = '', deployment }) => deployment === 'other' && event.startsWith('replica is '),
    );
    expect(changes.map((line) => line.event)).toEqual(['replica is ready']);
  });
});
