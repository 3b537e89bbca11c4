// A log store on real files without threads, as the engine of export jobs sees it, and jobs on it.
// Invariant: the reader of a job gives at most `rowsPerScan` rows at a time, so that a job takes many steps.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Logger } from '../../../src/core/logger.ts';
import { fileOperations } from '../../../src/telemetry/exports/export-operations.ts';
import {
  Exports,
  type ExportedLogs,
  type ExportFile,
  type ExportJob,
  type ExportQuery,
  type ExportRefusal,
} from '../../../src/telemetry/exports/exports.ts';
import type { ExportJobsOptions } from '../../../src/telemetry/exports/options.ts';
import type { LogRecord, ReadStore } from '../../../src/telemetry/logs/logs.ts';
import { MAX_NS, NOON, OwnStore } from '../../kit/own-store.ts';
import { folder } from '../../kit/folder.ts';
import { until } from '../../kit/until.ts';

const OPTIONS: ExportJobsOptions = {
  max_rows: 50_000,
  lifetime: 86_400_000,
  url_lifetime: 3_600_000,
  max_bytes: 2 ** 30,
  max_jobs: 10,
};

export const QUERY: ExportQuery = {
  node: { op: 'field', name: 'kind', compare: '=', value: 'request' },
  fromMs: 0,
  toMs: Number.MAX_SAFE_INTEGER,
  offset: 0,
  limit: 0,
  columns: [
    { key: 'id', field: 'id' },
    { key: 'created_at', field: 'created_at' },
  ],
  format: 'jsonl',
};

export const request = (requestId: string, more: Partial<LogRecord> = {}): LogRecord => ({
  seq: 0,
  kind: 'request',
  timeNs: BigInt(NOON) * 1_000_000n,
  severity: 9,
  message: 'POST /v1/chat/completions 200',
  requestId,
  traceId: '',
  spanId: '',
  parentSpanId: '',
  deployment: 'dep1',
  environment: 'production',
  replica: 'abc12',
  source: 'api',
  pod: '',
  modelId: '',
  status: 200,
  durationNs: 5_000_000,
  attributes: '',
  ...more,
});

export class ExportStore {
  readonly data = folder();
  readonly store: OwnStore;
  /** Lines of the log. */
  readonly logged: string[] = [];
  rowsPerScan = Infinity;
  /** Is called before each scan. */
  beforeScan: () => void = () => undefined;
  exports: Exports;

  constructor(options: Partial<ExportJobsOptions> = {}, store = new OwnStore()) {
    this.store = store;
    this.exports = this.#newExports(options);
  }

  /** As after a restart of the process. `isKilled`: without a stop. */
  async restart(options: Partial<ExportJobsOptions> = {}, isKilled = false): Promise<void> {
    if (!isKilled) await this.exports.stop(performance.now() + 5000);
    this.exports = this.#newExports(options);
    await this.exports.start();
  }

  /** Creates and starts a job. */
  async begun(query: Partial<ExportQuery> = {}): Promise<ExportJob> {
    const { id } = expectJob(
      await this.exports.create({ owner: 'me', asked: { n: Math.random() }, query: { ...QUERY, ...query } }),
    );
    return expectJob(await this.exports.begin(id));
  }

  ended(id: string): Promise<ExportJob> {
    return until('the export has ended', () => {
      const job = this.exports.get(id);
      return job && job.state !== 'in_progress' ? job : undefined;
    });
  }

  /** Runs a job to its end. */
  async done(query: Partial<ExportQuery> = {}): Promise<{ job: ExportJob; text: string }> {
    const job = await this.ended((await this.begun(query)).id);
    return { job, text: this.text(job.id) };
  }

  text(id: string): string {
    return readFileSync(expectFile(this.exports.file(id)).path, 'utf8');
  }

  #newExports(options: Partial<ExportJobsOptions>): Exports {
    const sink = {
      write: (line: string) => void this.logged.push(line),
      flush: () => undefined,
      dropped: () => 0,
    };
    const log = new Logger(sink, { level: 'info', isText: false });
    return new Exports({ ...OPTIONS, ...options }, join(this.data, 'exports'), this.#logs(), log, {
      stepMs: 0,
      checkpointMs: 0,
    });
  }

  #logs(): ExportedLogs {
    const { reader } = this.store;
    const slow: ReadStore = {
      bodies: (seq) => reader.bodies(seq),
      scan: (query, seq, add) => {
        this.beforeScan();
        let rows = 0;
        return reader.scan(query, seq, (...row) => add(...row) && ++rows < this.rowsPerScan);
      },
    };
    return {
      group: async (query) => {
        const step = reader.group(query, undefined, true);
        if (step === 'busy' || !('result' in step)) throw new Error('no result');
        return step.result;
      },
      journal: () => ({
        node: { op: 'all' },
        bounds: async () => reader.after({ op: 'all' }, Number(MAX_NS >> 10n), 1),
        run: () => Promise.reject(new Error('not used')),
        onStored: () => () => undefined,
      }),
      openReader: () => {
        const made = fileOperations(slow) as unknown as Record<
          string,
          (...args: readonly unknown[]) => unknown
        >;
        return {
          run: async (operation, ...args) => {
            // A thread answers later.
            await new Promise((resolve) => setImmediate(resolve));
            return made[operation]!(...args);
          },
          close: async () => void made['close']!(),
        };
      },
    };
  }
}

export function expectJob(result: ExportJob | ExportRefusal): ExportJob {
  if ('refused' in result) throw new Error(result.message);
  return result;
}

export function expectFile(result: ExportFile | ExportRefusal): ExportFile {
  if ('refused' in result) throw new Error(result.message);
  return result;
}
