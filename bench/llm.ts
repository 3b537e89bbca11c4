// npm run bench:llm: what reading tokens and times from bodies costs. Prints the table and writes results/llm.json.
// Invariant: weir as shipped and the same weir with `llm.follow` off run in the same rounds, and nothing fails because of
// a figure.
// Options: --quick (small numbers).
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { residentBytes } from './cpu.ts';
import { atMost, LogReport } from './logs/log-report.ts';
import { PeerJobs } from './peer-jobs.ts';
import {
  asShipped,
  listening,
  load,
  LOAD_CORE,
  pinned,
  REPLICA_PORT,
  startReplica,
  weir,
  type Peer,
} from './peers.ts';
import { median, paired } from './stats.ts';
import { logTable } from './table.ts';

const isQuick = process.argv.includes('--quick');
const sizes = { rounds: isQuick ? 1 : 7, seconds: isQuick ? 1 : 2, streams: isQuick ? 50 : 500 };
const MEGABYTE = 1_000_000;

const notFollowed = weir(
  'weir, bodies not followed',
  18_910,
  { store: 'metadata', accessLog: 'to a file' },
  '--llm-follow=false',
);
const compared = [asShipped, notFollowed];

const report = new LogReport();
const jobs = new PeerJobs(sizes.seconds);
const replica = startReplica();
await listening(REPLICA_PORT);
for (const peer of compared) {
  await jobs.start(peer);
  await jobs.warmUp(peer, isQuick ? 1 : 3);
}
for (let round = 1; round <= sizes.rounds; round++)
  for (const peer of compared) {
    process.stderr.write(`round ${round} of ${sizes.rounds}: ${peer.name}\n`);
    await jobs.kilobytes(peer);
    await jobs.chats(peer);
    await jobs.answers(peer, MEGABYTE);
  }
await jobs.stopAll();

const FIGURES = [
  ['cpu_us_per_chat_chunk', 'chunk_ratio', 'CPU per event of a chat, on to off', 1.1],
  [
    'cpu_us_per_1kb_request',
    'kilobyte_ratio',
    'CPU per request with 1 KB of JSON in and out, on to off',
    1.05,
  ],
  ['cpu_us_per_answer', 'megabyte_ratio', 'CPU per response with 1 MB of JSON, on to off', 1.1],
] as const;
for (const [figure, name, title, goal] of FIGURES) {
  const [on, off] = compared.map((peer) => jobs.of(peer, figure));
  report.rounds[`${figure}, on`] = on!;
  report.rounds[`${figure}, off`] = off!;
  report.add(`${figure}_off`, title.replace(', on to off', ', off'), median(off!), ' µs');
  report.add(name, title, paired(on, off), ' ×', atMost(goal));
}

/** Resident memory with many running streams, in bytes. */
async function memory(peer: Peer): Promise<number> {
  const child = peer.start();
  await listening(peer.port);
  // Warm, so that compiled code does not count.
  await load('chats', peer.port, 50, 50, 5);
  const chatting = pinned(
    LOAD_CORE,
    process.execPath,
    [
      fileURLToPath(new URL('load.ts', import.meta.url)),
      'chatting',
      String(peer.port),
      String(sizes.streams),
    ],
    ['pipe', 'pipe', 'inherit'],
  );
  await once(chatting.stdout!, 'data');
  await sleep(3000);
  const bytes = residentBytes(child.pid!);
  chatting.kill('SIGKILL');
  child.kill('SIGKILL');
  await once(child, 'exit');
  return bytes;
}

const held: number[][] = [[], []];
for (let round = 1; round <= (isQuick ? 1 : 5); round++)
  for (const [i, peer] of compared.entries()) held[i]!.push(await memory(peer));
report.rounds['resident_bytes, on'] = held[0]!;
report.rounds['resident_bytes, off'] = held[1]!;
report.add(
  'stream_bytes',
  `resident memory per running stream, of ${sizes.streams}, on less off`,
  paired(held[0], held[1], (on, off) => (on - off) / sizes.streams / 1000),
  ' KB',
  atMost(2),
);
replica.kill('SIGKILL');

console.log(logTable(report.figures, 'tokens and times'));
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
writeFileSync(new URL(`results/${isQuick ? 'partial' : 'llm'}.json`, import.meta.url), report.toJson(sizes));
process.exit(0);
