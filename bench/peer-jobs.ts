// What is measured of a peer: CPU time, rates, latencies and memory. Used by run.ts and logs.ts.
// Invariant: CPU time is that of all threads of the proxy process, until the work after the last response is done too.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuMicros, residentBytes } from './cpu.ts';
import { listening, load, LOAD_CORE, pinned, type Peer } from './peers.ts';

const MB100 = 100_000_000;
/** Bodies per round. One alone takes only a few ticks of the CPU clock. */
const BODIES = 3;
/** Wait after a load, since a weir records requests up to 15 ms after their responses. */
const AFTER_MS = 100;

/** Sum of the series of a metric whose labels contain `label`, on a page of a weir. */
export async function metric(page: string, name: string, label = ''): Promise<number> {
  const text = await (await fetch(page)).text();
  return [...text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? (\\S+)$`, 'gm'))]
    .filter(([, labels = '']) => labels.includes(label))
    .reduce((sum, [, , value]) => sum + Number(value), 0);
}

export class PeerJobs {
  /** Values of all rounds, by peer and name of the figure. */
  readonly values = new Map<Peer, Record<string, number[]>>();
  readonly #seconds: number;
  readonly #running = new Map<Peer, ChildProcess>();

  /** `seconds`: length of each load. */
  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  /** Starts the process of a peer. */
  async start(peer: Peer): Promise<void> {
    this.#running.set(peer, peer.start());
    await listening(peer.port);
  }

  /** Ends all processes, so that their ports are free. */
  async stopAll(): Promise<void> {
    await Promise.all(
      Array.from(this.#running.values(), (child) => {
        child.kill('SIGKILL');
        return once(child, 'exit');
      }),
    );
    this.#running.clear();
  }

  of(peer: Peer, figure: string): readonly number[] {
    return this.values.get(peer)?.[figure] ?? [];
  }

  note(peer: Peer, figure: string, value: number): void {
    const figures = this.values.get(peer) ?? {};
    this.values.set(peer, figures);
    (figures[figure] ??= []).push(value);
  }

  /** CPU per small JSON request. */
  readonly requests = async (peer: Peer): Promise<void> => {
    const { micros, result } = await this.#cost(peer, () =>
      load<{ count: number; seconds: number }>('requests', peer.port, 32, this.#seconds),
    );
    this.note(peer, 'cpu_us_per_request', micros / result.count);
    this.note(peer, 'requests_per_second', result.count / result.seconds);
  };

  /** CPU per request with 1 KB of JSON in and out. */
  readonly kilobytes = async (peer: Peer): Promise<void> => {
    const { micros, result } = await this.#cost(peer, () =>
      load<{ count: number }>('kilobytes', peer.port, 32, this.#seconds),
    );
    this.note(peer, 'cpu_us_per_1kb_request', micros / result.count);
  };

  readonly streams = async (peer: Peer): Promise<void> => {
    const port = peer.streamPort ?? peer.port;
    const { micros, result } = await this.#cost(peer, () =>
      load<{ chunks: number }>('streams', port, 50, this.#seconds * 200, 5),
    );
    this.note(peer, 'cpu_us_per_chunk', micros / result.chunks);
  };

  /** CPU per event of a streamed chat. */
  readonly chats = async (peer: Peer): Promise<void> => {
    const { micros, result } = await this.#cost(peer, () =>
      load<{ chunks: number }>('chats', peer.port, 50, this.#seconds * 200, 5),
    );
    this.note(peer, 'cpu_us_per_chat_chunk', micros / result.chunks);
  };

  /** CPU per response of `bytes` of JSON. */
  readonly answers = async (peer: Peer, bytes: number): Promise<void> => {
    const { micros, result } = await this.#cost(peer, () =>
      load<{ count: number }>('answers', peer.port, 8, this.#seconds, bytes),
    );
    this.note(peer, 'cpu_us_per_answer', micros / result.count);
  };

  readonly bodies = async (peer: Peer): Promise<void> => {
    for (const way of ['down', 'up']) {
      const { micros } = await this.#cost(peer, () => load(way, peer.port, MB100, BODIES));
      this.note(peer, `cpu_ms_per_100mb_${way}`, micros / 1000 / BODIES);
    }
  };

  readonly latency = async (peer: Peer): Promise<void> => {
    const { p50, p99 } = await load<{ p50: number; p99: number }>('rate', peer.port, 16, this.#seconds, 1000);
    this.note(peer, 'p50_ms', p50);
    this.note(peer, 'p99_ms', p99);
  };

  readonly scrape = async (peer: Peer): Promise<void> => {
    if (!peer.page) return;
    const startMs = performance.now();
    await (await fetch(peer.page)).text();
    this.note(peer, 'scrape_ms', performance.now() - startMs);
  };

  /** Warm-up with all kinds of work, so that no round measures the JIT compiler. */
  async warmUp(peer: Peer, times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      await load('requests', peer.port, 32, 1);
      await load('kilobytes', peer.port, 32, 0.5);
      await load('streams', peer.streamPort ?? peer.port, 50, 50, 5);
    }
  }

  /** Memory of a new process without connections, and with open idle connections that had one request each. */
  async memory(peer: Peer): Promise<void> {
    for (const connections of [0, 1000, 10_000]) {
      const child = peer.start();
      await listening(peer.port);
      await sleep(500);
      if (connections === 0) this.note(peer, 'resident_mb_idle', residentBytes(child.pid!) / 1e6);
      else if (!(await this.#holds(peer, connections, () => residentBytes(child.pid!) / 1e6)))
        process.stderr.write(`${peer.name} does not hold ${connections} connections\n`);
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }

  /** What a weir could not keep over all rounds, so that its CPU time is not too good. */
  async losses(peer: Peer): Promise<void> {
    const { page, recording } = peer;
    if (page === undefined || recording === undefined) return;
    if (recording.store !== 'off') {
      this.note(peer, 'requests_lost', await metric(page, 'weir_log_records_lost_total'));
      this.note(peer, 'bodies_lost', await metric(page, 'weir_log_bodies_skipped_total'));
    }
    if (recording.accessLog !== 'off')
      this.note(peer, 'lines_lost', await metric(page, 'weir_log_lines_dropped_total'));
  }

  /** CPU time of a peer's process while `work` runs. 0 for direct, which has no process. */
  async #cost<T>(peer: Peer, work: () => Promise<T>): Promise<{ micros: number; result: T }> {
    const pid = this.#running.get(peer)?.pid;
    const before = pid === undefined ? 0 : cpuMicros(pid);
    const result = await work();
    if (pid === undefined) return { micros: 0, result };
    await sleep(AFTER_MS);
    return { micros: cpuMicros(pid) - before, result };
  }

  /** Notes `read` with open connections. Returns false, without a value, if the peer cannot hold that many. */
  async #holds(peer: Peer, connections: number, read: () => number): Promise<boolean> {
    const idle = pinned(
      LOAD_CORE,
      process.execPath,
      [fileURLToPath(new URL('load.ts', import.meta.url)), 'idle', String(peer.port), String(connections)],
      ['pipe', 'pipe', 'inherit'],
    );
    const isOpen = await Promise.race([
      once(idle.stdout!, 'data').then(() => true),
      once(idle, 'exit').then(() => false),
      sleep(30_000).then(() => false),
    ]);
    if (isOpen) {
      await sleep(500);
      this.note(peer, `resident_mb_${connections}_idle`, read());
    }
    idle.kill('SIGKILL');
    return isOpen;
  }
}
