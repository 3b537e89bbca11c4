// npm run bench:grpc: CPU time of a small unary call through weir, nginx, HAProxy and node:http2. Needs h2load.
// Invariant: CPU time is that of the whole proxy process, divided by the calls that the replica received. Rounds of all
// peers are interleaved, and a ratio is the median of the ratios within each round.
// Options: --quick (one short round), --beside ROOT (folder of another built weir; can be repeated).
import { execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuMicros } from './cpu.ts';
import {
  file,
  isThere,
  launcher,
  listening,
  LOAD_CORE,
  pinned,
  PROXY_CORE,
  WITHOUT_FOLDER,
} from './peers.ts';
import { grpcTable, type GrpcReport } from './table.ts';
import { HAPROXY_DEFAULTS } from './haproxy-defaults.ts';

const isQuick = process.argv.includes('--quick');
const beside = process.argv.flatMap((arg, i, all) => (all[i - 1] === '--beside' ? [arg] : []));
const ROUNDS = isQuick ? 1 : 7;
const CALLS = isQuick ? 10_000 : 40_000;
const CONNECTIONS = 4;
const STREAMS = 16;
const REPLICA_PORT = 18_930;
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** A message of 32 bytes with its gRPC prefix. */
const BODY = file('call.bin', `\0\0\0\0\x20${'q'.repeat(32)}`);

const nginx = (
  port: number,
): string => `worker_processes 1; daemon off; master_process off; error_log /dev/null;
pid ${BODY}.pid;
events { worker_connections 16000; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 200m;
  upstream replica { server 127.0.0.1:${REPLICA_PORT}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} http2 backlog=4096;
    location / {
      grpc_pass grpc://replica; grpc_set_header X-Request-Id $request_id; grpc_buffer_size 16k;
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`;

const haproxy = (port: number): string => `${HAPROXY_DEFAULTS}frontend bench
  bind 127.0.0.1:${port} proto h2
  default_backend replica
backend replica
  http-reuse always
  server r 127.0.0.1:${REPLICA_PORT} proto h2
`;

interface Peer {
  readonly name: string;
  readonly port: number;
  start(): ChildProcess;
}

const weir = (name: string, root: string, port: number): Peer => ({
  name,
  port,
  start: () =>
    pinned(PROXY_CORE, root, [
      'serve',
      `--replica=grpc://127.0.0.1:${REPLICA_PORT}`,
      `--listen=127.0.0.1:${port}`,
      '--admin=127.0.0.1:0',
      '--log-access=false',
      ...WITHOUT_FOLDER,
    ]),
});

const peers: Peer[] = [
  weir('weir', launcher, 18_931),
  ...beside.map((root, i) => weir(`weir of ${root}`, join(root, 'bin/weir'), 18_940 + i)),
  ...(isThere('nginx')
    ? [
        {
          name: 'nginx',
          port: 18_932,
          start: () => pinned(PROXY_CORE, 'nginx', ['-c', file('grpc-nginx.conf', nginx(18_932))]),
        },
      ]
    : []),
  ...(isThere('haproxy')
    ? [
        {
          name: 'HAProxy',
          port: 18_933,
          start: () =>
            pinned(PROXY_CORE, 'haproxy', ['-db', '-f', file('grpc-haproxy.cfg', haproxy(18_933))]),
        },
      ]
    : []),
  {
    name: 'node:http2, streams piped',
    port: 18_934,
    start: () => pinned(PROXY_CORE, process.execPath, [path('grpc-pass.ts'), '18934', String(REPLICA_PORT)]),
  },
];

/** Calls that the replica has received so far. */
async function received(): Promise<number> {
  const session = connect(`http://127.0.0.1:${REPLICA_PORT}`);
  const stream = session.request({ ':path': '/' });
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk as string;
  session.close();
  return Number(text);
}

async function calls(port: number, count: number): Promise<void> {
  const options =
    `-n ${count} -c ${CONNECTIONS} -m ${STREAMS} -d ${BODY} -H content-type:application/grpc -H te:trailers`.split(
      ' ',
    );
  const url = `http://127.0.0.1:${port}/example.TestService/UnaryCall`;
  const child = pinned(LOAD_CORE, 'h2load', [...options, url]);
  let out = '';
  child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0 || !out.includes(` ${count} succeeded`))
    throw new Error(`h2load exited with code ${code}: ${out}`);
}

if (!isThere('h2load')) throw new Error('h2load is not installed; on Debian install nghttp2-client');
const running = new Map<Peer, ChildProcess>();
const rounds = new Map<Peer, number[]>(peers.map((peer) => [peer, []]));
const replica = pinned(LOAD_CORE, process.execPath, [path('grpc-replica.ts'), String(REPLICA_PORT)]);
try {
  await listening(REPLICA_PORT);
  for (const peer of peers) {
    running.set(peer, peer.start());
    await listening(peer.port);
    // Warm-up, so that no round measures the JIT compiler.
    await calls(peer.port, CALLS / 2);
  }
  for (let round = 1; round <= ROUNDS; round++) {
    process.stderr.write(`round ${round} of ${ROUNDS}\n`);
    for (const peer of peers) {
      const { pid } = running.get(peer)!;
      const receivedBefore = await received();
      const before = cpuMicros(pid!);
      await calls(peer.port, CALLS);
      const micros = cpuMicros(pid!) - before;
      const arrived = (await received()) - receivedBefore;
      if (arrived !== CALLS) throw new Error(`${peer.name}: ${arrived} of ${CALLS} calls arrived`);
      rounds.get(peer)!.push(micros / CALLS);
    }
  }
} finally {
  for (const child of [replica, ...running.values()]) child.kill('SIGKILL');
}

const version = execFileSync('sh', ['-c', 'h2load --version']).toString().trim();
const report: GrpcReport & Record<string, unknown> = {
  at: new Date().toISOString(),
  machine: { processor: cpus()[0]!.model, cores: cpus().length, node: process.version },
  load: `${version}, ${CONNECTIONS} connections of ${STREAMS} streams`,
  peers: peers.map((peer) => ({ name: peer.name, cpu_us_per_call: rounds.get(peer)! })),
};
if (!isQuick && beside.length === 0) {
  mkdirSync(path('results'), { recursive: true });
  writeFileSync(path('results/grpc.json'), `${JSON.stringify(report, null, 1)}\n`);
}
console.log(grpcTable(report));
process.exit(0);
