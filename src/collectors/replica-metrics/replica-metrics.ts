// Replica metrics: fetches the metrics page of each replica on a timer and keeps its valid families.
// Invariant: at most one fetch per replica at a time, a removed replica's page is dropped, and all pages agree on the
// type of each name.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { wildcard } from '../../core/wildcard.ts';
import { readPage, type MetricsPage } from './exposition.ts';
import type { PageFamily } from './scraped-family.ts';
import type { ReplicaMetricsOptions } from './options.ts';
import { requestPage, type PageUrl } from './page-request.ts';
import type { SampleError } from './sample.ts';

export type { PageFamily } from './scraped-family.ts';

/** A replica whose page is fetched. */
export interface ScrapedReplica {
  /** Id of its deployment. */
  readonly deployment: string;
  readonly id: string;
  readonly url: PageUrl;
}

/** State of the fetches of one replica. */
export interface ReplicaMetricsReading {
  readonly deployment: string;
  readonly replica: string;
  /** The last fetch succeeded; `undefined` before the first one has ended. */
  readonly isSuccess: boolean | undefined;
  /** Series of the replica that are on weir's page now. */
  readonly series: number;
  /** Parts that were left out so far, by reason. */
  readonly errors: ReadonlyMap<SampleError, number>;
}

/** One replica with its last valid page. */
class PageSource {
  replica: ScrapedReplica;
  page: ReadonlyMap<string, PageFamily> = new Map();
  fetchedMs = -Infinity;
  isBusy = false;
  isSuccess: boolean | undefined;
  readonly errors = new Map<SampleError, number>();
  readonly report = (error: SampleError): void =>
    void this.errors.set(error, (this.errors.get(error) ?? 0) + 1);

  constructor(replica: ScrapedReplica) {
    this.replica = replica;
  }
}

export class ReplicaMetrics {
  readonly name = 'replica metrics';
  readonly #options: ReplicaMetricsOptions;
  readonly #replicas: () => readonly ScrapedReplica[];
  readonly #log: Logger;
  readonly #isDropped: (name: string) => boolean;
  readonly #sources = new Map<string, PageSource>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** `replicas` returns the replicas whose pages are fetched. It is called before each round. */
  constructor(options: ReplicaMetricsOptions, replicas: () => readonly ScrapedReplica[], log: Logger) {
    this.#options = options;
    this.#replicas = replicas;
    this.#log = log;
    this.#isDropped = matcher(options.drop);
  }

  /** Starts to fetch in the background, if a path is set. */
  start(): void {
    if (this.#options.path === '') return;
    this.#fetchAll();
    this.#timer = setInterval(() => this.#fetchAll(), this.#options.interval).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stopping.abort();
  }

  /** The families of each replica whose page is recent enough. */
  pages(): ReadonlyMap<string, PageFamily>[] {
    return this.#fresh().map(({ page }) => page);
  }

  /** State of each replica. */
  readings(): ReplicaMetricsReading[] {
    const fresh = new Set(this.#fresh());
    return Array.from(this.#sources.values(), (source) => ({
      deployment: source.replica.deployment,
      replica: source.replica.id,
      isSuccess: source.isSuccess,
      series: fresh.has(source) ? seriesOf(source.page) : 0,
      errors: source.errors,
    }));
  }

  #fresh(): PageSource[] {
    const oldest = performance.now() - this.#options.max_age;
    return [...this.#sources.values()].filter(({ fetchedMs }) => fetchedMs >= oldest);
  }

  #fetchAll(): void {
    const replicas = new Map(this.#replicas().map((one) => [`${one.deployment}\n${one.id}`, one]));
    for (const key of this.#sources.keys()) if (!replicas.has(key)) this.#sources.delete(key);
    for (const [key, replica] of replicas) {
      let source = this.#sources.get(key);
      if (source === undefined) this.#sources.set(key, (source = new PageSource(replica)));
      source.replica = replica;
      if (!source.isBusy) void this.#fetch(source);
    }
  }

  async #fetch(source: PageSource): Promise<void> {
    source.isBusy = true;
    const result = await this.#pageOf(source).catch((error: unknown): SampleError => {
      this.#log.error('reading a metrics page failed', { error: describe(error) });
      return 'internal';
    });
    source.isBusy = false;
    if (this.#stopping.signal.aborted) return;
    const isSuccess = typeof result !== 'string';
    if (isSuccess) {
      source.page = this.#withoutConflicts(source, result);
      source.fetchedMs = performance.now();
    } else source.report(result);
    if (isSuccess !== source.isSuccess) this.#logChange(source, isSuccess ? undefined : result);
    source.isSuccess = isSuccess;
  }

  async #pageOf({ replica, report }: PageSource): Promise<MetricsPage | SampleError> {
    const { path, timeout, max_bytes, max_series } = this.#options;
    const limits = { path, timeoutMs: timeout, maxBytes: max_bytes };
    const raw = await requestPage(replica.url, limits, this.#stopping.signal);
    if (typeof raw === 'string') return raw;
    const reading = readPage(
      raw.text,
      {
        isOpenMetrics: raw.isOpenMetrics,
        isLossy: raw.isLossy,
        maxSeries: max_series,
        extra: [
          ['deployment_id', replica.deployment],
          ['replica', replica.id],
        ],
        isDropped: this.#isDropped,
      },
      report,
    );
    for (;;) {
      const { done, value } = reading.next();
      if (done) return value;
      // Lets the event loop handle requests between two parts.
      await nextTurn();
    }
  }

  /** Removes families whose type differs from an earlier page of another replica. */
  #withoutConflicts(source: PageSource, { families }: MetricsPage): ReadonlyMap<string, PageFamily> {
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
        if (!fits) source.report('name_conflict');
        return fits;
      }),
    );
  }

  #logChange({ replica }: PageSource, problem: SampleError | undefined): void {
    const fields = { deployment: replica.deployment, replica: replica.id };
    if (problem === undefined) this.#log.info('merging metrics page of replica', fields);
    else this.#log.warn('cannot merge metrics page of replica', { ...fields, problem });
  }
}

const seriesOf = (page: ReadonlyMap<string, PageFamily>): number => {
  let series = 0;
  for (const family of page.values()) series += family.series;
  return series;
};

/** Returns a function that matches names against a list such as `a_*, b`. */
function matcher(list: string): (name: string) => boolean {
  const patterns = list.split(',').map((pattern) => wildcard(pattern.trim()));
  return (name) => patterns.some((fits) => fits(name));
}
