// npm run bench:keys: what keys of clients cost. Prints the table and writes results/keys.json.
// Invariant: weir with keys, limits and ten thousand other keys, and the same weir without keys run in the same rounds, with
// the same requests; and nothing fails because of a figure.
// Options: --quick (small numbers).
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { LogReport, atMost } from './logs/log-report.ts';
import { PeerJobs } from './peer-jobs.ts';
import { asShipped, bothOff, file, listening, REPLICA_PORT, startReplica, weir, type Peer } from './peers.ts';
import { median, paired } from './stats.ts';
import { logTable } from './table.ts';

const isQuick = process.argv.includes('--quick');
const sizes = { rounds: isQuick ? 1 : 21, seconds: 1, keys: 10_000 };

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const limits = { requests_per_second: 1e6, concurrency: 1000, tokens_per_minute: 1e12, cost_per_day: 1e9 };
/** The key that load.ts sends is the last one. */
const entries = Array.from({ length: sizes.keys }, (_, i) =>
  i < sizes.keys - 1
    ? { name: `other${i}`, scopes: ['predict'], sha256: sha256(String(i)) }
    : { name: 'bench', scopes: ['predict'], sha256: sha256('sk-0123456789abcdef'), limits },
);
const keys = [
  '--client-keys-required',
  `--client-keys-file=${file('client-keys.json', JSON.stringify({ keys: entries }))}`,
];

const off = { store: 'off', accessLog: 'off' } as const;
const shipped = { store: 'metadata', accessLog: 'to a file' } as const;
const pairs: readonly (readonly [name: string, title: string, withKeys: Peer, without: Peer])[] = [
  ['shipped', 'as shipped', weir('weir, keys', 18_930, shipped, ...keys), asShipped],
  ['both_off', 'store and access log off', weir('weir, both off, keys', 18_931, off, ...keys), bothOff],
];

const report = new LogReport();
const jobs = new PeerJobs(sizes.seconds);
const replica = startReplica();
await listening(REPLICA_PORT);
for (const [name, title, withKeys, without] of pairs) {
  for (const peer of [withKeys, without]) {
    await jobs.start(peer);
    await jobs.warmUp(peer, isQuick ? 1 : 3);
  }
  for (let round = 1; round <= sizes.rounds; round++) {
    process.stderr.write(`${title}: round ${round} of ${sizes.rounds}\n`);
    // The order alternates, so that what the machine does meanwhile is not always the second one's.
    for (const peer of round % 2 === 0 ? [withKeys, without] : [without, withKeys]) await jobs.requests(peer);
  }
  await jobs.stopAll();
  const [on, base] = [withKeys, without].map((peer) => jobs.of(peer, 'cpu_us_per_request'));
  report.rounds[`${name}, keys`] = on!;
  report.rounds[`${name}, no keys`] = base!;
  report.add(`${name}_us`, `CPU per small request without keys, ${title}`, median(base!), ' µs');
  report.add(`${name}_ratio`, `with a key to without, ${title}`, paired(on, base), ' ×', atMost(1.05));
}
replica.kill('SIGKILL');

console.log(logTable(report.figures, 'keys of clients'));
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
writeFileSync(new URL(`results/${isQuick ? 'partial' : 'keys'}.json`, import.meta.url), report.toJson(sizes));
process.exit(0);
