// npm run bench:logs: what the log store costs forwarding, how fast it takes lines and requests, how fast it answers
// queries, and the delay until a line is followed and exported. Prints the table and writes results/logs.json.
// Invariant: each figure stands beside its goal, if it has one, and nothing fails because of a figure.
// Options: --quick (small numbers, about a minute), --only PART (forwarding, lines, requests or series; can be repeated).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogReport } from './logs/log-report.ts';
import { measureLines } from './logs/lines.ts';
import { measureRequests } from './logs/requests.ts';
import { measureSeries } from './logs/series.ts';
import { logTable } from './table.ts';

const isQuick = process.argv.includes('--quick');
const only = process.argv.flatMap((arg, i, all) => (all[i - 1] === '--only' ? [arg] : []));
const sizes = isQuick
  ? {
      forwarding: { rounds: 1, seconds: 1, memoryStarts: 1 },
      lines: { plain: 50_000, json: 10_000, followSeconds: 2, exportSeconds: 2 },
      requests: { many: 200_000, some: 50_000 },
      series: { count: 100_000 },
    }
  : {
      forwarding: { rounds: 5, seconds: 2.5, memoryStarts: 3 },
      lines: { plain: 1_000_000, json: 200_000, followSeconds: 60, exportSeconds: 10 },
      requests: { many: 10_000_000, some: 1_000_000 },
      series: { count: 1_000_000 },
    };

const root = mkdtempSync(join(tmpdir(), 'weir-bench-logs-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));

const report = new LogReport();
const parts: Record<string, () => Promise<void>> = {
  // Loaded here, since it builds weir.
  forwarding: async () => (await import('./logs/as-shipped.ts')).measureForwarding(report, sizes.forwarding),
  lines: () => measureLines(report, root, sizes.lines),
  requests: () => measureRequests(report, root, sizes.requests),
  series: () => measureSeries(report, root, sizes.series),
};
for (const [name, measure] of Object.entries(parts)) {
  if (only.length > 0 && !only.includes(name)) continue;
  process.stderr.write(`${name}\n`);
  const startMs = performance.now();
  await measure();
  process.stderr.write(`${name}: ${Math.round((performance.now() - startMs) / 1000)} s\n`);
}

console.log(logTable(report.figures));
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
const file = isQuick || only.length > 0 ? 'partial.json' : 'logs.json';
writeFileSync(new URL(`results/${file}`, import.meta.url), report.toJson(sizes));
process.exit(0);
