// The door of the room: fetches the metrics page of every replica on a timer and keeps what is right in it.
// Must stay true: never two fetches of one replica at once, a replica that is gone is forgotten, what lies here is
// only read when weir's own page is made, and all pages together never say two things of one name.
import { setImmediate as turn } from 'node:timers/promises';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { readPage, type MetricsPage } from './exposition.ts';
import type { PageFamily } from './scraped-family.ts';
import type { MergeOptions } from './options.ts';
import { requestPage, type PageUrl } from './page-request.ts';
import type { SampleError } from './sample.ts';

export type { FamilyType, PageFamily } from './scraped-family.ts';

/** A replica whose page is wanted. */
export interface Scraped {
  /** Id of its deployment. */
  readonly deployment: string;
  readonly id: string;
  readonly url: PageUrl;
}

/** How the fetches of one replica went. */
export interface MergeReading {
  readonly deployment: string;
  readonly replica: string;
  /** The last fetch gave a page; `undefined` before the first has ended. */
  readonly isWell: boolean | undefined;
  /** Series of it in weir's page now. */
  readonly series: number;
  /** What was left out so far, by reason. */
  readonly faults: ReadonlyMap<SampleError, number>;
}

/** One replica: its last good page and what was wrong with it. */
class Source {
  scraped: Scraped;
  page: ReadonlyMap<string, PageFamily> = new Map();
  fetchedMs = -Infinity;
  isBusy = false;
  isWell: boolean | undefined;
  readonly faults = new Map<SampleError, number>();
  readonly fault = (why: SampleError): void => void this.faults.set(why, (this.faults.get(why) ?? 0) + 1);

  constructor(scraped: Scraped) {
    this.scraped = scraped;
  }
}

export class ReplicaMetrics {
  readonly name = 'scraper';
  readonly #options: MergeOptions;
  readonly #replicas: () => readonly Scraped[];
  readonly #log: Logger;
  readonly #isDropped: (name: string) => boolean;
  readonly #sources = new Map<string, Source>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** `replicas` tells whose pages are wanted now; it is asked before each round. */
  constructor(options: MergeOptions, replicas: () => readonly Scraped[], log: Logger) {
    this.#options = options;
    this.#replicas = replicas;
    this.#log = log;
    this.#isDropped = matcher(options.drop);
  }

  /** Begins to fetch, in the background; nothing where no path is set. */
  start(): void {
    if (this.#options.path === '') return;
    this.#fetchAll();
    this.#timer = setInterval(() => this.#fetchAll(), this.#options.interval).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stopping.abort();
  }

  /** The families of all replicas whose page is recent enough, one map for each. */
  pages(): ReadonlyMap<string, PageFamily>[] {
    return this.#fresh().map(({ page }) => page);
  }

  /** How it went with each replica. */
  readings(): MergeReading[] {
    const fresh = new Set(this.#fresh());
    return Array.from(this.#sources.values(), (source) => ({
      deployment: source.scraped.deployment,
      replica: source.scraped.id,
      isWell: source.isWell,
      series: fresh.has(source) ? seriesOf(source.page) : 0,
      faults: source.faults,
    }));
  }

  #fresh(): Source[] {
    const oldest = performance.now() - this.#options.max_age;
    return [...this.#sources.values()].filter(({ fetchedMs }) => fetchedMs >= oldest);
  }

  #fetchAll(): void {
    const replicas = new Map(this.#replicas().map((one) => [`${one.deployment}\n${one.id}`, one]));
    for (const key of this.#sources.keys()) if (!replicas.has(key)) this.#sources.delete(key);
    for (const [key, scraped] of replicas) {
      let source = this.#sources.get(key);
      if (source === undefined) this.#sources.set(key, (source = new Source(scraped)));
      source.scraped = scraped;
      if (!source.isBusy) void this.#fetch(source);
    }
  }

  async #fetch(source: Source): Promise<void> {
    source.isBusy = true;
    const result = await this.#pageOf(source).catch((error: unknown): SampleError => {
      this.#log.error('metrics page could not be read', { error: describe(error) });
      return 'internal';
    });
    source.isBusy = false;
    if (this.#stopping.signal.aborted) return;
    const isWell = typeof result !== 'string';
    if (isWell) {
      source.page = this.#withoutConflicts(source, result);
      source.fetchedMs = performance.now();
    } else source.fault(result);
    if (isWell !== source.isWell) this.#say(source, isWell ? undefined : result);
    source.isWell = isWell;
  }

  async #pageOf({ scraped, fault }: Source): Promise<MetricsPage | SampleError> {
    const { path, timeout, max_bytes, max_series } = this.#options;
    const limits = { path, timeoutMs: timeout, maxBytes: max_bytes };
    const raw = await requestPage(scraped.url, limits, this.#stopping.signal);
    if (typeof raw === 'string') return raw;
    const reading = readPage(
      raw.text,
      {
        isOpenMetrics: raw.isOpenMetrics,
        isLossy: raw.isLossy,
        maxSeries: max_series,
        extra: [
          ['deployment_id', scraped.deployment],
          ['replica', scraped.id],
        ],
        isDropped: this.#isDropped,
      },
      fault,
    );
    for (;;) {
      const { done, value } = reading.next();
      if (done) return value;
      // Between two pieces requests go on.
      await turn();
    }
  }

  /** Of two replicas that say different things of one name, the one that said it first is believed. */
  #withoutConflicts(source: Source, { families }: MetricsPage): ReadonlyMap<string, PageFamily> {
    const others = this.#fresh().filter((other) => other !== source);
    if (others.length === 0) return families;
    const owners = new Map<string, PageFamily>();
    for (const { page } of others)
      for (const family of page.values()) for (const name of family.claims) owners.set(name, family);
    return new Map(
      [...families].filter(([name, family]) => {
        const fits = family.claims.every((claim) => {
          const owner = owners.get(claim);
          return owner === undefined || (owner.name === name && owner.type === family.type);
        });
        if (!fits) source.fault('name_conflict');
        return fits;
      }),
    );
  }

  #say({ scraped }: Source, problem: SampleError | undefined): void {
    const who = { deployment: scraped.deployment, replica: scraped.id };
    if (problem === undefined) this.#log.info('metrics page is merged', who);
    else this.#log.warn('metrics page cannot be merged', { ...who, problem });
  }
}

const seriesOf = (page: ReadonlyMap<string, PageFamily>): number => {
  let series = 0;
  for (const family of page.values()) series += family.series;
  return series;
};

/** `a_*, b` → whether a name is one of these. */
function matcher(pattern: string): (name: string) => boolean {
  const names = pattern.split(',').map((name) => name.trim());
  const whole = new Set(names.filter((name) => !name.endsWith('*')));
  const beginnings = names.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
  return (name) => whole.has(name) || beginnings.some((beginning) => name.startsWith(beginning));
}
