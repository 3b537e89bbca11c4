// What the log store and the access log cost the forwarding of requests: CPU, disk, latency with a stalled disk, memory.
// Invariant: weir as shipped, without its store, without both, and HAProxy are measured in the same rounds.
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from '../cpu.ts';
import { metric, PeerJobs } from '../peer-jobs.ts';
import {
  asShipped,
  bothOff,
  haproxyPeer,
  isThere,
  listening,
  load,
  startReplica,
  storeOff,
  type Peer,
} from '../peers.ts';
import { median, paired } from '../stats.ts';
import { atMost, type LogReport } from './log-report.ts';

/** Requests per second while the store is stalled, and before memory is read. */
const RATE = 2000;
const CONNECTIONS = 16;
/** Wait until the last requests are stored and the files are checked. */
const SETTLE_MS = 2500;

export interface ForwardingSizes {
  readonly rounds: number;
  readonly seconds: number;
  readonly memoryStarts: number;
}

/** Size of all files in a folder, at any depth. */
const bytesIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, { parentPath, name }) =>
        sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );

/** Locks the newest file of the store, like a disk that hangs. Returns a function that releases it. */
function lock(folder: string): () => void {
  const name = readdirSync(folder)
    .toSorted()
    .findLast((one) => /^logs-.*\.sqlite$/.test(one))!;
  const file = new DatabaseSync(join(folder, name), { timeout: 1000 });
  file.exec('BEGIN IMMEDIATE');
  return () => {
    file.exec('ROLLBACK');
    file.close();
  };
}

/** p99 of requests at `RATE` per second, in milliseconds. */
const p99 = async (peer: Peer, seconds: number): Promise<number> =>
  (await load<{ p99: number }>('rate', peer.port, CONNECTIONS, seconds, RATE)).p99;

/** Resident memory of a new process in megabytes, idle after 2,000 requests. */
async function memory(peer: Peer): Promise<number> {
  const child = peer.start();
  await listening(peer.port);
  await load('rate', peer.port, CONNECTIONS, 1, RATE);
  await sleep(SETTLE_MS);
  const megabytes = residentBytes(child.pid!) / 1e6;
  child.kill('SIGKILL');
  await once(child, 'exit');
  return megabytes;
}

export async function measureForwarding(report: LogReport, sizes: ForwardingSizes): Promise<void> {
  const { rounds, seconds } = sizes;
  const replica = startReplica();
  const jobs = new PeerJobs(seconds);
  const compared = [asShipped, bothOff, ...(isThere('haproxy') ? [haproxyPeer] : [])];
  for (const peer of [...compared, storeOff]) {
    await jobs.start(peer);
    await load('requests', peer.port, 32, seconds);
  }
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`round ${round} of ${rounds}: CPU per request\n`);
    for (const peer of compared) await jobs.requests(peer);
  }
  const micros = (peer: Peer) => jobs.of(peer, 'cpu_us_per_request');
  for (const peer of compared) {
    report.rounds[`cpu_us_per_request, ${peer.name}`] = micros(peer);
    report.add(`cpu_us_${peer.name}`, `CPU per small request, ${peer.name}`, median(micros(peer)), ' µs');
  }
  report.add(
    'as_shipped_to_both_off',
    'CPU per small request as shipped, to store and access log off',
    paired(micros(asShipped), micros(bothOff)),
    ' ×',
    atMost(1.15),
  );
  if (compared.includes(haproxyPeer))
    report.add(
      'as_shipped_to_haproxy',
      'CPU per small request as shipped, to HAProxy without a log',
      paired(micros(asShipped), micros(haproxyPeer)),
      ' ×',
      atMost(1.75),
    );

  await sleep(SETTLE_MS);
  const stored = await metric(asShipped.page, 'weir_log_records_total', 'kind="request"');
  report.add(
    'bytes_per_request',
    'bytes on disk per request, all files',
    bytesIn(asShipped.folder()) / stored,
    '',
    atMost(60),
  );
  report.add(
    'requests_lost',
    'requests not stored at full speed',
    await metric(asShipped.page, 'weir_log_records_lost_total'),
    '',
  );

  const values: Record<'off' | 'on' | 'stalled', number[]> = { off: [], on: [], stalled: [] };
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`round ${round} of ${rounds}: p99 with a stalled store\n`);
    values.off.push(await p99(storeOff, seconds));
    values.on.push(await p99(asShipped, seconds));
    const release = lock(join(asShipped.folder(), 'logs'));
    values.stalled.push(await p99(asShipped, seconds));
    release();
  }
  for (const [name, ms] of Object.entries(values)) report.rounds[`p99_ms, store ${name}`] = ms;
  const at = `p99 of a request at ${RATE.toLocaleString('en')}/s`;
  report.add('p99_on_to_off', `${at}, store on to store off`, paired(values.on, values.off), ' ×');
  report.add(
    'p99_stalled_to_off',
    `${at}, store stalled to store off`,
    paired(values.stalled, values.off),
    ' ×',
    atMost(1.1),
  );
  await jobs.stopAll();

  const starts = new Map<Peer, number[]>([asShipped, storeOff, bothOff].map((peer) => [peer, []]));
  for (let i = 0; i < sizes.memoryStarts; i++)
    for (const [peer, megabytes] of starts) megabytes.push(await memory(peer));
  for (const [{ name }, megabytes] of starts) report.rounds[`resident_mb, ${name}`] = megabytes;
  const less = (peer: Peer) => paired(starts.get(asShipped), starts.get(peer), (on, off) => on - off);
  const idle = 'resident memory, idle after 2,000 requests';
  report.add('store_mb', `${idle}, store on less store off`, less(storeOff), ' MB', atMost(20));
  report.add('store_and_log_mb', `${idle}, store and access log on less both off`, less(bothOff), ' MB');
  replica.kill('SIGKILL');
}
