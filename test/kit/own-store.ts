// The writer and the reader of the log store on real files, without their threads, with a clock of the test.
// Invariant: `closeStores` closes every store that is open.
import { parseQuery } from '../../src/telemetry/logs/query/parse.ts';
import type { QueryNode } from '../../src/telemetry/logs/query/query-node.ts';
import type { LogRecord } from '../../src/telemetry/logs/log-record.ts';
import type { WriterOptions } from '../../src/telemetry/logs/store/day-files.ts';
import type { PagePosition } from '../../src/telemetry/logs/store/page-position.ts';
import { StoreReader, type PageQuery } from '../../src/telemetry/logs/store/store-reader.ts';
import { StoreWriter } from '../../src/telemetry/logs/store/store-writer.ts';
import { folder } from './folder.ts';

export const DAY_MS = 86_400_000;
export const NOON = Date.parse('2026-11-20T12:00:00Z');
export const MAX_NS = 2n ** 62n;

export const line = (message: string, more: Partial<LogRecord> = {}): LogRecord => ({
  seq: 0,
  kind: 'line',
  timeNs: BigInt(NOON) * 1_000_000n,
  severity: 9,
  message,
  requestId: '',
  traceId: '',
  spanId: '',
  parentSpanId: '',
  deployment: 'dep1',
  environment: 'production',
  replica: 'abc12',
  source: 'stdout',
  pod: '',
  modelId: '',
  status: 0,
  durationNs: 0,
  attributes: '',
  ...more,
});

export const node = (text: string): QueryNode => {
  const parsed = parseQuery(text);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.node;
};

const open = new Set<OwnStore>();

/** Closes the stores of a test. */
export function closeStores(): void {
  for (const store of open) store.close();
}

export class OwnStore {
  readonly path: string;
  /** What the writer logged. */
  readonly logged: string[] = [];
  /** Time of both clocks. */
  nowMs = NOON;
  /** By how much the system's clock was set: positive, forward. */
  stepMs = 0;
  writer!: StoreWriter;
  reader!: StoreReader;
  readonly #options: Partial<WriterOptions>;

  constructor(path = folder(), options: Partial<WriterOptions> = {}, budgetMs = 1000) {
    this.path = path;
    this.#options = options;
    this.open(budgetMs);
  }

  open(budgetMs = 1000): void {
    const options = { folder: this.path, maxBytes: 2 ** 30, retentionMs: 7 * DAY_MS, ...this.#options };
    this.writer = new StoreWriter(
      options,
      (_, event, fields) => this.logged.push(`${event} ${JSON.stringify(fields)}`),
      { now: () => this.nowMs + this.stepMs, steady: () => this.nowMs },
    );
    const problem = this.writer.open();
    if (problem !== '') throw new Error(problem);
    this.reader = new StoreReader(
      this.path,
      {
        damaged: (path, why) => this.writer.damaged(path, why),
        damagedPage: (path, place, why) => this.writer.setAside(path, place, why),
      },
      budgetMs,
    );
    open.add(this);
  }

  /** Stores records in one transaction. */
  add(...records: LogRecord[]): void {
    for (const record of records) if (this.writer.add(record) === 0) throw new Error('no room');
    const { kind } = this.writer.store();
    if (kind !== 'stored') throw new Error(kind);
    this.writer.applyLimits();
  }

  /** Reads all pages of a query. */
  all(text: string, more: Partial<PageQuery> = {}): LogRecord[] {
    const out: LogRecord[] = [];
    let after: PagePosition | undefined;
    for (let pages = 0; pages < 10_000; pages++) {
      const page = this.reader.page({
        node: node(text),
        fromNs: 0n,
        toNs: MAX_NS,
        direction: 'down',
        limit: 100,
        ...more,
        after,
      });
      out.push(...page.records);
      if (page.next === undefined) return out;
      after = page.next;
    }
    throw new Error('there are more than 10,000 pages');
  }

  /** Reads all records that match a query, by sequence number. */
  inOrder(text = ''): LogRecord[] {
    const out: LogRecord[] = [];
    for (let seq = 0; ;) {
      const { records, lastSeq, headSeq } = this.reader.after(node(text), seq, 10_000);
      for (const record of records) out.push(record);
      if (lastSeq >= headSeq) return out;
      seq = lastSeq;
    }
  }

  messages(text: string, more: Partial<PageQuery> = {}): string[] {
    return this.all(text, more).map(({ message }) => message);
  }

  close(): void {
    this.reader.close();
    this.writer.close();
    open.delete(this);
  }
}
