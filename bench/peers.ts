// The proxies that are measured, and how each is started: one process on one core, in front of the same replica.
// Invariant: each peer but weir has the minimal configuration for this work: keep-alive on both sides, and no log of
// any kind. What weir stores and logs is part of its peer.
import { execFileSync, spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, cpSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HAPROXY_DEFAULTS } from './haproxy-defaults.ts';

export const PROXY_CORE = 0;
export const LOAD_CORE = 1;
export const REPLICA_PORT = 18_900;

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'weir-bench-'));
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** Starts a program on one core. It is killed when this process exits. */
export function pinned(
  core: number,
  command: string,
  args: string[],
  stdio: StdioOptions = ['ignore', 'pipe', 'inherit'],
): ChildProcess {
  const child = spawn('taskset', ['-c', String(core), command, ...args], { stdio });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** What a weir keeps of requests. */
export interface Recording {
  /** `logs.capture`, with a data folder on disk unless it is `off`. */
  readonly store: 'metadata' | 'full' | 'off';
  readonly accessLog: 'to a file' | 'off';
}

export interface Peer {
  readonly name: string;
  readonly port: number;
  /** Port for streams, if they need another configuration. */
  readonly streamPort?: number;
  /** Of a weir only. */
  readonly recording?: Recording;
  /** How it is configured, for the tables. */
  readonly setup: string;
  /** URL of the metrics page, if the peer has one. */
  readonly page?: string;
  start(): ChildProcess;
}

/** Builds weir and copies what is published, without sources. Returns the launcher. */
function buildWeir(): string {
  const root = path('..');
  const into = join(dir, 'weir');
  execFileSync('npm', ['run', '-s', 'build'], { cwd: root });
  for (const part of ['bin', 'dist', 'proto', 'package.json'])
    cpSync(join(root, part), join(into, part), { recursive: true });
  return join(into, 'bin/weir');
}
/** Launcher of the weir that is measured. */
export const launcher = buildWeir();

export const isThere = (program: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

const nginx = `worker_processes 1; daemon off; master_process off; pid ${dir}/nginx.pid; error_log /dev/null;
events { worker_connections 16000; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 200m;
  upstream replica { server 127.0.0.1:${REPLICA_PORT}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:18902 backlog=4096;
    location / {
      proxy_pass http://replica; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Request-Id $request_id; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_buffering off; proxy_request_buffering off; proxy_temp_path ${dir}; client_body_temp_path ${dir};
    }
  }
}
`;

// Without http-no-delay, HAProxy holds chunks back to send full packets (its manual, option http-no-delay).
const haproxy = `${HAPROXY_DEFAULTS}frontend bench
  bind 127.0.0.1:18903
  default_backend replica
backend replica
  http-reuse always
  server r 127.0.0.1:${REPLICA_PORT}
frontend streams
  bind 127.0.0.1:18913
  option http-no-delay
  default_backend streaming
backend streaming
  option http-no-delay
  http-reuse always
  server r 127.0.0.1:${REPLICA_PORT}
`;

/** Writes a configuration file. Returns its path. */
export function file(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
}

/** Stores nothing on disk, since several weirs run at the same time and must not share a data folder. */
export const WITHOUT_FOLDER = ['--logs-capture=off', '--async-store=memory'];

/** A weir, and the data folder of the process that was started last; empty if it stores nothing. */
export interface WeirPeer extends Peer {
  readonly recording: Recording;
  readonly page: string;
  readonly folder: () => string;
}

/** weir in front of the replica. Each start has a new data folder and a new file for the access log. */
export function weir(name: string, port: number, recording: Recording, ...args: string[]): WeirPeer {
  let folder = '';
  const { store, accessLog } = recording;
  const flags = [
    ...(store === 'off' ? WITHOUT_FOLDER : store === 'full' ? ['--logs-capture=full'] : []),
    ...(accessLog === 'off' ? ['--log-access=false'] : []),
    ...args,
  ];
  const start = (): ChildProcess => {
    folder = store === 'off' ? '' : mkdtempSync(join(dir, 'data-'));
    const stdout = openSync(join(dir, `${port}.log`), 'w');
    const child = pinned(
      PROXY_CORE,
      launcher,
      [
        'serve',
        `--replica=http://127.0.0.1:${REPLICA_PORT}`,
        `--listen=127.0.0.1:${port}`,
        `--admin=127.0.0.1:${port + 100}`,
        ...(store === 'off' ? [] : [`--data-dir=${folder}`]),
        ...flags,
      ],
      ['ignore', stdout, 'inherit'],
    );
    closeSync(stdout);
    return child;
  };
  const setup = flags.length === 0 ? 'default settings' : flags.map((flag) => `\`${flag}\``).join(' ');
  const page = `http://127.0.0.1:${port + 100}/metrics`;
  return { name, port, recording, setup, page, folder: () => folder, start };
}

export const asShipped = weir('weir, as shipped', 18_908, { store: 'metadata', accessLog: 'to a file' });
export const bothOff = weir('weir, both off', 18_904, { store: 'off', accessLog: 'off' });
export const storeOff = weir('weir, access log only', 18_905, { store: 'off', accessLog: 'to a file' });
export const fullBodies = weir('weir, bodies stored', 18_909, { store: 'full', accessLog: 'to a file' });
const fullLane = weir(
  'weir, both off, full lane',
  18_906,
  { store: 'off', accessLog: 'off' },
  '--proxy-fast-lane=false',
);

const withoutOutput: StdioOptions = ['ignore', 'ignore', 'inherit'];

export const haproxyPeer: Peer = {
  name: 'HAProxy',
  port: 18_903,
  streamPort: 18_913,
  setup: 'no log; `option http-no-delay` for streams only',
  start: () => pinned(PROXY_CORE, 'haproxy', ['-db', '-f', file('haproxy.cfg', haproxy)], withoutOutput),
};

/** All peers that can be measured here: direct first, then weir as shipped, installed proxies, and weir otherwise. */
export const peers: Peer[] = [
  { name: 'direct', port: REPLICA_PORT, setup: 'no proxy', start: startReplica },
  asShipped,
  ...(isThere('nginx')
    ? [
        {
          name: 'nginx',
          port: 18_902,
          setup: '`access_log off`, `proxy_buffering off`',
          start: () => pinned(PROXY_CORE, 'nginx', ['-c', file('nginx.conf', nginx)], withoutOutput),
        },
      ]
    : []),
  ...(isThere('haproxy') ? [haproxyPeer] : []),
  {
    name: 'http-proxy',
    port: 18_907,
    setup: 'no log',
    start: () =>
      pinned(
        PROXY_CORE,
        process.execPath,
        [path('http-proxy.ts'), '18907', String(REPLICA_PORT)],
        withoutOutput,
      ),
  },
  fullBodies,
  storeOff,
  bothOff,
  fullLane,
];

export function startReplica(): ChildProcess {
  return pinned(LOAD_CORE, process.execPath, [path('replica.ts'), String(REPLICA_PORT)], withoutOutput);
}

/** Waits until a port accepts connections. */
export async function listening(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const socket = connect({ port, host: '127.0.0.1' });
    const isOpen = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no server listens on port ${port} after 10 s`);
}

/** Runs one job of load.ts. Returns the JSON that it printed. */
export async function load<T>(job: string, ...args: (string | number)[]): Promise<T> {
  const child = pinned(LOAD_CORE, process.execPath, [path('load.ts'), job, ...args.map(String)]);
  let out = '';
  child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`load.ts ${job} exited with code ${code}`);
  return JSON.parse(out) as T;
}
