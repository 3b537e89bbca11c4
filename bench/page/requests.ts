// What open pages cost the requests that weir forwards: latencies and CPU at 1,000 requests a second, with and without.
// Invariant: one weir as shipped serves all rounds; rounds with and without viewers alternate, and so does which is first.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { cpuMicros } from '../cpu.ts';
import type { LogReport } from '../logs/log-report.ts';
import { atMost } from '../logs/log-report.ts';
import { asShipped, listening, load, LOAD_CORE, pinned, REPLICA_PORT, startReplica } from '../peers.ts';
import { median, paired } from '../stats.ts';

const PER_SECOND = 1000;
const CONNECTIONS = 16;

interface Round {
  readonly p50: number;
  readonly p99: number;
  readonly cpuMicros: number;
}

/** `rounds`: pairs of rounds; `seconds`: length of each. */
export async function measureRequests(report: LogReport, rounds: number, seconds: number): Promise<void> {
  const replica = startReplica();
  await listening(REPLICA_PORT);
  const child = asShipped.start();
  await listening(asShipped.port);
  const admin = new URL(asShipped.page).origin;

  const round = async (): Promise<Round> => {
    const before = cpuMicros(child.pid!);
    const { count, p50, p99 } = await load<{ count: number; p50: number; p99: number }>(
      'rate',
      asShipped.port,
      CONNECTIONS,
      seconds,
      PER_SECOND,
    );
    return { p50, p99, cpuMicros: (cpuMicros(child.pid!) - before) / count };
  };
  const viewed = async (): Promise<Round> => {
    const viewers = pinned(
      LOAD_CORE,
      process.execPath,
      [fileURLToPath(new URL('viewers.ts', import.meta.url)), admin],
      ['pipe', 'pipe', 'inherit'],
    );
    const lines = createInterface({ input: viewers.stdout! })[Symbol.asyncIterator]();
    if ((await lines.next()).value !== 'open') throw new Error('the viewers did not open');
    const result = await round();
    viewers.stdin!.end();
    const seen = JSON.parse(String((await lines.next()).value)) as { answers: number; events: number };
    if (seen.events === 0) throw new Error('the live tails had no events');
    await once(viewers, 'exit');
    return result;
  };

  await load('requests', asShipped.port, 32, 3);
  const [without, with_]: [Round[], Round[]] = [[], []];
  for (let i = 0; i < rounds; i++) {
    for (const isViewed of i % 2 === 0 ? [false, true] : [true, false])
      (isViewed ? with_ : without).push(await (isViewed ? viewed() : round()));
    process.stderr.write(
      `round ${i + 1} of ${rounds}: p99 ${without.at(-1)!.p99.toFixed(2)} ms without, ${with_.at(-1)!.p99.toFixed(2)} ms with viewers\n`,
    );
  }
  child.kill();
  replica.kill();
  for (const [figure, title, goal] of [
    ['p50', 'p50', undefined],
    ['p99', 'p99', atMost(1.05)],
    ['cpuMicros', 'CPU per request', undefined],
  ] as const) {
    const values = (of: readonly Round[]): number[] => of.map((one) => one[figure]);
    const name = figure === 'cpuMicros' ? 'cpu_us' : `${figure}_ms`;
    const unit = figure === 'cpuMicros' ? ' µs' : ' ms';
    report.rounds[`${name}_without`] = values(without);
    report.rounds[`${name}_with`] = values(with_);
    report.add(`${name}_without`, `${title} without viewers`, median(values(without)), unit);
    report.add(`${name}_with`, `${title} with ten Overviews and two live tails`, median(values(with_)), unit);
    report.add(
      `${name}_ratio`,
      `${title}, with to without`,
      paired(values(with_), values(without)),
      ' ×',
      goal,
    );
  }
}
