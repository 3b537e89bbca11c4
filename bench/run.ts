// npm run bench: compares weir with its peers in one run. Prints the tables and writes results/latest.json.
// Invariant: CPU time is that of the whole proxy process. Rounds of all peers are interleaved, and a ratio is the
// median of the ratios within each round, since the speed of a machine changes over time.
// Options: --quick (one short round), --only NAME (a peer by name; can be repeated; direct always runs).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { PeerJobs } from './peer-jobs.ts';
import { listening, peers, startReplica } from './peers.ts';
import { median } from './stats.ts';
import { benchTables } from './table.ts';

const isQuick = process.argv.includes('--quick');
const only = process.argv.flatMap((arg, i, all) => (all[i - 1] === '--only' ? [arg] : []));
const ROUNDS = isQuick ? 1 : 5;

const jobs = new PeerJobs(isQuick ? 1 : 1.5);
const chosen = peers.filter(({ name }) => only.length === 0 || only.includes(name) || name === 'direct');
const proxies = chosen.filter(({ name }) => name !== 'direct');

const replica = startReplica();
await listening(peers[0]!.port);
for (const peer of proxies) await jobs.start(peer);
for (const peer of chosen) await jobs.warmUp(peer, isQuick ? 1 : 3);
for (let round = 1; round <= ROUNDS; round++)
  for (const name of ['requests', 'kilobytes', 'streams', 'bodies', 'latency', 'scrape'] as const) {
    process.stderr.write(`round ${round} of ${ROUNDS}: ${name}\n`);
    for (const peer of chosen) await jobs[name](peer);
  }
await sleep(1000);
for (const peer of proxies) await jobs.losses(peer);
await jobs.stopAll();
if (!isQuick)
  for (const peer of proxies) {
    process.stderr.write(`memory: ${peer.name}\n`);
    await jobs.memory(peer);
  }
replica.kill('SIGKILL');

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const report = {
  at: new Date().toISOString(),
  machine: { processor: cpus()[0]!.model, cores: cpus().length, node: process.version, weir: version },
  rounds: ROUNDS,
  peers: chosen.map((peer) => {
    const rounds = jobs.values.get(peer) ?? {};
    return {
      name: peer.name,
      ...(peer.recording && { log_store: peer.recording.store, access_log: peer.recording.accessLog }),
      setup: peer.setup,
      median: Object.fromEntries(Object.entries(rounds).map(([figure, values]) => [figure, median(values)])),
      rounds,
    };
  }),
};
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
const name = isQuick || only.length > 0 ? 'partial.json' : 'latest.json';
writeFileSync(new URL(`results/${name}`, import.meta.url), `${JSON.stringify(report, null, 1)}\n`);
console.log(benchTables(report));
process.exit(0);
