// The proxies that are measured, and how each is started: one process on one core, in front of the same replica.
// Invariant: each peer has the minimal configuration for this work (no access log, keep-alive on both sides).
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROXY_CORE = 0;
export const LOAD_CORE = 1;
export const REPLICA_PORT = 18_900;

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'weir-bench-'));

/** Starts a program on one core. */
export function pinned(
  core: number,
  command: string,
  args: string[],
  stdin: 'ignore' | 'pipe' = 'ignore',
): ChildProcess {
  return spawn('taskset', ['-c', String(core), command, ...args], { stdio: [stdin, 'pipe', 'inherit'] });
}

export interface Peer {
  readonly name: string;
  readonly port: number;
  /** URL of the metrics page, if the peer has one. */
  readonly page?: string;
  start(): ChildProcess;
}

/** Builds weir and copies what is published, without sources. Returns the launcher. */
function buildWeir(): string {
  const root = path('..');
  const into = join(dir, 'weir');
  execFileSync('npm', ['run', '-s', 'build'], { cwd: root });
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(root, part), join(into, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(into, 'node_modules'));
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

const haproxy = `global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
frontend bench
  bind 127.0.0.1:18903
  default_backend replica
backend replica
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

/** weir in front of the replica, without the log store, which its peers do not have. bench/logs.ts measures that. */
export const weir = (name: string, port: number, ...args: string[]): Peer => ({
  name,
  port,
  page: `http://127.0.0.1:${port + 100}/metrics`,
  start: () =>
    pinned(PROXY_CORE, launcher, [
      'serve',
      `--replica=http://127.0.0.1:${REPLICA_PORT}`,
      `--listen=127.0.0.1:${port}`,
      `--admin=127.0.0.1:${port + 100}`,
      ...(args.some((arg) => arg.startsWith('--data-dir')) ? [] : WITHOUT_FOLDER),
      ...args,
    ]),
});

/** All peers that can be measured here: direct first, then weir, then installed proxies. */
export const peers: Peer[] = [
  { name: 'direct', port: REPLICA_PORT, start: startReplica },
  weir('weir', 18_904, '--log-access=false'),
  weir('weir, access log on', 18_905),
  weir('weir, as shipped', 18_908, `--data-dir=${join(dir, 'data')}`),
  weir('weir, full lane', 18_906, '--proxy-fast-lane=false', '--log-access=false'),
  ...(isThere('nginx')
    ? [
        {
          name: 'nginx',
          port: 18_902,
          start: () => pinned(PROXY_CORE, 'nginx', ['-c', file('nginx.conf', nginx)]),
        },
      ]
    : []),
  ...(isThere('haproxy')
    ? [
        {
          name: 'HAProxy',
          port: 18_903,
          start: () => pinned(PROXY_CORE, 'haproxy', ['-db', '-f', file('haproxy.cfg', haproxy)]),
        },
      ]
    : []),
  {
    name: 'http-proxy',
    port: 18_907,
    start: () => pinned(PROXY_CORE, process.execPath, [path('http-proxy.ts'), '18907', String(REPLICA_PORT)]),
  },
];

export function startReplica(): ChildProcess {
  return pinned(LOAD_CORE, process.execPath, [path('replica.ts'), String(REPLICA_PORT)]);
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
