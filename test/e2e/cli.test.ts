// The command line: help, usage errors, settings and their origins.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startReplica, closeReplicas } from '../kit/replica.ts';
import { ROOT, runWeir, startWeir, stopAll } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

const REPLICA = '--replica=http://127.0.0.1:8000';
const dir = mkdtempSync(join(tmpdir(), 'weir-'));
let files = 0;
const yaml = (text: string): string => {
  const file = join(dir, `${files++}.yaml`);
  writeFileSync(file, text);
  return file;
};

describe('weir', () => {
  it('prints an overview, and help for every command with every flag', async () => {
    const overview = await runWeir(['--help']);
    expect(overview.code).toBe(0);
    for (const command of ['serve', 'run', 'check', 'settings', 'health', 'logs']) {
      expect(overview.out).toContain(`  ${command} `);
      const help = await runWeir([command, '--help']);
      expect(help).toMatchObject({ code: 0, err: '' });
      expect(help.out).toContain(`Usage: weir ${command}`);
    }
    expect((await runWeir(['serve', '-h'])).out).toMatch(
      /--listen <host:port>\n\s+Address of the data server, .*\[0\.0\.0\.0:8080\]/,
    );
  });

  it.each(['version', '--version', '-v'])('prints its version with %s', async (word) => {
    expect(await runWeir([word])).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it('prints the same help for help COMMAND and COMMAND --help', async () => {
    const [asked, same] = [await runWeir(['help', 'logs']), await runWeir(['logs', '--help'])];
    expect(asked).toEqual(same);
    expect(asked.out).toMatch(/^Usage: weir logs /);
    expect(await runWeir(['help', 'sevre'])).toEqual({
      code: 2,
      out: '',
      err: 'weir: unknown command "sevre"; did you mean serve?\n',
    });
    expect((await runWeir(['help'])).out).toMatch(/^ {2}version +Prints the version/m);
  });

  it.each([
    ['sevre'],
    ['help', 'serve', 'more'],
    ['version', 'more'],
    ['serve', '--lsten=x'],
    ['run', REPLICA],
    ['check', '--lsten=x'],
    ['settings', 'more'],
    ['health', '--lsten=x'],
    ['logs', '--sicne=1h'],
  ])('exits with code 2 for a wrong argument: %s %s', async (...args) => {
    const { code, out, err } = await runWeir(args.filter((arg) => arg !== undefined));
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^weir: .+\n$/);
  });

  it('reports a missing package in one line without a stack trace', async () => {
    const at = mkdtempSync(join(tmpdir(), 'weir-'));
    for (const name of ['src', 'bin', 'package.json'])
      cpSync(join(ROOT, name), join(at, name), { recursive: true });
    const { status, stdout, stderr } = spawnSync(join(at, 'bin/weir'), ['serve', REPLICA], {
      env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` },
      encoding: 'utf8',
    });
    expect([status, stdout]).toEqual([69, '']);
    expect(stderr).toBe(
      `weir: package ${/package (\S+)/.exec(stderr)?.[1]} is not installed; run npm ci in ${at}\n`,
    );
  });

  it('suggests the nearest command for an unknown one', async () => {
    expect(await runWeir(['sevre'])).toMatchObject({
      code: 2,
      err: 'weir: unknown command "sevre"; did you mean serve?\n',
    });
  });

  it('fails to run without a command after --', async () => {
    const { code, err } = await runWeir(['run', REPLICA]);
    expect(code).toBe(2);
    expect(err).toMatch(/^weir: weir run needs the command of the replica after --, such as: weir run .*\n$/);
  });

  it('reports an address that is in use in one sentence', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address() as AddressInfo;
    const { code, err } = await runWeir([
      'serve',
      REPLICA,
      `--listen=127.0.0.1:${port}`,
      '--admin=127.0.0.1:0',
    ]);
    expect(code).toBe(69);
    expect(err).toBe(
      `weir: cannot listen on 127.0.0.1:${port}: the port is in use; choose another address with --listen\n`,
    );
    blocker.close();
  });

  it('fails to start with a data folder that another weir uses', async () => {
    const replica = await startReplica((_, res) => res.end());
    const data = mkdtempSync(join(tmpdir(), 'weir-'));
    const weir = await startWeir(['--replica', replica.url, '--data-dir', data]);
    const serve = ['serve', REPLICA, '--listen=127.0.0.1:0', '--admin=127.0.0.1:0', '--data-dir', data];
    expect(await runWeir(serve)).toEqual({
      code: 69,
      out: '',
      err: `weir: the data folder ${data} is in use by another weir (pid ${weir.process.pid}); give this one a folder of its own with --data-dir\n`,
    });
    await weir.stop('SIGKILL');
    await startWeir(['--replica', replica.url, '--data-dir', data]);
  });

  it('fails to start with a data folder that it cannot write to, unless it keeps nothing there', async () => {
    const data = yaml('a file');
    const { code, err } = await runWeir(['serve', REPLICA, '--listen=127.0.0.1:0', '--data-dir', data]);
    expect([code, err.startsWith(`weir: cannot write to the data folder ${data}: `)]).toEqual([69, true]);
    const replica = await startReplica((_, res) => res.end());
    const nothingKept = ['--logs-capture=off', '--async-store=memory'];
    await startWeir(['--replica', replica.url, '--data-dir=/proc/nowhere', ...nothingKept]);
  });

  it('reports the health of a running weir by exit code', async () => {
    const replica = await startReplica((_, res) => res.end());
    const weir = await startWeir(['--replica', replica.url]);
    const admin = `--admin=127.0.0.1:${weir.adminPort}`;
    expect(await runWeir(['health', admin])).toMatchObject({ code: 0, out: 'ok\n' });
    expect(await runWeir(['health', '--ready', admin])).toMatchObject({ code: 0, out: 'ok\n' });
    await weir.stop('SIGKILL');
    expect((await runWeir(['health', admin])).code).toBe(1);
  });
});

describe('environment variables of other programs', () => {
  const LINKS = {
    WEIR_SERVICE_HOST: '10.96.0.7',
    WEIR_SERVICE_PORT: '8080',
    WEIR_SERVICE_PORT_HTTP: '8080',
    WEIR_PORT: 'tcp://10.96.0.7:8080',
    WEIR_PORT_8080_TCP: 'tcp://10.96.0.7:8080',
    WEIR_PORT_8080_TCP_ADDR: '10.96.0.7',
    WEIR_PORT_8080_TCP_PORT: '8080',
    WEIR_PORT_8080_TCP_PROTO: 'tcp',
    WEIR_FRONT_SERVICE_HOST: '10.96.0.8',
    WEIR_FRONT_PORT: 'tcp://10.96.0.8:80',
  };
  const CLIENT = {
    WEIR_CLIENT_URL: 'http://127.0.0.1:1',
    WEIR_CLIENT_KEY: 'of the client',
    WEIR_ADMIN_URL: 'http://127.0.0.1:1',
  };

  it('of Kubernetes for a Service called weir, and of weir logs, are ignored by all commands', async () => {
    const replica = await startReplica((_, res) => res.end());
    const env = { ...LINKS, ...CLIENT };
    expect(await runWeir(['check', REPLICA], env)).toEqual({
      code: 0,
      out: 'ok: 1 deployment(s), 1 replica(s)\n',
      err: '',
    });
    const shown = await runWeir(['settings', REPLICA], env);
    expect(shown).toMatchObject({ code: 0, err: '' });
    expect(shown.out).toMatch(/^admin\.key +default$/m);
    const weir = await startWeir(['--replica', replica.url], { env });
    const ignored = await weir.expectLine('the ignored variables', ({ event }) =>
      event!.startsWith('ignored variables'),
    );
    expect(ignored).toMatchObject({ level: 'info', variables: Object.keys(LINKS).sort() });
    const asked = await runWeir(['health', `--admin=127.0.0.1:${weir.adminPort}`], env);
    expect(asked).toMatchObject({ code: 0, out: 'ok\n' });
    // No admin key is set, so requests from this machine need none.
    expect((await fetch(`${weir.admin}/v1/settings`)).status).toBe(200);
  });

  it('are ignored by weir run and passed to the replica unchanged', async () => {
    const replica = await startReplica((_, res) => res.end());
    const weir = await startWeir(['--replica', replica.url, '--log-format=json'], {
      command: 'run',
      rest: ['sh', '-c', 'echo "{\\"event\\": \\"child\\", \\"port\\": \\"$WEIR_PORT\\"}"; exec sleep 1000'],
      env: LINKS,
    });
    const { port } = (await weir.expectLine('the child', ({ event }) => event === 'child')) as {
      port?: string;
    };
    expect(port).toBe(LINKS.WEIR_PORT);
  });

  it('give weir logs a different key than the server', async () => {
    const replica = await startReplica((_, res) => res.end());
    const weir = await startWeir(['--replica', replica.url, '--logs-capture=metadata'], {
      env: { WEIR_ADMIN_KEY: 'key-of-the-server', WEIR_CLIENT_KEY: 'some-other-key-here' },
    });
    const ask = (env: Record<string, string>) =>
      runWeir(['logs', '-o', 'none'], { WEIR_CLIENT_URL: weir.admin, ...env });
    expect((await ask({ WEIR_CLIENT_KEY: 'some-other-key-here' })).code).toBe(3);
    expect(await ask({ WEIR_CLIENT_KEY: 'key-of-the-server' })).toEqual({ code: 0, out: '', err: '' });
  });
});

describe('weir check', () => {
  it('accepts a valid configuration', async () => {
    expect(await runWeir(['check', REPLICA])).toEqual({
      code: 0,
      out: 'ok: 1 deployment(s), 1 replica(s)\n',
      err: '',
    });
  });

  it('fails without a replica', async () => {
    expect((await runWeir(['check'])).err).toBe(
      'weir: no replica is configured; give --replica http://127.0.0.1:8000, or deployments in a file with --config\n',
    );
  });

  it('lists all mistakes at once, each with its origin and the nearest known name', async () => {
    const file = yaml(`model: { id: mdl1, nmae: llama }
ingres:
  listen: 127.0.0.1:80
pool:
  probe_intervall: 5s
  probe_timeout: 5
proxy:
  max_body: lots
  idle_timeout: 1ms
deployments:
  - replicas:
      - url: ftp://127.0.0.1
      - { url: "http://user:secret@127.0.0.1:1" }
    rollout_phase: done
`);
    const { code, out, err } = await runWeir(['check', '--config', file, '--lsten=x', '--log-level=loud'], {
      WEIR_ADMINN: 'x',
      WEIR_LOG_ACCESS: 'maybe',
    });
    expect([code, out]).toEqual([2, '']);
    expect(
      err
        .trim()
        .split('\n')
        .map((line) => line.replace(dir, '').replace(/\/\d+\.yaml/, 'weir.yaml'))
        .sort(),
    ).toEqual(
      [
        'weir: --log-level: log.level is "loud", must be one of debug, info, warn, error',
        'weir: WEIR_LOG_ACCESS: log.access is "maybe", must be true or false',
        'weir: unknown flag --lsten; did you mean --listen?',
        'weir: unknown variable WEIR_ADMINN; did you mean WEIR_ADMIN?',
        'weir: weir.yaml:1: unknown setting "model.nmae"; did you mean "name"?',
        'weir: weir.yaml:12: deployments[0].replicas[0].url is "ftp://127.0.0.1", must be a URL such as http://127.0.0.1:8000 or unix:/run/vllm.sock: the scheme must be http, https, h2c, h2, grpc, grpcs, unix, h2c+unix or grpc+unix',
        'weir: weir.yaml:13: deployments[0].replicas[1].url is ***, must be a URL such as http://127.0.0.1:8000 or unix:/run/vllm.sock: a user name or password is not supported',
        'weir: weir.yaml:14: deployments[0].rollout_phase is "done", must be one of auto, stable, promoting, ""',
        'weir: weir.yaml:2: unknown setting "ingres"; did you mean "ingress"?',
        'weir: weir.yaml:5: unknown setting "pool.probe_intervall"; did you mean "probe_interval"?',
        'weir: weir.yaml:6: pool.probe_timeout is 5, must be a time from 50ms to 7d with its unit, such as 500ms, 30s, 20m or 2h',
        'weir: weir.yaml:8: proxy.max_body is "lots", must be a size such as 64KiB, 100MiB or a number of bytes',
        'weir: weir.yaml:9: proxy.idle_timeout is "1ms", must be a time from 100ms to 7d with its unit, such as 500ms, 30s, 20m or 2h',
      ].sort(),
    );
  });

  it('finds settings that contradict each other', async () => {
    const file = yaml(`deployments:
  - { id: a, replicas: [{ id: x, url: "http://127.0.0.1:1" }, { id: x, url: "http://127.0.0.1:2" }] }
  - { id: a, replicas: [{ url: "http://127.0.0.1:3" }] }
ingress: { listen: "127.0.0.1:9000" }
admin: { listen: "127.0.0.1:9000" }
samplers: { container_interval: 2m }
`);
    expect((await runWeir(['check', '--config', file])).err.trim().split('\n')).toEqual([
      'weir: deployments: the id "a" is used twice; give each deployment an id of its own',
      'weir: deployments[0].replicas: the id "x" is used twice; give each replica an id of its own',
      'weir: samplers.max_age (1m) must be larger than the longest interval of samplers (2m), or readings would expire between two of them',
      'weir: ingress.listen and admin.listen are the same address, 127.0.0.1:9000; change one of them',
    ]);
  });

  it('reports the line of a YAML syntax error, and a missing file', async () => {
    expect((await runWeir(['check', '--config', yaml('model: [1\nx: 2')])).err).toMatch(/\d+\.yaml:2: /);
    expect((await runWeir(['check', REPLICA, '--config', '/nowhere/weir.yaml'])).err).toMatch(
      /^weir: cannot read the configuration file: ENOENT/,
    );
  });

  it('names the section of a required setting that is missing', async () => {
    const file = yaml('deployments:\n  - replicas:\n      - id: a\n');
    expect(await runWeir(['check', '--config', file])).toEqual({
      code: 2,
      out: '',
      err: `weir: ${file}:3: deployments[0].replicas[0].url is missing, must be a URL\n`,
    });
  });

  it('treats a key without a value as absent, and rejects text in place of a section', async () => {
    expect((await runWeir(['check', REPLICA, '--config', yaml('pool:\nproxy:\n')])).code).toBe(0);
    expect((await runWeir(['check', REPLICA, '--config', yaml('pool: fast\n')])).err).toMatch(
      /\.yaml:1: pool must be a section \(key: value lines\)\n$/,
    );
  });
});

describe('weir settings', () => {
  it('works without a replica', async () => {
    const { code, out } = await runWeir(['settings']);
    expect(code).toBe(0);
    expect(out).toMatch(/^admin\.listen +0\.0\.0\.0:9464 +default$/m);
  });

  it('prints the JSON schema of the configuration file with --schema', async () => {
    const { code, out, err } = await runWeir(['settings', '--schema'], { WEIR_LOG_LEVEL: 'loud' });
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      properties: { pool: { properties: { probe_interval: { type: 'string', default: '10s' } } } },
    });
    expect(await runWeir(['settings', '--schema', REPLICA])).toEqual({
      code: 2,
      out: '',
      err: `weir: unexpected argument "${REPLICA}"; --schema takes no other argument\n`,
    });
  });

  it('prints every value with its origin: flag, variable, file or default', async () => {
    const file = yaml(
      `pool:\n  probe_interval: 1m\n  probe_timeout: 3s\nproxy:\n  max_body: 1MiB\nmodel:\n  id: mdl1\n`,
    );
    const { out } = await runWeir(
      ['settings', REPLICA, '--config', file, '--pool-probe-interval', '2m', '--admin-key=0123456789abcdef'],
      {
        WEIR_POOL_PROBE_INTERVAL: '90s',
        WEIR_PROXY_MAX_BODY: '2MiB',
        WEIR_LISTEN: '[::1]:8081',
      },
    );
    const row = (key: string) =>
      out
        .split('\n')
        .find((line) => line.startsWith(`${key} `))
        ?.split(/\s{2,}/)
        .slice(1);
    expect(row('pool.probe_interval')).toEqual(['2m', '--pool-probe-interval']);
    expect(row('pool.probe_timeout')).toEqual(['3s', `${file}:3`]);
    expect(row('proxy.max_body')).toEqual(['2MiB', 'WEIR_PROXY_MAX_BODY']);
    expect(row('ingress.listen')).toEqual(['[::1]:8081', 'WEIR_LISTEN']);
    expect(row('proxy.total_timeout')).toEqual(['20m', 'default']);
    expect(row('deployments[0].replicas[0].url')).toEqual(['http://127.0.0.1:8000', '--replica']);
    expect(row('model.id')).toEqual(['mdl1', `${file}:7`]);
    expect(row('admin.key')).toEqual(['***', '--admin-key']);
    expect(out).not.toContain('0123456789abcdef');
  });

  it('replaces the replicas of the only deployment of the file with those of --replica', async () => {
    const file = yaml(
      'deployments: [{ id: dep1, replicas: [{ url: "http://127.0.0.1:1" }, { url: "http://127.0.0.1:2" }] }]',
    );
    const { out } = await runWeir(['settings', REPLICA, '--config', file]);
    expect(out).toMatch(/deployments\[0\]\.id +dep1/);
    expect(out.match(/replicas\[\d\]\.url/g)).toHaveLength(1);
    const two = yaml(
      'deployments: [{ id: a, replicas: [{ url: "http://127.0.0.1:1" }] }, { id: b, replicas: [{ url: "http://127.0.0.1:2" }] }]',
    );
    expect((await runWeir(['settings', REPLICA, '--config', two])).err).toContain(
      '--replica: the configuration file has 2 deployments; set this in the file, for one of them',
    );
  });
});
