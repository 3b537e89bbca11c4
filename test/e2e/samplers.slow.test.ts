// Collectors of CPU, memory and GPUs with the real binary. If their sources fail, the metrics page is still served,
// unknown values have no series, and no process is left.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeDocker } from '../kit/docker.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import type { Page } from '../kit/page.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { isAlive, FakeNvidiaSmi } from '../kit/fake-nvidia-smi.ts';
import { freePort } from '../kit/port.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const children = new Set<ChildProcess>();
const dockers = new Set<FakeDocker>();
afterEach(async () => {
  await stopAll();
  await closeReplicas();
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  for (const docker of dockers) await docker.stop();
  dockers.clear();
  removeFolders();
});

const CPU = 'baseten_container_cpu_usage_seconds_total';
const MEMORY = 'baseten_container_cpu_memory_working_set_bytes';
const source = (name: string, replica = 'r0') =>
  `weir_container_source_info{deployment_id="local",replica="${replica}",source="${name}"}`;
const ofReplica = (name: string, replica = 'r0') => `${name}{replica="${replica}"}`;

/** Waits until `fits` returns true for the page, and returns the page. */
const page = (weir: Weir, what: string, fits: (page: Page) => boolean, timeoutMs?: number): Promise<Page> =>
  until(
    what,
    async () => {
      const seen = await weir.page();
      return fits(seen) && seen;
    },
    timeoutMs,
  );

const FAST = [
  '--samplers-container-interval=100ms',
  '--samplers-gpu-interval=300ms',
  '--samplers-gpu-inventory-interval=200ms',
];

/** A server that uses CPU all the time, holds 60 MB, and exits on a request for /die. */
const busy = (port: number) => `
  const held = Buffer.alloc(60e6, 1);
  require('node:http').createServer((req, res) => {
    if (req.url === '/die') process.exit(3);
    res.end(String(held.length + process.pid));
  }).listen(${port}, '127.0.0.1');
  setInterval(() => { const end = Date.now() + 20; while (Date.now() < end); }, 25);`;

describe('CPU and memory', () => {
  it('of a supervised replica continue after a restart', async () => {
    const port = await freePort();
    const weir = await startWeir(
      [
        '--replica',
        `http://127.0.0.1:${port}`,
        '--child-restart-delay=50ms',
        '--samplers-gpu=false',
        ...FAST,
      ],
      { command: 'run', rest: [process.execPath, '-e', busy(port)] },
    );
    // weir and its child are in the same control group, so the process tree is used.
    const first = await page(
      weir,
      'the replica has used time and memory',
      (seen) => seen.value(ofReplica(CPU))! > 0.5 && seen.value(ofReplica(MEMORY))! > 60e6,
    );
    expect(first.value(source('process_tree'))).toBe(1);
    expect(first.value(ofReplica(MEMORY))).toBeLessThan(500e6);
    expect(first.value('weir_sampler_success{sampler="container"}')).toBe(1);
    expect(first.value('weir_sampler_age_seconds{sampler="container"}')).toBeLessThan(60);
    expect(first.value('weir_sampler_duration_seconds{sampler="container"}')).toBeGreaterThan(0);
    await fetch(`${weir.url}/die`).catch(() => undefined);
    await weir.expectLine(
      'the second start',
      (line) =>
        line.event === 'replica process started' &&
        line !== weir.lines.find((l) => l.event === 'replica process started'),
    );
    let last = first.value(ofReplica(CPU))!;
    await page(weir, 'the counter goes on, and never down', (seen) => {
      const now = seen.value(ofReplica(CPU));
      if (now === undefined) return false;
      expect(now).toBeGreaterThanOrEqual(last);
      const isOn = now > first.value(ofReplica(CPU))! + 0.3;
      last = now;
      return isOn;
    });
  });

  it('of a replica that is found by its port disappear when it ends', async () => {
    const port = await freePort();
    const child = spawn(process.execPath, ['-e', busy(port)], { stdio: 'ignore' });
    children.add(child);
    const weir = await startWeir(['--replica', `http://127.0.0.1:${port}`, '--samplers-gpu=false', ...FAST]);
    await page(
      weir,
      'it is busy',
      (seen) => seen.value(ofReplica(CPU))! > 0.3 && seen.value(ofReplica(MEMORY))! > 60e6,
    );
    child.kill('SIGKILL');
    const gone = await page(weir, 'it is gone', (seen) => seen.value(ofReplica(CPU)) === undefined);
    expect(gone.value(ofReplica(MEMORY))).toBeUndefined();
    // A missing process is not a failure of the collector.
    expect(gone.value('weir_sampler_success{sampler="container"}')).toBe(1);
    expect(gone.text).toContain(`# TYPE ${CPU} counter`);
  });

  const MEMORY_V1 = '/sys/fs/cgroup/memory/memory.usage_in_bytes';
  it.skipIf(!existsSync(MEMORY_V1))(
    'are read from a control group of version 1 on this machine',
    async () => {
      const file = `${folder({
        'weir.yaml': 'deployments: [{ replicas: [{ url: "http://192.0.2.1:9", container: { cgroup: / } }] }]',
      })}/weir.yaml`;
      const weir = await startWeir([
        '--config',
        file,
        '--samplers-gpu=false',
        '--pool-probe-timeout=50ms',
        ...FAST,
      ]);
      const seen = await page(weir, 'it is read', (seen) => seen.value(source('cgroup_v1')) === 1);
      expect(seen.value(ofReplica(CPU))).toBeGreaterThan(1);
      expect(seen.value(ofReplica(MEMORY))).toBeGreaterThan(1e6);
      expect(
        seen.value('weir_container_cpu_throttled_seconds_total{deployment_id="local",replica="r0"}'),
      ).toBeGreaterThanOrEqual(0);
    },
  );

  it('of a Docker container never decrease at a restart, and a daemon that hangs affects no other replica', async () => {
    const docker = await new FakeDocker().start();
    dockers.add(docker);
    const container = { cpuNanos: 5e9, throttledNanos: 2e9, memoryBytes: 900e6, inactiveFileBytes: 300e6 };
    docker.containers.set('model', container);
    const port = await freePort();
    children.add(spawn(process.execPath, ['-e', busy(port)], { stdio: 'ignore' }));
    const file = `${folder({
      'weir.yaml': `
deployments:
  - replicas:
      - { id: boxed, url: "http://127.0.0.1:${port}", container: { docker: model } }
      - { id: plain, url: "http://localhost:${port}" }
`,
    })}/weir.yaml`;
    const weir = await startWeir(
      [
        '--config',
        file,
        '--samplers-gpu=false',
        '--samplers-timeout=200ms',
        '--samplers-max-age=1s',
        ...FAST,
      ],
      { env: { DOCKER_SOCKET: docker.socketPath } },
    );
    const first = await page(weir, 'it is read', (seen) => seen.value(ofReplica(CPU, 'boxed')) === 5);
    expect(first.value(ofReplica(MEMORY, 'boxed'))).toBe(600e6);
    expect(
      first.value('weir_container_cpu_throttled_seconds_total{deployment_id="local",replica="boxed"}'),
    ).toBe(2);
    expect(first.value(source('docker', 'boxed'))).toBe(1);
    container.cpuNanos = 1e9;
    await page(weir, 'the restart is added', (seen) => seen.value(ofReplica(CPU, 'boxed')) === 6);

    docker.isHanging = true;
    const hung = await page(
      weir,
      'the stale reading is gone',
      (seen) =>
        seen.value(ofReplica(CPU, 'boxed')) === undefined &&
        seen.value('weir_sampler_success{sampler="docker"}') === 0,
    );
    expect(hung.value('weir_sampler_runs_total{sampler="docker",result="timeout"}')).toBe(1);
    expect(hung.value('weir_sampler_success{sampler="container"}')).toBe(1);
    const plain = hung.value(ofReplica(CPU, 'plain'))!;
    await page(weir, 'the other is still read', (seen) => seen.value(ofReplica(CPU, 'plain'))! > plain);
    // Only one call hangs, since the next one waits for it.
    const { requests } = docker;
    await page(weir, 'more rounds go by', (seen) => seen.value(ofReplica(CPU, 'plain'))! > plain + 0.3);
    expect(docker.requests).toBe(requests);
  });
});

describe('GPUs', () => {
  const USED = 'baseten_gpu_memory_used';
  const BUSY = 'baseten_gpu_utilization';
  const gpu = (name: string, index: string, replica = 'r0') => `${name}{replica="${replica}",gpu="${index}"}`;
  /** All series of the two families: `gpu` or `replica gpu` → value. */
  const shown = (seen: Page, name: string) =>
    Object.fromEntries(
      [
        ...seen.text.matchAll(new RegExp(`^${name}\\{.*replica="(\\w+)",gpu="([\\d:]+)"\\} (\\d+)$`, 'gm')),
      ].map(([, replica, index, value]) => [`${replica} ${index}`, Number(value)]),
    );

  async function start(standIn: FakeNvidiaSmi, ...args: string[]): Promise<Weir> {
    const replica = await startReplica((_, res) => res.end());
    const list = args.some((arg) => arg.startsWith('--config')) ? [] : ['--replica', replica.url];
    return startWeir([...list, '--samplers-container=false', ...FAST, ...args], { env: standIn.env });
  }

  /** Stops weir and checks that none of its child processes is left. */
  async function expectCleanStop(weir: Weir, standIn: FakeNvidiaSmi): Promise<void> {
    expect(standIn.alive('stream').length).toBeLessThanOrEqual(1);
    expect(standIn.alive('inventory').length).toBeLessThanOrEqual(1);
    expect(await weir.stop()).toBe(0);
    await until(
      'no nvidia-smi is left',
      () => standIn.alive('stream').length + standIn.alive('inventory').length === 0,
    );
  }

  it('are read for several cards from one nvidia-smi that keeps running', async () => {
    const standIn = new FakeNvidiaSmi('h100x2');
    const weir = await start(standIn);
    const seen = await page(
      weir,
      'both cards are there',
      (seen) => Object.keys(shown(seen, USED)).length === 2,
    );
    expect(shown(seen, USED)).toEqual({ 'r0 0': 61234, 'r0 1': 40960 });
    expect(shown(seen, BUSY)).toEqual({ 'r0 0': 87, 'r0 1': 12 });
    const many = await page(
      weir,
      'many rounds were read',
      (seen) => seen.value('weir_sampler_runs_total{sampler="gpu",result="success"}')! > 5,
    );
    expect(many.value('weir_sampler_success{sampler="gpu"}')).toBe(1);
    await page(
      weir,
      'the inventory was taken',
      (seen) => seen.value('weir_sampler_success{sampler="gpu_inventory"}') === 1,
    );
    expect(standIn.started('stream')).toBe(1);
    await expectCleanStop(weir, standIn);
  });

  it('are read per slice under MIG, without values that the driver does not report', async () => {
    const standIn = new FakeNvidiaSmi('a100x4-mig');
    const weir = await start(standIn);
    const seen = await page(
      weir,
      'the slices are there',
      (seen) => seen.value(gpu(USED, '1:1')) !== undefined,
    );
    expect(shown(seen, USED)).toEqual({ 'r0 0': 1024, 'r0 1:0': 18433, 'r0 1:1': 3071, 'r0 3': 2048 });
    expect(shown(seen, BUSY)).toEqual({ 'r0 0': 0, 'r0 3': 100 });
    await expectCleanStop(weir, standIn);
  });

  it('belong to the replica whose processes use them, or for which they are configured', async () => {
    const standIn = new FakeNvidiaSmi('h100x2');
    const ports = [await freePort(), await freePort()];
    const pids = ports.map((port) => {
      const child = spawn(process.execPath, ['-e', busy(port)], { stdio: 'ignore' });
      children.add(child);
      return child.pid!;
    });
    standIn.replace({ pid0: pids[1]!, pid1: pids[0]! });
    const replicas = (...gpus: string[]) =>
      `${folder({
        'weir.yaml': `deployments: [{ replicas: [${ports.map((port, i) => `{ url: "http://127.0.0.1:${port}"${gpus[i] ?? ''} }`).join(', ')}] }]`,
      })}/weir.yaml`;
    const weir = await start(standIn, '--config', replicas());
    const seen = await page(weir, 'both are known', (seen) => Object.keys(shown(seen, USED)).length === 2);
    expect(shown(seen, USED)).toEqual({ 'r0 1': 40960, 'r1 0': 61234 });
    await expectCleanStop(weir, standIn);

    standIn.replace({});
    const configured = await start(
      standIn,
      '--config',
      replicas(', gpus: [0]', ', gpus: "1, GPU-5f8b2a14-9c3d-47e6-a1b0-6d2e8f4c7a91"'),
    );
    const both = await page(
      configured,
      'they are as configured',
      (seen) => Object.keys(shown(seen, USED)).length === 3,
    );
    expect(shown(both, USED)).toEqual({ 'r0 0': 61234, 'r1 0': 61234, 'r1 1': 40960 });
    await expectCleanStop(configured, standIn);

    // Neither configured nor found: several replicas could use them.
    const weir3 = await start(standIn, '--config', replicas());
    await page(
      weir3,
      'all has been read',
      (seen) => seen.value('weir_sampler_success{sampler="gpu_inventory"}') === 1,
    );
    expect(shown(await weir3.page(), USED)).toEqual({});
    await expectCleanStop(weir3, standIn);
  });

  it('are no failure if nvidia-smi is not installed', async () => {
    const path = process.env['PATH']!.split(':').filter(
      (directory) => !existsSync(`${directory}/nvidia-smi`),
    );
    const replica = await startReplica((_, res) => res.end());
    const weir = await startWeir(['--replica', replica.url, '--samplers-container=false', ...FAST], {
      env: { PATH: path.join(':') },
    });
    const seen = await page(
      weir,
      'it is missed',
      (seen) => seen.value('weir_sampler_runs_total{sampler="gpu",result="missing"}') === 1,
    );
    expect(seen.text).toContain(`# TYPE ${USED} gauge`);
    expect(seen.text).not.toContain(`${USED}{`);
    expect(seen.text).not.toMatch(/^weir_sampler_success\{sampler="gpu/m);
    expect(weir.lines.filter((line) => String(line.event).includes('nvidia-smi'))).toMatchObject([
      { level: 'info' },
    ]);
    expect(await weir.stop()).toBe(0);
  });

  it.each([
    ['fail', 'failure', 'communicate with the NVIDIA driver'],
    ['garbage', 'timeout', 'ERR!'],
    ['hang', 'timeout', 'printed nothing'],
  ])('have no series while nvidia-smi does %s, and appear when it works', async (way, result, reason) => {
    const standIn = new FakeNvidiaSmi(way);
    const weir = await start(standIn, '--samplers-timeout=1500ms');
    const seen = await page(
      weir,
      'it has failed',
      (seen) => (seen.value(`weir_sampler_runs_total{sampler="gpu",result="${result}"}`) ?? 0) > 0,
    );
    expect(seen.value('weir_sampler_success{sampler="gpu"}')).toBe(0);
    expect(shown(seen, USED)).toEqual({});
    expect(await weir.expectLine('the reason', (line) => line.event === 'collector failed')).toMatchObject({
      level: 'warn',
      sampler: 'gpu',
      problem: expect.stringContaining(reason) as string,
    });
    // A driver that does not respond is not asked for the inventory, which would hang too.
    expect(standIn.started('inventory')).toBe(0);
    expect(standIn.alive('stream').length).toBeLessThanOrEqual(1);
    standIn.behave('h100x2');
    await page(weir, 'they are there', (seen) => shown(seen, USED)['r0 1'] === 40960);
    await expectCleanStop(weir, standIn);
  });

  it('disappear when nvidia-smi stops printing, and come back with the next one', async () => {
    const standIn = new FakeNvidiaSmi('h100x2');
    const weir = await start(standIn, '--samplers-max-age=500ms', '--samplers-timeout=1500ms');
    await page(weir, 'they are there', (seen) => shown(seen, USED)['r0 0'] === 61234);
    const [pid] = standIn.alive('stream');
    // It keeps running and ignores SIGTERM.
    standIn.behave('hang');
    await page(weir, 'they are gone', (seen) => Object.keys(shown(seen, USED)).length === 0);
    await until('the silent one is killed', () => !isAlive(pid!));
    expect(standIn.alive('stream').length).toBeLessThanOrEqual(1);
    standIn.behave('h100x2');
    await page(weir, 'they are back', (seen) => shown(seen, USED)['r0 0'] === 61234);
    await expectCleanStop(weir, standIn);
  });

  it('ignore the incomplete line of an nvidia-smi that exits, which is restarted', async () => {
    const standIn = new FakeNvidiaSmi('die h100x2', 'h100x2');
    const weir = await start(standIn);
    const seen = await page(
      weir,
      'it has died twice',
      (seen) => seen.value('weir_sampler_runs_total{sampler="gpu",result="failure"}')! >= 2,
    );
    expect(shown(seen, USED)).toEqual({ 'r0 0': 61234, 'r0 1': 40960 });
    expect(standIn.alive('stream').length).toBeLessThanOrEqual(1);
    const failed = await weir.expectLine('the reason', (line) => line.event === 'collector failed');
    expect(failed['problem']).toBe('nvidia-smi exited (255): 0, GPU-5f8b2a14-9c3d');
    await expectCleanStop(weir, standIn);
  });

  it('are shown if the inventory hangs, and each process that hangs is killed', async () => {
    const standIn = new FakeNvidiaSmi('h100x2', 'hang');
    const weir = await start(standIn, '--samplers-timeout=1500ms');
    await until('the inventory was asked for twice', () => standIn.started('inventory') >= 2);
    const seen = await page(
      weir,
      'the inventory has hung twice',
      (seen) => seen.value('weir_sampler_runs_total{sampler="gpu_inventory",result="timeout"}')! >= 2,
    );
    expect(shown(seen, USED)).toEqual({ 'r0 0': 61234, 'r0 1': 40960 });
    expect(seen.value('weir_sampler_success{sampler="gpu_inventory"}')).toBe(0);
    expect(seen.value('weir_sampler_success{sampler="gpu"}')).toBe(1);
    await expectCleanStop(weir, standIn);
  });

  it('are not read if the setting is off', async () => {
    const standIn = new FakeNvidiaSmi('h100x2');
    const weir = await start(standIn, '--samplers-gpu=false');
    expect((await weir.page()).text).toContain(`# TYPE ${USED} gauge`);
    expect(await weir.stop()).toBe(0);
    expect(standIn.started('stream')).toBe(0);
  });

  it('leave no nvidia-smi behind when weir is killed', async () => {
    const standIn = new FakeNvidiaSmi('h100x2', 'hang');
    const weir = await start(standIn);
    await page(weir, 'they are there', (seen) => shown(seen, USED)['r0 0'] === 61234);
    await until('the inventory hangs', () => standIn.alive('inventory').length === 1);
    await weir.stop('SIGKILL');
    // One gets SIGPIPE; the other is killed by its parent.
    await until(
      'they have ended by themselves',
      () => standIn.alive('stream').length + standIn.alive('inventory').length === 0,
    );
  });
});
