// A log store with the spans of an application, and queries of BTQL over it, without threads: for bench/btql.ts.
// Invariant: the records are those that the recorder makes of rows of spans. Figures are processor time of a query from its
// text to the JSON of its answer.
import { existsSync } from 'node:fs';
import { operations } from '../../src/telemetry/btql/btql-thread.ts';
import { parseQuery } from '../../src/telemetry/logs/query/parse.ts';
import { recordOfRow } from '../../src/telemetry/logs/rows/row-record.ts';
import { StoreReader } from '../../src/telemetry/logs/store/store-reader.ts';
import { StoreWriter } from '../../src/telemetry/logs/store/store-writer.ts';

const NOW_MS = Date.parse('2026-11-20T12:00:00Z');
/** Time between two spans, so that a million of them are two days. */
const STEP_MS = 172.8;
const MODELS = ['gpt-4o', 'gpt-4o-mini', 'o3', 'claude-sonnet', 'llama-3.1-8b', 'mistral-large'];
const REGIONS = ['eu-west-1', 'eu-north-1', 'us-east-1', 'us-west-2', 'ap-south-1'];
const FEATURES = Array.from({ length: 20 }, (_, i) => `feature-${i}`);
/** Spans that are stored in one transaction. */
const DRAIN = 100;
/** As in telemetry/logs/threads. */
const BUDGET_MS = 25;
const TRACE = { modelId: '', scheme: 'http', genAi: 'common' } as const;
const PROJECT = 'bench';

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
/** A number from 0 to below `most` that looks random, and is the same each time. */
function mixed(n: number, most: number): number {
  let x = Math.imul(n + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  return ((x ^ (x >>> 13)) >>> 0) % most;
}

/** The row of a span, as the SDK sends it, with ten fields of metadata. */
function rowOf(n: number, ms: number): Readonly<Record<string, unknown>> {
  const seconds = (200 + mixed(n, 5000)) / 1000;
  const startS = ms / 1000;
  return {
    root_span_id: hex(Math.floor(n / 4), 32),
    span_id: hex(n, 16),
    ...(n % 4 === 0 ? {} : { span_parents: [hex(n - (n % 4), 16)] }),
    created: new Date(ms).toISOString(),
    span_attributes: {
      name: n % 4 === 0 ? 'answer' : 'chat',
      type: n % 4 === 0 ? 'task' : 'llm',
      exec_counter: n,
    },
    context: { caller_functionname: 'answer', caller_filename: 'app.ts', caller_lineno: 10 },
    input: [{ role: 'user', content: `What is the capital of country ${n}? `.repeat(4) }],
    output: `The capital of country ${n} is a city of ${mixed(n, 9000)} people. `.repeat(3),
    metadata: {
      user_id: String(mixed(n, 10_000)),
      model: MODELS[mixed(n >> 2, MODELS.length)],
      session: hex(mixed(n >> 3, 2 ** 32), 12),
      region: REGIONS[mixed(n, REGIONS.length)],
      feature: FEATURES[mixed(n + 7, FEATURES.length)],
      environment: n % 10 === 0 ? 'staging' : 'production',
      prompt_version: mixed(n >> 12, 12),
      tier: ['free', 'pro', 'team'][mixed(n, 3)],
      temperature: mixed(n, 11) / 10,
      is_cached: n % 3 === 0,
    },
    scores: { Factuality: mixed(n, 101) / 100 },
    metrics: {
      start: startS,
      end: startS + seconds,
      prompt_tokens: 100 + mixed(n, 900),
      completion_tokens: 20 + mixed(n + 1, 300),
      tokens: 120 + mixed(n, 900) + mixed(n + 1, 300),
      time_to_first_token: seconds / 4,
    },
  };
}

/** Stores spans in a folder, unless it exists. The last ones are before NOW_MS. */
export function fillStore(folder: string, spans: number): void {
  if (existsSync(folder)) return;
  let nowMs = 0;
  const fail = (what: string): never => {
    throw new Error(what);
  };
  const writer = new StoreWriter(
    { folder, maxBytes: 2 ** 40, retentionMs: 2 ** 40 },
    (level, event, fields) => level === 'error' && fail(`${event} ${JSON.stringify(fields)}`),
    { now: () => nowMs, steady: () => nowMs },
  );
  const problem = writer.open();
  if (problem !== '') fail(problem);
  for (let n = 0; n < spans; n++) {
    const ms = Math.round(NOW_MS - (spans - n) * STEP_MS);
    nowMs = ms;
    const { record, attributes } = recordOfRow(
      { project: PROJECT, id: hex(n, 16), content: rowOf(n, ms), state: {} },
      0n,
    );
    if (writer.add({ ...record, attributes: JSON.stringify(attributes) }) === 0) fail('no room');
    if (n % DRAIN === DRAIN - 1 || n === spans - 1) if (writer.store().kind !== 'stored') fail('not stored');
  }
  writer.close();
}

const cpuMs = (before: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};

/** An answer, and the processor time that it took. */
export interface TimedAnswer {
  readonly body: string;
  readonly ms: number;
}

export class SpanStore {
  readonly #reader: StoreReader;
  readonly #thread: ReturnType<typeof operations>;

  constructor(folder: string) {
    const damaged = (path: string): never => {
      throw new Error(`${path} is damaged`);
    };
    this.#reader = new StoreReader(folder, { damaged, damagedPage: damaged }, BUDGET_MS);
    this.#thread = operations((...asked) => this.#reader.after(...asked), this.#reader);
  }

  /** Runs a query of BTQL. */
  ask(query: string): TimedAnswer {
    const before = process.cpuUsage();
    const opened = this.#thread.open({
      query,
      cursor: undefined,
      format: 'json',
      isKept: false,
      clock: { nowMs: NOW_MS, westMs: 0 },
    });
    if ('problem' in opened) throw new Error(opened.problem);
    const limits = { timeMs: 60_000, reads: 1e9, memoryBytes: 2 ** 28 };
    this.#thread.start(opened.id, [{ id: PROJECT, orgId: 'o' }], TRACE, limits);
    for (;;) {
      const answer = this.#thread.step(opened.id, BUDGET_MS);
      if (answer) return { body: answer.body, ms: cpuMs(before) };
    }
  }

  /** Finds the newest records that match a query of the search. Returns how many. */
  search(text: string, limit: number): { readonly found: number; readonly ms: number } {
    const parsed = parseQuery(text);
    if ('problem' in parsed) throw new Error(parsed.problem);
    const before = process.cpuUsage();
    let found = 0;
    let after;
    do {
      const page = this.#reader.page({
        node: parsed.node,
        fromNs: 0n,
        toNs: 2n ** 62n,
        direction: 'down',
        after,
        limit: limit - found,
      });
      found += page.records.length;
      after = page.next;
    } while (after !== undefined && found < limit);
    return { found, ms: cpuMs(before) };
  }

  close(): void {
    this.#reader.close();
  }
}
