// npm run bench: compares weir with its peers in one run. Prints the table and writes results/latest.json.
// Invariant: CPU time is that of the whole proxy process. Rounds of all peers are interleaved, and a ratio is the
// median of the ratios within each round, since the speed of a machine changes over time.
// Options: --quick (one short round), --only NAME (a peer by name; can be repeated; direct always runs).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { cpus } from 'node:os';
import type { ChildProcess } from 'node:child_process';
import { cpuMicros, residentBytes } from './cpu.ts';
import { LOAD_CORE, listening, load, peers, pinned, startReplica, type Peer } from './peers.ts';
import { fileURLToPath } from 'node:url';

const MB100 = 100_000_000;
/** Bodies per round. One alone takes only a few ticks of the CPU clock. */
const BODIES = 3;
const isQuick = process.argv.includes('--quick');
const only = process.argv.flatMap((arg, i, all) => (all[i - 1] === '--only' ? [arg] : []));
const ROUNDS = isQuick ? 1 : 5;
const SECONDS = isQuick ? 1 : 1.5;

/** Measurements of one peer: the values of all rounds, by name. */
type Figures = Record<string, number[]>;

const running = new Map<Peer, ChildProcess>();
const results = new Map<Peer, Figures>();

const note = (peer: Peer, figure: string, value: number): void => {
  const figures = results.get(peer) ?? {};
  results.set(peer, figures);
  (figures[figure] ??= []).push(value);
};

/** CPU time of a peer's process while `work` runs. 0 for direct, which has no process. */
async function cost<T>(peer: Peer, work: () => Promise<T>): Promise<{ micros: number; result: T }> {
  const child = running.get(peer);
  const before = child ? cpuMicros(child.pid!) : 0;
  const result = await work();
  return { micros: child ? cpuMicros(child.pid!) - before : 0, result };
}

async function requests(peer: Peer): Promise<void> {
  const { micros, result } = await cost(peer, () =>
    load<{ count: number; seconds: number }>('requests', peer.port, 32, SECONDS),
  );
  note(peer, 'cpu_us_per_request', micros / result.count);
  note(peer, 'requests_per_second', result.count / result.seconds);
}

async function streams(peer: Peer): Promise<void> {
  const chunks = SECONDS * 200;
  const { micros, result } = await cost(peer, () =>
    load<{ chunks: number }>('streams', peer.port, 50, chunks, 5),
  );
  note(peer, 'cpu_us_per_chunk', micros / result.chunks);
}

async function bodies(peer: Peer): Promise<void> {
  for (const way of ['down', 'up']) {
    const { micros } = await cost(peer, () => load(way, peer.port, MB100, BODIES));
    note(peer, `cpu_ms_per_100mb_${way}`, micros / 1000 / BODIES);
  }
}

async function latency(peer: Peer): Promise<void> {
  const { p50, p99 } = await load<{ p50: number; p99: number }>('rate', peer.port, 16, SECONDS, 1000);
  note(peer, 'p50_ms', p50);
  note(peer, 'p99_ms', p99);
}

/** Memory of a new process without connections, and with open idle connections. */
async function memory(peer: Peer): Promise<void> {
  for (const connections of [0, 1000, 10_000]) {
    const child = peer.start();
    await listening(peer.port);
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (connections === 0) note(peer, 'resident_mb_idle', residentBytes(child.pid!) / 1e6);
    else {
      const idle = pinned(
        LOAD_CORE,
        process.execPath,
        [fileURLToPath(new URL('load.ts', import.meta.url)), 'idle', String(peer.port), String(connections)],
        'pipe',
      );
      // A peer that cannot hold that many connections has no value.
      const opened = await Promise.race([
        once(idle.stdout!, 'data').then(() => true),
        once(idle, 'exit').then(() => false),
        new Promise<false>((resolve) => setTimeout(resolve, 30_000, false)),
      ]);
      if (opened) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        note(peer, `resident_mb_${connections}_idle`, residentBytes(child.pid!) / 1e6);
      }
      idle.kill('SIGKILL');
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

async function scrape(peer: Peer): Promise<void> {
  if (!peer.page) return;
  const startMs = performance.now();
  await (await fetch(peer.page)).text();
  note(peer, 'scrape_ms', performance.now() - startMs);
}

const median = (values: number[] | undefined): number | undefined =>
  values && [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const chosen = peers.filter(({ name }) => only.length === 0 || only.includes(name) || name === 'direct');
const proxies = chosen.filter(({ name }) => name !== 'direct');

const replica = startReplica();
await listening(peers[0]!.port);
for (const peer of proxies) {
  running.set(peer, peer.start());
  await listening(peer.port);
}
// Warm-up with all kinds of work, so that no round measures the JIT compiler.
for (const peer of chosen)
  for (let i = 0; i < (isQuick ? 1 : 3); i++) {
    await load('requests', peer.port, 32, 1);
    await load('streams', peer.port, 50, 50, 5);
  }
for (let round = 1; round <= ROUNDS; round++)
  for (const [name, work] of Object.entries({ requests, streams, bodies, latency, scrape })) {
    process.stderr.write(`round ${round} of ${ROUNDS}: ${name}\n`);
    for (const peer of chosen) await work(peer);
  }
for (const child of running.values()) child.kill('SIGKILL');
if (!isQuick)
  for (const peer of proxies) {
    process.stderr.write(`memory: ${peer.name}\n`);
    await memory(peer);
  }
replica.kill('SIGKILL');

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const report = {
  at: new Date().toISOString(),
  machine: { processor: cpus()[0]!.model, cores: cpus().length, node: process.version, weir: version },
  rounds: ROUNDS,
  peers: chosen.map((peer) => ({
    name: peer.name,
    median: Object.fromEntries(
      Object.entries(results.get(peer) ?? {}).map(([figure, values]) => [figure, median(values)]),
    ),
    rounds: results.get(peer),
  })),
};
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
const name = isQuick || only.length > 0 ? 'partial.json' : 'latest.json';
writeFileSync(new URL(`results/${name}`, import.meta.url), `${JSON.stringify(report, null, 1)}\n`);
const { benchTable } = await import('./table.ts');
console.log(benchTable(report));
process.exit(0);
