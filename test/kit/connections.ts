// Connections for tests: with their own folder and records, and with waits of milliseconds.
import { Logger, type LineSink } from '../../src/core/logger.ts';
import { read } from '../../src/core/read-settings.ts';
import {
  OtlpExport,
  type OtlpExportDeps,
  type ShownDestination,
} from '../../src/telemetry/otlp-export/otlp-export.ts';
import { exportOptions, type ExportOptions } from '../../src/telemetry/otlp-export/options.ts';
import type { ProjectSpans } from '../../src/telemetry/otlp-export/request-encoder.ts';
import { folder } from './folder.ts';
import { localBatches, SENDER } from './local-batches.ts';
import { Records } from './records.ts';

export const FAST = { interval: 20, pace: 1, timeout: 5000, firstRetry: 10, lastRetry: 40, lockedRetry: 80 };

export interface Bench {
  readonly connections: OtlpExport;
  readonly records: Records;
  readonly folder: string;
  readonly lines: string[];
}

const running = new Set<OtlpExport>();

export function options(given: object = {}): ExportOptions {
  const result = read(exportOptions, given);
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join());
  return result.settings;
}

/** Starts the exporters. */
export async function startConnections(
  given: Partial<OtlpExportDeps> & { records?: Records; options?: object; spans?: ProjectSpans } = {},
): Promise<Bench> {
  const records = given.records ?? new Records();
  const lines: string[] = [];
  const sink: LineSink = {
    write: (line) => void lines.push(line),
    flush: () => undefined,
    dropped: () => 0,
  };
  const path = given.folder ?? folder();
  const connections = new OtlpExport(options(given.options), {
    openBatches: localBatches(records, given.spans),
    countStored: async () => ({ count: 0, isExact: true }),
    sender: SENDER,
    ownPorts: () => [],
    log: new Logger(sink, { level: 'debug', isText: false }),
    timing: FAST,
    ...given,
    folder: path,
  });
  running.add(connections);
  await connections.start();
  return { connections, records, folder: path, lines };
}

/** Creates a connection. Throws if the input is invalid. */
export async function connect(connections: OtlpExport, input: object): Promise<ShownDestination> {
  const made = await connections.create(input);
  if ('problems' in made) throw new Error(made.problems.join('; '));
  return made.shown;
}

/** Stops at once, like a killed process. */
export async function kill(connections: OtlpExport): Promise<void> {
  running.delete(connections);
  await connections.stop(0);
}

export async function stopConnections(): Promise<void> {
  await Promise.all(Array.from(running, kill));
}
