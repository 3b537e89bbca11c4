// The replicas' own families behind ours, in either format.
// Must stay true: each family has one head, whatever number of replicas have it, and the page stays valid: their lines
// were checked when they were fetched (scraper/exposition.ts), here they are only put together.
import type { PageFamily } from '../scraper/scraper.ts';

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
  let text = '';
  for (const [name, families] of parts) {
    text += isOpenMetrics ? openHead(families[0]!, (other) => parts.has(other)) : head(name, families[0]!);
    for (const family of families) text += isOpenMetrics ? family.openMetrics : family.text;
  }
  return text;
}

const escaped = (help: string): string => help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

/** A family that says nothing of itself has no line for that. */
const lines = (name: string, type: string, help: string): string =>
  `${help === '' ? '' : `# HELP ${name} ${help}\n`}# TYPE ${name} ${type}\n`;

const head = (name: string, { type, help }: PageFamily): string => lines(name, type, escaped(help));

/** OpenMetrics names a counter without its `_total` and knows no other; what cannot be told so is `unknown` there. */
function openHead({ name, type, help }: PageFamily, isTaken: (name: string) => boolean): string {
  const stem = name.replace(/_total$/, '');
  const isCounter = type === 'counter' && stem !== name && stem !== '' && !isTaken(stem);
  const kind = type === 'untyped' || (type === 'counter' && !isCounter) ? 'unknown' : type;
  return lines(isCounter ? stem : name, kind, escaped(help).replaceAll('"', '\\"'));
}
