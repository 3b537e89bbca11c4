// Merges the metrics pages of the replicas into one text, in either format.
// Invariant: each family has one HELP and TYPE line, however many replicas have it. The sample lines were validated
// when the page was fetched (collectors/replica-metrics/exposition.ts).
import type { PageFamily } from '../../collectors/replica-metrics/replica-metrics.ts';

type Pages = readonly ReadonlyMap<string, PageFamily>[];

/** All families of all pages as text; empty if there are none. */
export function mergedPage(pages: Pages, isOpenMetrics: boolean): string {
  const parts = new Map<string, PageFamily[]>();
  for (const page of pages)
    for (const [name, family] of page) {
      const found = parts.get(name);
      if (found) found.push(family);
      else parts.set(name, [family]);
    }
  if (isOpenMetrics) return openPage(parts);
  let text = '';
  for (const [name, families] of parts) {
    const { type, help } = families[0]!;
    text += head(name, type, escaped(help));
    for (const family of families) text += family.text;
  }
  return text;
}

const escaped = (help: string): string => help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

/** The HELP and TYPE lines. A family without a help text has no HELP line. */
const head = (name: string, type: string, help: string): string =>
  `${help === '' ? '' : `# HELP ${name} ${help}\n`}# TYPE ${name} ${type}\n`;

/**
 * In OpenMetrics the samples of a counter end in `_total`, and its family is named without it. A counter without
 * `_total`, or whose family name is taken, is written as `unknown`, like an untyped family.
 */
function openPage(parts: ReadonlyMap<string, readonly PageFamily[]>): string {
  const taken = new Set<string>();
  for (const [family] of parts.values()) for (const claim of family!.claims) taken.add(claim);
  let text = '';
  for (const [name, families] of parts) {
    const { type, help } = families[0]!;
    const stem = name.replace(/_total$/, '');
    // A counter has two names: its own, and that of its creation time (OpenMetrics 1.0, Counter).
    const counted = [stem, `${stem}_created`];
    const isCounter =
      type === 'counter' && stem !== name && stem !== '' && !counted.some((claim) => taken.has(claim));
    if (isCounter) for (const claim of counted) taken.add(claim);
    const isUnknown = type === 'untyped' || (type === 'counter' && !isCounter);
    text += head(isCounter ? stem : name, isUnknown ? 'unknown' : type, escaped(help).replaceAll('"', '\\"'));
    // An unknown family has no exemplars.
    for (const family of families) text += isUnknown ? family.text : family.openMetrics;
  }
  return text;
}
