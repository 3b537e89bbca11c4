// A metrics page of somebody else → the families in it that are right, each ready to be printed among ours.
// Must stay true: the name of a series never changes, whichever format it came in and goes out in; whatever is not
// certainly right is left out and counted; and reading pauses often, since requests are forwarded meanwhile.
// Formats: Prometheus text 0.0.4, OpenMetrics 1.0. Left out without being wrong: timestamps, `_created`, `# UNIT`.
import { FamilyBuilder, type FamilyType, type PageFamily } from './scraped-family.ts';
import { readSample, type SampleError, type LabelPair, type SampleLine } from './sample.ts';

export interface MetricsPageOptions {
  readonly isOpenMetrics: boolean;
  /** The text holds U+FFFD where bytes were no UTF-8: such lines are left out. */
  readonly isLossy: boolean;
  readonly maxSeries: number;
  /** Labels that every series gets. One of the page with such a name becomes `exported_…`, as in Prometheus. */
  readonly extra: readonly LabelPair[];
  /** Families that nobody wants. */
  readonly isDropped: (name: string) => boolean;
}

/** The families of one page, by name. */
export interface MetricsPage {
  readonly families: ReadonlyMap<string, PageFamily>;
}

const LINES_PER_PAUSE = 500;
/** No line of a sane page is longer. */
const MAX_LINE_CHARACTERS = 65_536;
/** Ours: a page that uses them could pass for us. */
const RESERVED = /^(?:baseten|weir)_/;
const METADATA = /^#[ \t]+(HELP|TYPE|UNIT)[ \t]+([a-zA-Z_:][a-zA-Z0-9_:]*)(?:[ \t]+(.*))?$/s;

/** A declared type → what it means for a sample whose name has this behind the declared one; missing: not of it. */
const SUFFIXES: Record<string, Record<string, FamilyType | 'left out'>> = {
  counter: { '': 'counter', _total: 'counter', _created: 'left out' },
  gauge: { '': 'gauge' },
  histogram: { _bucket: 'histogram', _count: 'histogram', _sum: 'histogram', _created: 'left out' },
  summary: { '': 'summary', _count: 'summary', _sum: 'summary', _created: 'left out' },
  untyped: { '': 'untyped' },
  unknown: { '': 'untyped' },
  // Types of OpenMetrics alone are told as what they are to a text page.
  info: { '': 'gauge', _info: 'gauge' },
  stateset: { '': 'gauge' },
  gaugehistogram: { '': 'untyped', _bucket: 'untyped', _gcount: 'untyped', _gsum: 'untyped' },
};

/**
 * Reads a page, pausing every few hundred lines. `fault` is called for each thing that is left out because it is
 * wrong. Returns the page, or why there is none at all.
 */
export function* readPage(
  text: string,
  options: MetricsPageOptions,
  fault: (why: SampleError) => void,
): Generator<void, MetricsPage | SampleError> {
  const reader = new PageReader(options, fault);
  let lines = 0;
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf('\n', at);
    const end = newline === -1 ? text.length : newline;
    // Every line of a whole text page ends: the rest of one that does not may be missing.
    if (newline === -1 && !options.isOpenMetrics) fault('truncated');
    else if (end - at > MAX_LINE_CHARACTERS) fault('bad_line');
    else reader.line(text.slice(at, end));
    at = end + 1;
    if (++lines % LINES_PER_PAUSE === 0) yield;
  }
  // A page that was cut off is not a page with fewer series: nobody knows what is missing.
  if (options.isOpenMetrics && !reader.hasEnded) return 'truncated';
  return { families: yield* reader.finish() };
}

class PageReader {
  hasEnded = false;
  readonly #options: MetricsPageOptions;
  readonly #fault: (why: SampleError) => void;
  readonly #extraNames: ReadonlySet<string>;
  readonly #types = new Map<string, string>();
  readonly #helps = new Map<string, string>();
  readonly #families = new Map<string, FamilyBuilder>();
  readonly #seen = new Set<string>();

  constructor(options: MetricsPageOptions, fault: (why: SampleError) => void) {
    this.#options = options;
    this.#fault = fault;
    this.#extraNames = new Set(options.extra.map(([name]) => name));
  }

  line(line: string): void {
    if (line === '' || /^[ \t]+$/.test(line)) return;
    if (this.hasEnded || line.includes('\0')) return this.#fault('bad_line');
    if (this.#options.isLossy && line.includes('\uFFFD')) return this.#fault('bad_utf8');
    if (line[0] === '#') return this.#comment(line);
    const sample = readSample(line);
    if (typeof sample === 'string') return this.#fault(sample);
    const why = this.#add(sample);
    if (why !== undefined) this.#fault(why);
    if (sample.hasBadExemplar) this.#fault('bad_exemplar');
  }

  /** The families that hold together. Of two that share the name of a series the first stays. */
  *finish(): Generator<void, Map<string, PageFamily>> {
    const families = new Map<string, PageFamily>();
    const taken = new Set<string>();
    let series = 0;
    for (const builder of this.#families.values()) {
      const family = builder.finish(this.#helpFor(builder), this.#fault);
      if (family === undefined) continue;
      series += family.series;
      if (series >= LINES_PER_PAUSE) {
        series = 0;
        yield;
      }
      if (family.claims.some((name) => taken.has(name))) {
        this.#fault('name_conflict');
        continue;
      }
      for (const name of family.claims) taken.add(name);
      families.set(family.name, family);
    }
    return families;
  }

  #comment(line: string): void {
    if (line === '# EOF') {
      this.hasEnded = this.#options.isOpenMetrics;
      return;
    }
    const [, keyword, name = '', rest = ''] = METADATA.exec(line) ?? [];
    if (keyword === 'HELP' && !this.#helps.has(name)) this.#helps.set(name, rest);
    if (keyword !== 'TYPE') return;
    const type = rest.trim();
    // The first word counts, and only before the samples that it is about.
    const isLate = this.#families.has(name) || this.#types.has(name);
    if (isLate || !Object.hasOwn(SUFFIXES, type)) this.#fault('bad_metadata');
    else this.#types.set(name, type);
  }

  #add(sample: SampleLine): SampleError | undefined {
    const owner = this.#ownerOf(sample.name);
    if (owner === undefined) return undefined;
    if (typeof owner === 'string') return owner;
    if (RESERVED.test(owner.name) || RESERVED.test(sample.name)) return 'reserved_name';
    if (this.#options.isDropped(owner.name) || this.#options.isDropped(sample.name)) return undefined;
    const labels = this.#withExtra(sample.labels);
    const key = `${sample.name}\n${labels
      .map(([name, value]) => `${name}\n${value}`)
      .sort()
      .join('\n\n')}`;
    if (this.#seen.has(key)) return 'duplicate_series';
    if (this.#seen.size >= this.#options.maxSeries) return 'too_many_series';
    let family = this.#families.get(owner.name);
    if (family === undefined) this.#families.set(owner.name, (family = new FamilyBuilder(owner)));
    else if (family.type !== owner.type) return 'name_conflict';
    this.#seen.add(key);
    return family.add(sample, labels);
  }

  /** The family that a sample is of; `undefined` for what is left out, a fault where its type has no such sample. */
  #ownerOf(name: string): { name: string; type: FamilyType } | SampleError | undefined {
    // `foo_created` stands beside `foo` or `foo_total`, in the text format with a type of its own.
    const counted = name.endsWith('_created') ? name.slice(0, -'_created'.length) : '';
    if (counted !== '' && this.#types.get(`${counted}_total`) === 'counter') return undefined;
    const cut = name.lastIndexOf('_');
    const stem = cut > 0 ? name.slice(0, cut) : '';
    const declared = this.#types.get(stem);
    const meaning = declared === undefined ? undefined : SUFFIXES[declared]![name.slice(cut)];
    if (meaning === 'left out') return undefined;
    const own = this.#types.get(name);
    if (own !== undefined) {
      const type = SUFFIXES[own]!['']; // A histogram has no sample of its own name.
      return type === undefined ? 'bad_histogram' : { name, type: type as FamilyType };
    }
    if (meaning === undefined) return { name, type: 'untyped' };
    // Histograms and summaries are one family of several names; the others are told by the name of their samples.
    return { name: meaning === 'histogram' || meaning === 'summary' ? stem : name, type: meaning };
  }

  #withExtra(labels: readonly LabelPair[]): LabelPair[] {
    const names = new Set(labels.map(([name]) => name));
    const renamed = labels.map(([name, value]): LabelPair => {
      let free = name;
      while (this.#extraNames.has(free) || (free !== name && names.has(free))) free = `exported_${free}`;
      return [free, value];
    });
    return [...this.#options.extra, ...renamed];
  }

  #helpFor({ name, type }: FamilyBuilder): string {
    const own = this.#helps.get(name);
    // OpenMetrics declares a counter without its _total, an info without its _info.
    const isOwnWord =
      own !== undefined || this.#types.has(name) || type === 'histogram' || type === 'summary';
    return isOwnWord ? (own ?? '') : (this.#helps.get(name.replace(/_(?:total|info)$/, '')) ?? '');
  }
}
