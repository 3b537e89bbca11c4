// When a data thread reports its requests to the main thread.
import { describe, expect, it } from 'vitest';
import { RequestReporter, type RequestReport } from '../../src/app/thread-reports.ts';
import { Exchanges } from '../../src/core/exchange/exchange.ts';
import { until } from '../kit/until.ts';

function reporter() {
  const reports: { readonly atMs: number; readonly report: RequestReport }[] = [];
  const sender = new RequestReporter((report) => reports.push({ atMs: performance.now(), report }));
  const exchanges = new Exchanges({ trust_inbound: false });
  exchanges.observe(sender);
  const begin = () => {
    const exchange = exchanges.open(undefined);
    exchange.route(0);
    return exchange;
  };
  const sum = () => ({
    running: reports.flatMap(({ report }) => report.load ?? []).reduce((total, { by }) => total + by, 0),
    ended: reports.reduce((total, { report }) => total + (report.overview?.counts[0] ?? 0), 0),
  });
  return { sender, reports, begin, sum };
}

describe('a data thread', () => {
  it('reports the first request after idle time at once', async () => {
    const { reports, begin } = reporter();
    begin();
    await Promise.resolve();
    expect(reports).toHaveLength(1);
    expect(reports[0]!.report).toMatchObject({ load: [{ deployment: 0, by: 1 }], overview: undefined });
  });

  it('reports every request once, at most once in 100 ms', async () => {
    const { reports, begin, sum } = reporter();
    const beganMs = performance.now();
    let requests = 0;
    while (performance.now() - beganMs < 450) {
      for (let i = 0; i < 20; i++) begin().close('ok', 200);
      requests += 20;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const running = [begin(), begin()];
    await until('all are reported', () => sum().ended === requests && sum().running === running.length);
    for (const [i, { atMs }] of reports.slice(1).entries())
      expect(atMs - reports[i]!.atMs).toBeGreaterThan(95);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(sum()).toEqual({ running: 2, ended: requests });
  });

  it('sends what is left when it ends', () => {
    const { sender, begin, sum } = reporter();
    begin().close('ok', 200);
    sender.flush();
    expect(sum()).toEqual({ running: 0, ended: 1 });
  });
});
