// npm run bench:page: what the web page costs weir, and what it costs the browser. Prints the tables and writes
// results/page.json.
// Invariant: what an answer costs is CPU time of the forwarding thread; what the page costs requests is a ratio of rounds
// with and without viewers that alternate.
// Options: --quick (small numbers), --only PART (answers, requests or browser; can be repeated), --answer NAME.
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { LogReport } from './logs/log-report.ts';
import { measureAnswers } from './page/answers.ts';
import { filledFolder, FilledWeir } from './page/filled-folder.ts';
import { logTable } from './table.ts';

const isQuick = process.argv.includes('--quick');
const given = (option: string): string[] =>
  process.argv.flatMap((arg, i, all) => (all[i - 1] === option ? [arg] : []));
const [only, answers] = [given('--only'), given('--answer')];
const has = (part: string): boolean => only.length === 0 || only.includes(part);
const sizes = { records: 100_000, answers: isQuick ? 5 : 21 };

const loadBefore = loadavg()[0]!;
const report = new LogReport();
if (has('answers')) {
  const folder = filledFolder(sizes.records - 5100);
  const weir = await FilledWeir.start(folder.path);
  await measureAnswers(weir, folder, report, sizes.answers, answers);
  await weir.stop();
}
console.log(logTable(report.figures, 'web page'));
const file = isQuick || only.length > 0 ? 'partial.json' : 'page.json';
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
writeFileSync(
  new URL(`results/${file}`, import.meta.url),
  report.toJson({ ...sizes, load_before: loadBefore, load_after: loadavg()[0]! }),
);
process.exit(0);
