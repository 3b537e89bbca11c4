// The bundle as it is published: in a folder of its own, without the sources and without node_modules/.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { projectId, sent, type ApiObject } from '../kit/braintrust-api.ts';
import { FakeNvidiaSmi } from '../kit/fake-nvidia-smi.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { Keda } from '../kit/keda.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { ROOT, runWeir, startWeir, stopAll, type StartOptions, type Weir } from '../kit/weir.ts';

let root: string;
let bin: string;
/** The Node of this test is found first, and no package. */
const env = { PATH: `${dirname(process.execPath)}:${process.env['PATH']}`, NODE_COMPILE_CACHE: '' };

beforeAll(() => {
  root = folder();
  for (const name of ['bin', 'proto', 'package.json', 'dist/page'])
    cpSync(join(ROOT, name), join(root, name), { recursive: true });
  execFileSync(process.execPath, [join(ROOT, 'scripts/build-bundle.ts'), join(root, 'dist/weir')]);
  bin = join(root, 'bin/weir');
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
});
afterAll(removeFolders);

const run = (...args: string[]) => runWeir(args, env, bin);
const start = (args: string[], options: StartOptions = {}): Promise<Weir> =>
  startWeir(args, { ...options, bin, env: { ...env, ...options.env }, cwd: root });

describe('every command', () => {
  it.each(['serve', 'run', 'check', 'settings', 'health', 'logs', 'keys', 'mask', 'store', 'version'])(
    'weir %s prints its help',
    async (command) => {
      const { code, out, err } = await run(command, '--help');
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toContain(`Usage: weir ${command}`);
    },
  );

  it('does its work', async () => {
    const file = join(root, 'weir.yaml');
    writeFileSync(file, 'deployments:\n  - replicas:\n      - url: http://127.0.0.1:1\n');
    expect(await run('check', '--config', file)).toMatchObject({
      code: 0,
      out: 'ok: 1 deployment(s), 1 replica(s)\n',
    });
    expect((await run('settings', '--schema')).out).toContain('"$schema"');
    expect((await run('mask', 'test', '--pattern', 'b+', 'abc a@example.org')).out).toBe(
      'a[redacted]c [email]\n',
    );
    expect((await run('keys', 'create', '--offline', '--name', 'ann', '--scope', 'admin')).code).toBe(0);
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect((await run('version')).out).toBe(`${version}\n`);
    const weir = await start(['--replica=http://127.0.0.1:1', '--data-dir', folder()]);
    expect((await run('health', '--admin', `127.0.0.1:${weir.adminPort}`)).out).toBe('ok\n');
    expect((await run('logs', '--url', weir.admin, '-o', 'json')).code).toBe(0);
    expect((await run('store', 'backup', folder(), '--url', weir.admin)).code).toBe(0);
  });

  it('names no package that is missing', async () => {
    expect(existsSync(join(root, 'node_modules'))).toBe(false);
    expect((await run('serve')).err).toMatch(/^weir: no replica is configured/);
  });
});

describe('a weir', () => {
  it('stores, searches, scores and exports requests, and serves the page', async () => {
    const replica = await startReplica((_, res) => void res.end('{"answer":"water"}'));
    const weir = await start(['--replica', replica.url, '--data-dir', folder(), '--logs-capture=full']);
    const admin = { url: weir.admin };
    await sent(admin, 'POST', '/v1/project_score', {
      name: 'short',
      score_type: 'online',
      config: {
        online: {
          sampling_rate: 1,
          source: 'requests',
          scorers: [
            { type: 'global', name: 'MaxLength', options: { max: 100 } },
            { type: 'function', id: await customScorer(admin) },
          ],
        },
      },
    });
    const answer = await fetch(`${weir.url}/production/predict`, { method: 'POST', body: '{"prompt":"x"}' });
    expect(await answer.text()).toBe('{"answer":"water"}');
    const id = answer.headers.get('x-baseten-request-id')!;
    await until('the request is scored', async () => {
      const { logs } = await sent(
        admin,
        'GET',
        `/v1/logs?q=${encodeURIComponent(`kind:request request_id:${id} scores.own=1`)}`,
      );
      return (logs as ApiObject[]).length === 1;
    });
    await projectId(admin, 'p');
    const { data } = await sent(admin, 'POST', '/btql', {
      query: "select: id | from: project_logs('p') traces | limit: 1",
    });
    expect(data).toEqual([]);
    const exporting = await sent(admin, 'POST', '/v1/logs/exports', {
      filters: { time_of_generation_min: '2020-01-01T00:00:00Z' },
      requested_data: ['id'],
    });
    const path = `/v1/logs/exports/${String(exporting['id'])}`;
    await sent(admin, 'POST', `${path}/start`);
    await until('the export is done', async () => (await sent(admin, 'GET', path))['status'] === 'success');
    const page = await fetch(`${weir.admin}/ui/`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<script') as string]);
    expect((await fetch(`${weir.admin}/metrics`)).status).toBe(200);
  });

  it('forwards what the fast lane does not take, over HTTP and WebSocket', async () => {
    const replica = await startReplica((_, res) => void res.end('full'));
    const weir = await start(['--replica', replica.url, '--proxy-fast-lane=false']);
    const answer = await fetch(`${weir.url}/production/predict`, { method: 'POST', body: '{}' });
    expect(await answer.text()).toBe('full');
  });

  it('answers KEDA, whose protocol is read from a file', async () => {
    const weir = await start(['--replica=http://127.0.0.1:1', '--scale-keda', '--scaler=127.0.0.1:0']);
    const keda = new Keda(weir.scalerPort);
    expect(await keda.check('')).toMatchObject({ status: 'SERVING' });
    await expect(keda.check('none')).rejects.toMatchObject({ code: status.NOT_FOUND });
    keda.close();
  });

  it('reads GPUs in a process of its own', async () => {
    const gpus = new FakeNvidiaSmi('h100x2');
    const weir = await start(
      [
        '--replica=http://127.0.0.1:1',
        '--samplers-gpu-interval=300ms',
        '--samplers-gpu-inventory-interval=200ms',
      ],
      { env: { STAND_IN: gpus.env.STAND_IN, PATH: `${gpus.env.PATH.split(':')[0]}:${env.PATH}` } },
    );
    await weir.expectMetric('weir_sampler_success{sampler="gpu_inventory"}', 1);
  });

  it('writes errors that nothing handles with lines of the sources', async () => {
    const script = join(root, 'throw.mjs');
    writeFileSync(
      script,
      `import { Server } from 'node:net';
       const { listen } = Server.prototype;
       Server.prototype.listen = function (...args) {
         const error = new Error('from the test');
         process.on('SIGWINCH', () => { throw error; });
         return listen.apply(this, args);
       };`,
    );
    const weir = await start(['--replica=http://127.0.0.1:1', '--log-access=false'], {
      env: { NODE_OPTIONS: `--import=${script}` },
    });
    weir.process.kill('SIGWINCH');
    const line = await weir.expectLine('the error', ({ error }) => String(error).includes('from the test'));
    expect(line['error']).toMatch(/\/src\/protocol\/http\/listen\.ts:\d+:\d+/);
    await until('it has ended', () => weir.process.exitCode !== null);
  });

  it('gives the process of weir run the environment that it was started with', async () => {
    const weir = await start(['--replica=http://127.0.0.1:1'], {
      command: 'run',
      rest: ['sh', '-c', 'env | grep "MALLOC\\|_WEIR" || echo none; sleep 60'],
    });
    await weir.expectLine('no such variable', ({ text }) => text === 'none');
  });

  it('keeps compiled code for the next start', async () => {
    const cached = (): number => readdirSync(join(root, 'dist/cache'), { recursive: true }).length;
    rmSync(join(root, 'dist/cache'), { recursive: true, force: true });
    await run('version');
    const before = cached();
    await run('check', '--replica=http://127.0.0.1:1');
    expect(cached()).toBeGreaterThan(before);
  });
});

describe('THIRD-PARTY-LICENSES', () => {
  it('names each package in the bundle, with the text of its licence', () => {
    const text = readFileSync(join(root, 'dist/weir/THIRD-PARTY-LICENSES'), 'utf8');
    const maps = readdirSync(join(root, 'dist/weir'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.map'),
    );
    const sources = maps.flatMap((name) => {
      const { sources: of } = JSON.parse(readFileSync(join(root, 'dist/weir', name), 'utf8')) as {
        sources: string[];
      };
      return of;
    });
    const names = new Set(
      sources.flatMap(
        (source) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(source)?.[1] ?? [],
      ),
    );
    expect(names.size).toBeGreaterThan(50);
    const require = createRequire(join(ROOT, 'package.json'));
    for (const name of names) {
      const manifest = manifestOf(require, name);
      expect(text, name).toContain(`${manifest} `);
    }
    expect(text).toContain('Permission is hereby granted, free of charge');
  });
});

/** The name in the manifest of an installed package, which differs from its folder for an alias. */
function manifestOf(require: NodeJS.Require, name: string): string {
  const at = require.resolve.paths(name)![0]!;
  const file = join(at, name, 'package.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { name: string }).name : name;
}

/** A scorer in JavaScript, which runs in a process of its own. Returns its id. */
async function customScorer(admin: { readonly url: string }): Promise<string> {
  const made = await sent(admin, 'POST', '/v1/function', {
    kind: 'code',
    name: 'own',
    code: '({ output }) => (JSON.stringify(output).includes("water") ? 1 : 0)',
  });
  return made['id'] as string;
}
