// A log store in memory for tests of its readers.
import type { FeedPage, LogRecord, Subscription } from '../../src/telemetry/logs/logs.ts';

export const BLANK: LogRecord = {
  seq: 0,
  kind: 'line',
  timeNs: 1_700_000_000_000_000_000n,
  severity: 9,
  message: '',
  deployment: 'dep1',
  environment: 'production',
  replica: 'abc12',
  source: 'stdout',
  pod: 'pod1-0a1b2c3d',
  modelId: 'mdl1',
  requestId: '',
  traceId: '',
  spanId: '',
  parentSpanId: '',
  status: 0,
  durationNs: 0,
  attributes: '',
};

/** The wanted records by their sequence numbers. */
interface RecordFeed {
  read(afterSeq: number, limit: number): Promise<FeedPage>;
  onStored(listener: () => void): () => void;
}

export class Records {
  #records: LogRecord[] = [];
  #head = 0;
  readonly #listeners = new Set<() => void>();
  /** Thrown by every read, where it is set. */
  broken: Error | undefined;

  add(...given: Partial<LogRecord>[]): void {
    for (const some of given)
      this.#records.push({ ...BLANK, timeNs: BigInt(Date.now()) * 1_000_000n, ...some, seq: ++this.#head });
    for (const listener of this.#listeners) listener();
  }

  /** Lines `a0`, `a1`, … */
  lines(prefix: string, count: number): string[] {
    const lines = Array.from({ length: count }, (_, i) => `${prefix}${i}`);
    this.add(...lines.map((message) => ({ message })));
    return lines;
  }

  get head(): number {
    return this.#head;
  }

  /** Removes records with a lower sequence number. */
  expire(below: number): void {
    this.#records = this.#records.filter(({ seq }) => seq >= below);
  }

  /** A query is a word that the message must contain. The query `(` is malformed. */
  readonly open = (wanted: Subscription): RecordFeed | { readonly problem: string } =>
    wanted.query === '(' ? { problem: 'has a parenthesis that is not closed' } : this.#feed(wanted);

  #feed({ kinds, minSeverity, query }: Subscription): RecordFeed {
    return {
      read: async (afterSeq: number, limit: number): Promise<FeedPage> => {
        if (this.broken !== undefined) throw this.broken;
        const records: LogRecord[] = [];
        let lastSeq = Math.min(afterSeq, this.#head);
        for (const record of this.#records) {
          if (record.seq <= afterSeq) continue;
          if (records.length === limit) break;
          lastSeq = record.seq;
          const isWanted =
            kinds.includes(record.kind) && record.severity >= minSeverity && record.message.includes(query);
          if (isWanted) records.push(record);
        }
        return { records, lastSeq, headSeq: this.#head, oldestSeq: this.#records[0]?.seq ?? this.#head + 1 };
      },
      onStored: (listener: () => void) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }
}
