// Replicas with processes on this machine: GPU memory per replica, and the end of a process.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { folder, removeFolders } from '../kit/folder.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { FakeNvidiaSmi } from '../kit/fake-nvidia-smi.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const children = new Set<ChildProcess>();
afterEach(async () => {
  await stopAll();
  await closeReplicas();
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  removeFolders();
});

const server = (port: number) =>
  `require('node:http').createServer((req, res) => res.end()).listen(${port}, '127.0.0.1', () => console.log('up'))`;

/** Starts a server in a separate process. */
async function startProcess(port = 0): Promise<{ child: ChildProcess; port: number }> {
  const code = `const server = ${server(port)}; server.on('listening', () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const found = await until('it listens', () => /^\d+$/m.exec(output) ?? undefined);
  return { child, port: Number(found[0]) };
}

/** GPU memory in MiB, by replica. */
const memory = ({ text }: { text: string }) =>
  Object.fromEntries(
    Array.from(
      text.matchAll(/^baseten_gpu_memory_used\{.*replica="(\w+)",gpu="0"\} (\d+)$/gm),
      ([, id, mib]) => [id, Number(mib)],
    ),
  );

const READY = 'weir_replica_ready{deployment_id="local",replica="r1"}';
/** Only the first probe runs during a test. */
const NO_PROBES = '--pool-probe-interval=1h';

describe('two replicas on one GPU', () => {
  async function start() {
    const standIn = new FakeNvidiaSmi('h100-shared');
    const [first, second] = [await startProcess(), await startProcess()];
    standIn.replace({
      pid0: first.child.pid!,
      pid1: second.child.pid!,
      memory0: '3266 MiB',
      memory1: '1654 MiB',
    });
    const file = folder({
      'weir.yaml': `deployments: [{ replicas: [{ url: "http://127.0.0.1:${first.port}" }, { url: "http://127.0.0.1:${second.port}" }] }]`,
    });
    const weir = await startWeir(
      [
        `--config=${file}/weir.yaml`,
        '--samplers-container=false',
        '--samplers-gpu-interval=200ms',
        '--samplers-gpu-inventory-interval=200ms',
        NO_PROBES,
      ],
      { env: standIn.env },
    );
    return { weir, standIn, first, second };
  }
  const expectMemory = (weir: Weir, wanted: Record<string, number>) =>
    until(`the page has ${JSON.stringify(wanted)}`, async () => {
      const page = await weir.page();
      return JSON.stringify(memory(page)) === JSON.stringify(wanted) && page;
    });

  it('each have the memory of their own processes, and the GPU has its own series', async () => {
    const { weir } = await start();
    const page = await expectMemory(weir, { r0: 3266, r1: 1654 });
    expect(page.value('weir_gpu_memory_used_bytes{gpu="0"}')).toBe(4935 * 1024 ** 2);
    expect(page.value('weir_gpu_utilization_percent{gpu="0"}')).toBe(0);
  });

  it('lose the series and the readiness of a killed process before the next probe', async () => {
    const { weir, standIn, first, second } = await start();
    await expectMemory(weir, { r0: 3266, r1: 1654 });
    expect((await weir.page()).value(READY)).toBe(1);
    standIn.replace({ pid0: first.child.pid!, memory0: '3266 MiB', pid1: '', memory1: '' });
    second.child.kill('SIGKILL');
    await once(second.child, 'exit');
    await weir.expectMetric(READY, 0);
    // Then only the other replica uses the GPU.
    await expectMemory(weir, { r0: 4935 });
    const down = await weir.expectLine('it is down', (line) => line.event === 'replica is down');
    expect(down).toMatchObject({
      replica: 'r1',
      problem: expect.stringContaining('connection refused (127.0.0.1:') as string,
    });
  });

  it('have the memory of the GPU if the driver does not report that of processes', async () => {
    const { weir, standIn, first, second } = await start();
    standIn.replace({
      pid0: first.child.pid!,
      pid1: second.child.pid!,
      memory0: 'Insufficient Permissions',
      memory1: 'N/A',
    });
    await expectMemory(weir, { r0: 4935, r1: 4935 });
  });
});

it('reports memory of processes and utilization of a GPU that shares the memory of the host', async () => {
  const standIn = new FakeNvidiaSmi('gb10');
  const { child, port } = await startProcess();
  standIn.replace({ pid0: child.pid! });
  const weir = await startWeir(
    [
      `--replica=http://127.0.0.1:${port}`,
      '--samplers-container=false',
      '--samplers-gpu-interval=200ms',
      '--samplers-gpu-inventory-interval=200ms',
    ],
    { env: standIn.env },
  );
  const page = await until('its memory is on the page', async () => {
    const page = await weir.page();
    return memory(page)['r0'] === 3458 && page;
  });
  expect(page.value('baseten_gpu_utilization{replica="r0",gpu="0"}')).toBe(23);
  expect(page.value('weir_gpu_utilization_percent{gpu="0"}')).toBe(23);
  expect(page.text).not.toContain('weir_gpu_memory_used_bytes{');
  expect(page.text).not.toMatch(/^\w*gpu.* NaN$/m);
});

describe('a replica whose process ends', () => {
  it('is probed at once, and is ready again when another process listens on its port', async () => {
    const { child, port } = await startProcess();
    const other = await startReplica((_, res) => res.end());
    const weir = await startWeir([
      `--replica=http://127.0.0.1:${port}`,
      `--replica=${other.url}`,
      '--samplers-gpu=false',
      '--samplers-container-interval=100ms',
      '--samplers-process-interval=100ms',
      NO_PROBES,
    ]);
    const seen = 'weir_container_source_info{deployment_id="local",replica="r0",source="process_tree"}';
    await weir.expectMetric(seen, 1);
    // Another collector watches the processes. It has found this one when it has run once more.
    const series = 'weir_sampler_runs_total{sampler="process",result="success"}';
    const runs = async (): Promise<number> => (await weir.page()).value(series) ?? 0;
    const before = await runs();
    await until('the processes were looked for', async () => (await runs()) >= before + 2);
    child.kill('SIGKILL');
    await weir.expectLine(
      'it is down',
      (line) => line.event === 'replica is down' && line['replica'] === 'r0',
    );
    // The other replica stayed ready.
    expect(weir.lines.filter((line) => line['replica'] === 'r1' && line['to'] === 'down')).toEqual([]);
    await startProcess(port);
    await weir.expectLine(
      'it is ready again',
      (line) => line.event === 'replica is ready' && line['from'] === 'down',
    );
  });

  it('is down even if the command of weir run keeps running', async () => {
    const free = await startReplica(() => undefined);
    await free.close();
    const file = folder({ 'server.js': `${server(free.port)}; console.log('pid', process.pid)` });
    const weir = await startWeir(
      [
        `--replica=http://127.0.0.1:${free.port}`,
        '--samplers-gpu=false',
        '--samplers-container=false',
        '--samplers-process-interval=50ms',
        '--pool-probe-retry-interval=50ms',
        NO_PROBES,
      ],
      { command: 'run', rest: ['sh', '-c', `${process.execPath} ${file}/server.js; exec sleep 600`] },
    );
    await weir.expectLine('it is ready', (line) => line.event === 'replica is ready');
    const printed = await weir.expectLine('its pid', (line) => /^pid \d+$/.test(String(line['text'])));
    const runs = async () =>
      (await weir.page()).value('weir_sampler_runs_total{sampler="process",result="success"}') ?? 0;
    const before = await runs();
    await until('the process collector has run', async () => (await runs()) > before + 1);
    process.kill(Number(String(printed['text']).slice(4)), 'SIGKILL');
    await weir.expectLine('it is down', (line) => line.event === 'replica is down');
    expect(weir.lines.filter((line) => line.event === 'replica process died')).toEqual([]);
  });

  it('is down at once if weir supervises it, before it is restarted', async () => {
    const free = await startReplica(() => undefined);
    await free.close();
    const weir = await startWeir(
      [
        `--replica=http://127.0.0.1:${free.port}`,
        '--samplers-gpu=false',
        '--samplers-process-interval=1h',
        '--pool-probe-retry-interval=50ms',
        '--child-restart-delay=1h',
        '--child-restart-delay-max=1h',
        NO_PROBES,
      ],
      { command: 'run', rest: [process.execPath, '-e', server(free.port)] },
    );
    await weir.expectLine('it is ready', (line) => line.event === 'replica is ready');
    const started = await weir.expectLine('it runs', (line) => line.event === 'replica process started');
    process.kill(started['pid'] as number, 'SIGKILL');
    await weir.expectLine('it is down', (line) => line.event === 'replica is down');
  });
});
