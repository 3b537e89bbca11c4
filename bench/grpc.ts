// npm run bench:grpc: what gRPC and HTTP/2 cost through weir, HAProxy, nginx and node:http2. Needs h2load. Prints the table
// and writes results/grpc.json, load by load: a run of some loads replaces only their figures there.
// Invariant: CPU time is that of the whole proxy process, divided by what the replica received. Rounds of all peers are
// interleaved, and a ratio is the median of the ratios within each round.
// Options: --quick (one short round), --only LOAD (by its name in grpc-loads.ts; can be repeated), --beside ROOT (folder of
// another built weir; can be repeated).
import { execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuMicros } from './cpu.ts';
import { loads, type Load } from './grpc-loads.ts';
import { grpcPeers, type CertificateFiles, type GrpcPeer } from './grpc-peers.ts';
import { grpcTable, type GrpcFigure, type GrpcReport } from './grpc-table.ts';
import { file, isThere, listening, LOAD_CORE, pinned } from './peers.ts';

const optionsOf = (name: string): string[] =>
  process.argv.flatMap((arg, i, all) => (all[i - 1] === name ? [arg] : []));
const isQuick = process.argv.includes('--quick');
const only = optionsOf('--only');
const beside = optionsOf('--beside');
const ROUNDS = isQuick ? 1 : 7;
/** Part of the calls in a round, and before the first one: V8 compiles what moves bytes until about two rounds have passed. */
const SHARE = isQuick ? 0.1 : 1;
const WARM_UP = isQuick ? 0.1 : 2;
const REPLICA_PORT = 18_930;
/** Wait after a load, since a weir records requests up to 15 ms after their responses. */
const AFTER_MS = 50;
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const unknown = only.filter((name) => loads.every((load) => load.name !== name));
if (unknown.length > 0)
  throw new Error(
    `unknown load ${unknown.join(', ')}; there are ${loads.map(({ name }) => name).join(', ')}`,
  );
if (!isThere('h2load')) throw new Error('h2load is not installed; on Debian install nghttp2-client');

function certificate(): CertificateFiles {
  const [cert, key] = [file('grpc-cert.pem', ''), file('grpc-key.pem', '')];
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost -keyout ${key} -out ${cert}`.split(
      ' ',
    ),
    { stdio: 'pipe' },
  );
  return { cert, key, both: file('grpc-both.pem', readFileSync(cert, 'utf8') + readFileSync(key, 'utf8')) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** The replica of a load. `received`: calls so far, if it counts them. */
async function startReplica(load: Load): Promise<{ child: ChildProcess; received?: () => Promise<number> }> {
  const args =
    load.replica === undefined
      ? [path('replica.ts'), String(REPLICA_PORT)]
      : [path('grpc-replica.ts'), String(REPLICA_PORT), ...load.replica.map(String)];
  const child = pinned(LOAD_CORE, process.execPath, args, ['pipe', 'pipe', 'inherit']);
  await listening(REPLICA_PORT);
  if (load.replica === undefined) return { child };
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const received = async (): Promise<number> => {
    child.stdin!.write('\n');
    return Number((await lines.next()).value);
  };
  return { child, received };
}

/** CPU time of a unit in microseconds, or what `run` of the load returns. */
async function valueOf(
  load: Load,
  target: { port: number; process: ChildProcess | undefined },
  received: (() => Promise<number>) | undefined,
): Promise<number> {
  if (load.calls === undefined) return load.run(target, SHARE);
  const { pid } = target.process!;
  const receivedBefore = (await received?.()) ?? 0;
  const before = cpuMicros(pid!);
  const count = await load.run(target, SHARE);
  await sleep(AFTER_MS);
  const micros = cpuMicros(pid!) - before;
  const arrived = ((await received?.()) ?? count) - receivedBefore;
  if (arrived !== count) throw new Error(`${load.name}: ${arrived} of ${count} calls arrived at the replica`);
  return micros / (count * load.calls.unitsPerCall);
}

async function measure(load: Load, files: CertificateFiles | undefined): Promise<GrpcFigure> {
  const proxies = grpcPeers(
    {
      replicaPort: REPLICA_PORT,
      replica: load.replica === undefined ? 'http' : 'grpc',
      isTls: load.isTls === true,
      hasShipped: load.hasShipped === true,
      beside,
    },
    files,
  );
  const values = new Map<string, number[]>(proxies.map(({ name }) => [name, []]));
  if (load.hasDirect === true) values.set('direct', []);
  const running = new Map<GrpcPeer, ChildProcess>();
  const { child: replica, received } = await startReplica(load);
  try {
    if (load.isFresh !== true)
      for (const peer of proxies) {
        running.set(peer, peer.start());
        await listening(peer.port);
        await load.run({ port: peer.port, process: running.get(peer) }, WARM_UP);
      }
    for (let round = 1; round <= ROUNDS; round++) {
      process.stderr.write(`${load.name}: round ${round} of ${ROUNDS}\n`);
      for (const peer of proxies) {
        if (load.isFresh === true) running.set(peer, peer.start());
        const target = { port: peer.port, process: running.get(peer) };
        values.get(peer.name)!.push(await valueOf(load, target, received));
        if (load.isFresh === true) await stop(running.get(peer)!);
      }
      if (load.hasDirect === true)
        values.get('direct')!.push(await load.run({ port: REPLICA_PORT, process: undefined }, SHARE));
    }
  } finally {
    for (const child of [replica, ...running.values()]) await stop(child);
  }
  const { name, title, unit, goal } = load;
  const peers = Array.from(values, ([peer, rounds]) => ({ name: peer, values: rounds }));
  return { name, title, unit, peers, ...(goal && { goal }) };
}

const RESULTS = path('results/grpc.json');

/** The figures of earlier runs in the results, by load. */
function earlierFigures(): Map<string, GrpcFigure> {
  if (!existsSync(RESULTS)) return new Map();
  const { figures } = JSON.parse(readFileSync(RESULTS, 'utf8')) as GrpcReport;
  return new Map(figures.map((figure) => [figure.name, figure]));
}

function write(figures: readonly GrpcFigure[]): void {
  const known = earlierFigures();
  for (const figure of figures) known.set(figure.name, figure);
  const inOrder = loads.flatMap(({ name }) => known.get(name) ?? []);
  mkdirSync(path('results'), { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify({ figures: inOrder } satisfies GrpcReport, null, 1)}\n`);
}

const chosen = loads.filter(({ name }) => only.length === 0 || only.includes(name));
const files = chosen.some(({ isTls }) => isTls === true) ? certificate() : undefined;
const measured = {
  at: new Date().toISOString(),
  processor: cpus()[0]!.model,
  cores: cpus().length,
  node: process.version,
  load: execFileSync('sh', ['-c', 'h2load --version']).toString().trim(),
};
const figures: GrpcFigure[] = [];
for (const load of chosen) {
  figures.push({ ...(await measure(load, files)), measured });
  if (!isQuick && beside.length === 0) write(figures);
}
console.log(grpcTable({ figures }));
process.exit(0);
