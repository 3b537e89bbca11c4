// npm run bench:page: what the web page costs weir, and what it costs the browser. Prints the tables and writes
// results/page.json.
// Invariant: what an answer costs is CPU time of the forwarding thread; what the page costs requests is a ratio of rounds
// with and without viewers that alternate.
// Options: --quick (small numbers), --only PART (answers, requests, browser or million; can be repeated), --answer NAME.
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { chromium } from 'playwright-core';
import { LogReport } from './logs/log-report.ts';
import { measureAnswers } from './page/answers.ts';
import { measureBrowser } from './page/browser.ts';
import { filledFolder, FilledWeir } from './page/filled-folder.ts';
import { measureMillion } from './page/million.ts';
import { logTable } from './table.ts';

const isQuick = process.argv.includes('--quick');
const given = (option: string): string[] =>
  process.argv.flatMap((arg, i, all) => (all[i - 1] === option ? [arg] : []));
const [only, answers] = [given('--only'), given('--answer')];
const has = (part: string): boolean => only.length === 0 || only.includes(part);
const sizes = {
  records: 100_000,
  answers: isQuick ? 5 : 21,
  rounds: isQuick ? 1 : 7,
  seconds: isQuick ? 5 : 15,
  opens: isQuick ? 3 : 5,
  tailSeconds: isQuick ? 12 : 180,
  many: isQuick ? 200_000 : 1_000_000,
};
/** Records that a filled folder has beside the usual ones. */
const SPECIAL = 5100;

const launched = () =>
  chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    // Chromium has no sandbox for root.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });

const loadBefore = loadavg()[0];
const report = new LogReport();
if (has('requests')) {
  // Builds weir when it is loaded.
  const { measureRequests } = await import('./page/requests.ts');
  await measureRequests(report, sizes.rounds, sizes.seconds);
}
if (has('answers') || has('browser')) {
  const folder = filledFolder(sizes.records - SPECIAL);
  const weir = await FilledWeir.start(folder.path);
  if (has('answers')) await measureAnswers(weir, folder, report, sizes.answers, answers);
  if (has('browser')) {
    const browser = await launched();
    await measureBrowser(browser, weir, folder, report, sizes);
    await browser.close();
  }
  await weir.stop();
}
if (has('million')) {
  const folder = filledFolder(sizes.many - SPECIAL);
  const weir = await FilledWeir.start(folder.path);
  const browser = await launched();
  await measureMillion(browser, weir, folder, report);
  await browser.close();
  await weir.stop();
}
console.log(logTable(report.figures, 'web page'));
const file = isQuick || only.length > 0 ? 'partial.json' : 'page.json';
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
writeFileSync(
  new URL(`results/${file}`, import.meta.url),
  report.toJson({ ...sizes, load_before: loadBefore, load_after: loadavg()[0] }),
);
process.exit(0);
