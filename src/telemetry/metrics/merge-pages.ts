// The replicas' own families behind ours, in either format.
// Must stay true: each family has one head, whatever number of replicas have it, and the page stays valid: their lines
// were checked when they were fetched (collectors/replica-metrics/exposition.ts), here they are only put together.
import type { PageFamily } from '../../collectors/replica-metrics/replica-metrics.ts';

type Pages = readonly ReadonlyMap<string, PageFamily>[];

/** All families of all pages as text; empty where there is none. */
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

/** A family that says nothing of itself has no line for that. */
const head = (name: string, type: string, help: string): string =>
  `${help === '' ? '' : `# HELP ${name} ${help}\n`}# TYPE ${name} ${type}\n`;

/**
 * In OpenMetrics every counter ends in `_total`, and its family has the name without it. A counter without `_total`, or
 * whose name without it belongs to another family, is `unknown` there, as an untyped family is.
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
