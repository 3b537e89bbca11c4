// A short run of npm run soak:grpc: counts of weir and of its clients are the same.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { ROOT } from '../kit/weir.ts';

it('counts 20,000 calls of random kinds, with random cancels and failures, as their clients do', async () => {
  const soak = spawn(process.execPath, [`${ROOT}bench/soak-grpc.ts`, '20000'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  soak.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  soak.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(soak, 'close')) as [number];
  expect(code, output).toBe(0);
  expect(output).toContain('all counts match');
}, 300_000);
