// Parses the metrics page of a replica into valid families, ready to be printed in both formats.
// Invariant: the name of a series is the same in both formats, everything that is not valid is left out and counted,
// and parsing yields often, so that it does not block the data plane.
// Formats: Prometheus text 0.0.4, OpenMetrics 1.0. Ignored without an error: timestamps, `_created`, `# UNIT`.
import { FamilyBuilder, type FamilyType, type PageFamily } from './scraped-family.ts';
import { readSample, type SampleError, type LabelPair, type SampleLine } from './sample.ts';

export interface MetricsPageOptions {
  readonly isOpenMetrics: boolean;
  /** The text has U+FFFD in place of invalid UTF-8. Lines with it are left out. */
  readonly isLossy: boolean;
  readonly maxSeries: number;
  /**
   * Labels that are added to every series. A label of the page with the same name becomes `exported_…`, as in
   * Prometheus.
   */
  readonly extra: readonly LabelPair[];
  /** True for families and series that are not wanted. */
  readonly isDropped: (name: string) => boolean;
}

/** The families of one page, by name. */
export interface MetricsPage {
  readonly families: ReadonlyMap<string, PageFamily>;
}

const LINES_PER_PAUSE = 500;
/** Longer lines are left out. */
const MAX_LINE_CHARACTERS = 65_536;
/** Prefixes of weir's own families. A page must not use them. */
const RESERVED = /^(?:baseten|weir)_/;
const METADATA = /^#[ \t]+(HELP|TYPE|UNIT)[ \t]+([a-zA-Z_:][a-zA-Z0-9_:]*)(?:[ \t]+(.*))?$/s;

/** Declared type → suffix of a sample name → type of its family. Other suffixes do not belong to the declared name. */
const SUFFIXES: Record<string, Record<string, FamilyType | 'left out'>> = {
  counter: { '': 'counter', _total: 'counter', _created: 'left out' },
  gauge: { '': 'gauge' },
  histogram: { _bucket: 'histogram', _count: 'histogram', _sum: 'histogram', _created: 'left out' },
  summary: { '': 'summary', _count: 'summary', _sum: 'summary', _created: 'left out' },
  untyped: { '': 'untyped' },
  unknown: { '': 'untyped' },
  // Types that only OpenMetrics has, with their type in the text format.
  info: { '': 'gauge', _info: 'gauge' },
  stateset: { '': 'gauge' },
  gaugehistogram: { '': 'untyped', _bucket: 'untyped', _gcount: 'untyped', _gsum: 'untyped' },
};

/**
 * Parses a page, yielding every LINES_PER_PAUSE lines. `report` is called for each part that is left out. Returns the
 * page, or why the whole page is left out.
 */
export function* readPage(
  text: string,
  options: MetricsPageOptions,
  report: (error: SampleError) => void,
): Generator<void, MetricsPage | SampleError> {
  const reader = new PageReader(options, report);
  let lines = 0;
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf('\n', at);
    const end = newline === -1 ? text.length : newline;
    // The last line of a text page ends with a newline. Without it, the line may be cut off.
    if (newline === -1 && !options.isOpenMetrics) report('truncated');
    else if (end - at > MAX_LINE_CHARACTERS) report('bad_line');
    else reader.line(text.slice(at, end));
    at = end + 1;
    if (++lines % LINES_PER_PAUSE === 0) yield;
  }
  // Without its end mark the page may be cut off, so all of it is left out.
  if (options.isOpenMetrics && !reader.hasEnded) return 'truncated';
  return { families: yield* reader.finish() };
}

class PageReader {
  hasEnded = false;
  readonly #options: MetricsPageOptions;
  readonly #report: (error: SampleError) => void;
  readonly #extraNames: ReadonlySet<string>;
  readonly #types = new Map<string, string>();
  readonly #helps = new Map<string, string>();
  readonly #families = new Map<string, FamilyBuilder>();
  readonly #seen = new Set<string>();

  constructor(options: MetricsPageOptions, report: (error: SampleError) => void) {
    this.#options = options;
    this.#report = report;
    this.#extraNames = new Set(options.extra.map(([name]) => name));
  }

  line(line: string): void {
    if (line === '' || /^[ \t]+$/.test(line)) return;
    if (this.hasEnded || line.includes('\0')) return this.#report('bad_line');
    if (this.#options.isLossy && line.includes('\uFFFD')) return this.#report('bad_utf8');
    if (line[0] === '#') return this.#comment(line);
    const sample = readSample(line);
    if (typeof sample === 'string') return this.#report(sample);
    const error = this.#add(sample);
    if (error !== undefined) this.#report(error);
    if (sample.hasBadExemplar) this.#report('bad_exemplar');
  }

  /** The valid families. Of two families with a series name in common, the first stays. */
  *finish(): Generator<void, Map<string, PageFamily>> {
    const families = new Map<string, PageFamily>();
    const taken = new Set<string>();
    let series = 0;
    for (const builder of this.#families.values()) {
      const family = builder.finish(this.#helpFor(builder), this.#report);
      if (family === undefined) continue;
      series += family.series;
      if (series >= LINES_PER_PAUSE) {
        series = 0;
        yield;
      }
      if (family.claims.some((name) => taken.has(name))) {
        this.#report('name_conflict');
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
    // The first declaration counts, and only before the samples of the family.
    const isLate = this.#families.has(name) || this.#types.has(name);
    if (isLate || !Object.hasOwn(SUFFIXES, type)) this.#report('bad_metadata');
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

  /** The family of a sample; `undefined` if the sample is ignored, an error if its type has no such sample. */
  #ownerOf(name: string): { name: string; type: FamilyType } | SampleError | undefined {
    // `foo_created` belongs to the counter `foo` or `foo_total`. In the text format it has a type of its own.
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
    // Histograms and summaries have several sample names; other families have the name of their samples.
    return { name: meaning === 'histogram' || meaning === 'summary' ? stem : name, type: meaning };
  }

  #withExtra(labels: readonly LabelPair[]): LabelPair[] {
    const names = new Set(labels.map(([name]) => name));
    const renamed = labels.map(([name, value]): LabelPair => {
      let newName = name;
      while (this.#extraNames.has(newName) || (newName !== name && names.has(newName)))
        newName = `exported_${newName}`;
      return [newName, value];
    });
    return [...this.#options.extra, ...renamed];
  }

  #helpFor({ name, type }: FamilyBuilder): string {
    const own = this.#helps.get(name);
    // OpenMetrics declares a counter without `_total`, and an info without `_info`.
    const isDeclared =
      own !== undefined || this.#types.has(name) || type === 'histogram' || type === 'summary';
    return isDeclared ? (own ?? '') : (this.#helps.get(name.replace(/_(?:total|info)$/, '')) ?? '');
  }
}
