// Reads log lines in tests, at a fixed time.
import { StreamRecords } from '../../../../src/telemetry/logs/ingest/stream-records.ts';
import { attributesOf, type LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { Redactor } from '../../../../src/telemetry/logs/ingest/redact.ts';

/** 2026-11-20T17:00:00Z. */
export const NOW = 1_795_194_000_000_000_000n;

export const reader = (options: { redactor?: Redactor; maxLineBytes?: number; retentionMs?: number } = {}) =>
  new StreamRecords(
    {
      deployment: 'dep1',
      environment: 'production',
      replica: 'abc12',
      source: 'stderr',
      pod: 'p1',
      modelId: 'm1',
    },
    { maxLineBytes: 64 * 1024, redactor: new Redactor({ builtIn: true, custom: [] }), ...options },
  );

/** The records of a complete stream. */
export function recordsOf(text: string | Uint8Array, options?: Parameters<typeof reader>[0]): LogRecord[] {
  const lines = reader(options);
  const pushed = lines.push(Buffer.from(text as string), NOW);
  return [...pushed, ...lines.end()];
}

/** The only record of a line, with its attributes parsed. */
export function recordOf(line: string, options?: Parameters<typeof reader>[0]) {
  const records = recordsOf(`${line}\n`, options);
  if (records.length !== 1) throw new Error(`the line gives ${records.length} records, not one`);
  return { ...records[0]!, parsed: attributesOf(records[0]!) };
}
