// npm run bench:scoring: how many spans the scorers score. Prints the table and writes results/scoring.json.
// Invariant: a span is scored by all six scorers; times are processor time of the process, but for the custom scorer,
// which runs in a process of its own.
// Options: --quick (small numbers).
import { mkdirSync, writeFileSync } from 'node:fs';
import { CustomScorer } from '../src/telemetry/scoring/custom/custom-scorer.ts';
import { ProcessSlots } from '../src/telemetry/scoring/custom/process-slots.ts';
import type { ScorerInput } from '../src/telemetry/scoring/scorer.ts';
import { openBuiltIn, type BuiltInName } from '../src/telemetry/scoring/scorers/built-in.ts';
import { atLeast, LogReport } from './logs/log-report.ts';
import { median } from './stats.ts';
import { logTable } from './table.ts';
import { prose, random } from './texts.ts';

const isQuick = process.argv.includes('--quick');
const sizes = { spans: isQuick ? 500 : 10_000, calls: isQuick ? 50 : 1000, rounds: isQuick ? 1 : 7 };
const CHARACTERS = 200;
const NAMES: readonly BuiltInName[] = [
  'ExactMatch',
  'Levenshtein',
  'NumericDiff',
  'JSONDiff',
  'ListContains',
  'ValidJSON',
];

const scorers = NAMES.map((name) => {
  const opened = openBuiltIn(name, {});
  if ('problems' in opened) throw new Error(opened.problems.join());
  return opened;
});

const list = (text: string): string[] => text.split(' ');
const object = (text: string): string => {
  const [a = '', b = '', ...rest] = list(text.slice(0, CHARACTERS - 50));
  return JSON.stringify({ name: a, kind: b, count: Math.floor(random() * 100), words: rest });
};
/** The expected value is the output with some words changed, or, for every fourth span, other words. */
function span(n: number): ScorerInput {
  const output = prose(CHARACTERS);
  const expected =
    n % 4 === 0
      ? prose(CHARACTERS)
      : list(output)
          .map((word) => (random() < 0.2 ? prose(word.length) : word))
          .join(' ');
  const kind = [(text: string) => text, object, list][n % 3]!;
  return { output: kind(output), expected: kind(expected) };
}

const spans = Array.from({ length: sizes.spans }, (_, n) => span(n));
const { signal } = new AbortController();
const scoreAll = (some: readonly ScorerInput[], by = scorers): void => {
  for (const one of some) for (const scorer of by) void scorer.score(one, signal);
};
/** Processor time of a span in microseconds. */
function measure(by = scorers): number {
  const before = process.cpuUsage();
  scoreAll(spans, by);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / spans.length;
}

const report = new LogReport();
scoreAll(spans);
const all = Array.from({ length: sizes.rounds }, () => measure());
report.rounds['us_per_span'] = all;
report.add('us_per_span', 'CPU of a span with all six', median(all), ' µs');
report.add(
  'spans_per_core',
  'spans per second of a core with all six',
  1e6 / median(all)!,
  '',
  atLeast(2000),
);
for (const scorer of scorers)
  report.add(
    `us_${scorer.name}`,
    `CPU of a span, ${scorer.name} alone`,
    median(Array.from({ length: sizes.rounds }, () => measure([scorer]))),
    ' µs',
  );

const long = { output: 'ab'.repeat(2048), expected: 'cd'.repeat(2048) };
const [, levenshtein] = scorers;
const times = Array.from({ length: 20 }, () => {
  const startMs = performance.now();
  void levenshtein!.score(long, signal);
  return performance.now() - startMs;
});
report.add(
  'longest_ms',
  'longest comparison: two texts of 4,096 characters, nothing alike',
  median(times),
  ' ms',
);

const code = '({ output }) => ({ name: "length", score: Math.min(1, output.length / 1000) })';
const settings = { kind: 'code', name: 'length', slug: 'length', description: '' } as const;
const custom = new CustomScorer({ ...settings, code, timeout_ms: 1000, memory_mb: 64 }, new ProcessSlots(1));
const startMs = performance.now();
await custom.score(spans[0]!, signal);
report.add(
  'custom_start_ms',
  'first call of a custom scorer, with its process',
  performance.now() - startMs,
  ' ms',
);
const speeds: number[] = [];
for (let round = 0; round < sizes.rounds; round++) {
  const fromMs = performance.now();
  for (let n = 0; n < sizes.calls; n++) await custom.score(spans[n]!, signal);
  speeds.push((sizes.calls / (performance.now() - fromMs)) * 1000);
}
report.rounds['custom_per_second'] = speeds;
report.add(
  'custom_per_second',
  'calls of a custom scorer per second, one after the other',
  median(speeds),
  '',
);
await custom.close();

console.log(logTable(report.figures, 'scorers'));
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
writeFileSync(
  new URL(`results/${isQuick ? 'partial' : 'scoring'}.json`, import.meta.url),
  report.toJson(sizes),
);
