// Scoring over a real log store, with scorers of the test: what the scoring thread does runs in this process.
// Invariant: every store that was opened is closed by `closeScoredStores` after a test.
import { Logger, type LineSink } from '../../src/core/logger.ts';
import {
  Logs,
  RecorderClient,
  rowOf,
  type LogReader,
  type LogRecord,
} from '../../src/telemetry/logs/logs.ts';
import { StoreReader } from '../../src/telemetry/logs/store/store-reader.ts';
import { parseRule, Scoring, type RuleState } from '../../src/telemetry/scoring/scoring.ts';
import type { ScoringPace } from '../../src/telemetry/scoring/rule-health.ts';
import type { ScorerInput, ScorerResult } from '../../src/telemetry/scoring/scorer.ts';
import { scoringOperations } from '../../src/telemetry/scoring/scoring-operations.ts';
import { configOf } from './deployment.ts';
import { folder } from './folder.ts';
import { line, node } from './own-store.ts';
import { until } from './until.ts';

/** What a scorer of a test does, by the name of the built-in scorer in whose place it is. */
export type TestScorers = Readonly<
  Record<string, (input: ScorerInput, signal: AbortSignal) => ScorerResult | Promise<ScorerResult>>
>;

const QUICK_PACE: ScoringPace = {
  idleMs: 5,
  firstRetryMs: 5,
  lastRetryMs: 20,
  tries: 3,
  givenUp: 2,
  failures: 4,
  firstPauseMs: 40,
  lastPauseMs: 80,
};

export const scored = (score: number | null, name = 'S'): ScorerResult => ({
  kind: 'scored',
  scores: [{ name, score }],
});
export const failed = (reason: string, isTemporary: boolean): ScorerResult => ({
  kind: 'failed',
  reason,
  isTemporary,
});

const open = new Set<ScoredStore>();

export async function closeScoredStores(): Promise<void> {
  await Promise.all(Array.from(open, (one) => one.close()));
}

export interface ScoredStoreOptions {
  readonly path?: string;
  readonly pace?: Partial<ScoringPace>;
  readonly args?: string[];
  /** The store behaves as if the records up to this one were deleted. */
  readonly deletedUpTo?: number;
  /** Replaces functions of the log store that scoring gets. */
  readonly wrap?: (logs: Logs) => Partial<Pick<Logs, 'post' | 'postRows'>>;
}

export class ScoredStore {
  readonly logs: Logs;
  readonly scoring: Scoring;
  readonly logLines: string[] = [];
  readonly path: string;
  readonly #deletedUpTo: number;
  constructor(
    scorers: TestScorers,
    { path = folder(), pace = {}, args = [], wrap = () => ({}), deletedUpTo = 0 }: ScoredStoreOptions = {},
  ) {
    this.path = path;
    this.#deletedUpTo = deletedUpTo;
    const sink = {
      write: (line: string) => void this.logLines.push(line),
      flush: () => undefined,
      dropped: () => 0,
    } as unknown as LineSink;
    const log = new Logger(sink, { level: 'debug', isText: false });
    this.logs = new Logs(
      {
        folder: `${path}/logs`,
        maxBytes: 2 ** 30,
        own: () => ({ pod: 'pod1', modelId: 'm' }),
        retentionMs: 366 * 86_400_000,
        maxLineBytes: 65_536,
        redactsCommonSecrets: true,
        redactPatterns: [],
        maxBodyBytes: 262_144,
        files: [],
        fileOrigin: { deployment: '', environment: '', replica: '' },
      },
      new RecorderClient({ fd: -1, isText: false }),
      log,
    );
    const { logs } = this;
    this.scoring = new Scoring(
      configOf(args).scoring,
      {
        folder: path,
        key: '',
        log,
        priceOf: () => undefined,
        forbiddenPorts: () => [],
        logs: {
          onStored: (listener) => logs.onStored(listener),
          openReader: () => this.#reader(scorers),
          post: (records) => logs.post(records),
          postRows: (rows) => logs.postRows(rows),
          ...wrap(logs),
        },
      },
      { ...QUICK_PACE, ...pace },
    );
    open.add(this);
  }

  #store(): StoreReader {
    return new StoreReader(`${this.path}/logs`, { damaged: () => undefined }, 25);
  }

  #reader(scorers: TestScorers): LogReader {
    const store = this.#store();
    const operations = scoringOperations(
      (asked, seq, limit) => {
        const page = store.after(asked, Math.max(seq, this.#deletedUpTo), limit);
        return { ...page, oldestSeq: Math.max(page.oldestSeq, this.#deletedUpTo + 1) };
      },
      store,
      {
        facts: { forbiddenPorts: [], prices: new Map() },
        problem: () => Promise.resolve(''),
        open: ({ config }) =>
          config.scorers.map((definition) => {
            const name = definition.type === 'global' ? definition.name : definition.id;
            return { definition, scorer: { name, score: scorers[name]!, close: () => Promise.resolve() } };
          }),
      },
    ) as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
    return {
      run: async (operation, ...args) => operations[operation]!(...args),
      async close() {
        await Promise.resolve();
        store.close();
      },
    };
  }

  /** Makes a rule over the project `p`, or over requests, with these scorers. */
  async rule(scorers: readonly string[], source: 'spans' | 'requests' = 'spans'): Promise<string> {
    const content = parseRule({
      name: `${source} ${scorers.join()}`,
      config: {
        online: {
          source,
          sampling_rate: 1,
          scorers: scorers.map((one) => ({ type: 'global', name: one })),
        },
      },
    });
    if ('problems' in content) throw new Error(content.problems.join('; '));
    const made = await this.scoring.put('p', content, false);
    if ('refused' in made) throw new Error(made.message);
    return made.id;
  }

  /** Stores ended spans. */
  async spans(ids: readonly string[], more: object = {}): Promise<void> {
    const rows = ids.map((id) => ({
      id,
      project_id: 'p',
      span_id: `span-${id}`,
      root_span_id: `root-${id}`,
      output: id,
      ...more,
    }));
    const stored = await this.logs.postRows({ bytes: Buffer.from(JSON.stringify({ rows })) });
    if (!('ids' in stored)) throw new Error(JSON.stringify(stored));
  }

  /** Stores requests with bodies. */
  async requests(ids: readonly string[]): Promise<void> {
    const records = ids.map((requestId) => line('POST /v1/completions 200', { kind: 'request', requestId }));
    const body = Buffer.from(JSON.stringify({ choices: [{ text: 'a' }] }));
    const stored = await this.logs.post(
      records,
      records.map(() => ({ request: body, response: body })),
    );
    if (!('stored' in stored)) throw new Error(stored.problem);
  }

  state(id: string): RuleState {
    return this.scoring.state(id)!;
  }

  /** Waits until the state of a rule meets a condition. */
  until(what: string, id: string, condition: (state: RuleState) => boolean): Promise<RuleState> {
    return until(what, () => {
      const state = this.state(id);
      return condition(state) && state;
    });
  }

  /** The records that match a query, by when they were stored. */
  records(query: string): LogRecord[] {
    const store = this.#store();
    try {
      const records: LogRecord[] = [];
      for (let seq = 0; ;) {
        const page = store.after(node(query), seq, 1000);
        records.push(...page.records);
        if (page.lastSeq >= page.headSeq) return records;
        seq = page.lastSeq;
      }
    } finally {
      store.close();
    }
  }

  /** The stored rows. */
  rows(): Record<string, unknown>[] {
    return this.records('kind:span').map((record) => rowOf(record)!);
  }

  /** The spans of scorers. */
  children(): Record<string, unknown>[] {
    return this.rows().filter(
      ({ span_attributes: attributes }) => (attributes as { type?: string } | undefined)?.type === 'score',
    );
  }

  /** `ms`: time for batches that run. */
  async close(ms = 5000): Promise<void> {
    if (!open.delete(this)) return;
    await this.scoring.stop(performance.now() + ms);
    await this.logs.stop(performance.now() + 5000);
  }
}

/** Opens a store and starts scoring. */
export async function openScoredStore(
  scorers: TestScorers,
  options: ScoredStoreOptions = {},
): Promise<ScoredStore> {
  const store = new ScoredStore(scorers, options);
  await store.scoring.start();
  return store;
}
