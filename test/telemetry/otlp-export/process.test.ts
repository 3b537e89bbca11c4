// An exporter in its own process: killed at any moment, and with a receiver behind TLS.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { folder, removeFolders } from '../../kit/folder.ts';
import { linesOf, Receiver } from '../../kit/otlp-receiver.ts';
import { until } from '../../kit/until.ts';

const PROGRAM = fileURLToPath(new URL('../../kit/export-program.ts', import.meta.url));
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/webhook/${name}`, import.meta.url));
const running = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of running) await killed(child);
  removeFolders();
});

function run(args: readonly (string | number)[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [PROGRAM, ...args.map(String)], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  running.add(child);
  const said = { text: '', child };
  child.stdout.on('data', (chunk: Buffer) => (said.text += chunk.toString()));
  return said;
}
async function killed(child: ChildProcess): Promise<void> {
  running.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

it('loses nothing after kill -9, and repeats at most one request', async () => {
  const receiver = await new Receiver().start();
  const path = folder();
  const TOTAL = 6000;
  let before = 0;
  for (const enough of [700, 2500, 4000]) {
    const { child } = run([path, receiver.url, before, TOTAL - before]);
    before = TOTAL;
    await until(`${enough} are there`, () => receiver.logs.length >= enough);
    await killed(child);
  }
  run([path, receiver.url, TOTAL, 0]);
  const wanted = Array.from({ length: TOTAL }, (_, i) => `line${i}`);
  await until('all are there', () => new Set(linesOf(receiver.logs)).size === TOTAL);
  const taken = linesOf(receiver.logs);
  expect([...new Set(taken)]).toEqual(wanted);
  expect(taken.length - TOTAL).toBeLessThanOrEqual(3 * 512);
  await receiver.stop();
});

it('verifies the receiver’s certificate, with NODE_EXTRA_CA_CERTS as further authorities', async () => {
  const requests: string[] = [];
  const server = createServer(
    { key: readFileSync(fixture('server.key')), cert: readFileSync(fixture('ca.crt')) },
    (req, res) => {
      requests.push(req.url!);
      req.resume().on('end', () => res.end());
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://localhost:${(server.address() as AddressInfo).port}/v1/logs`;
  // Also if NODE_TLS_REJECT_UNAUTHORIZED=0 is set.
  const careless = run([folder(), url, 0, 1], { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' });
  await until('it is rejected', () => careless.text.includes('certificate'));
  expect(requests).toEqual([]);
  run([folder(), url, 0, 1], { NODE_EXTRA_CA_CERTS: fixture('ca.crt') });
  await until('it arrives', () => requests.length === 1);
  server.closeAllConnections();
  server.close();
});
