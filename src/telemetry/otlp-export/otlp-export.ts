// Exports records to OTLP receivers: the list of destinations, and one exporter for each.
// Invariant: changes run one after the other and are on disk when they resolve; header values are never returned.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from '../../core/logger.ts';
import type { TestResult } from './otlp-client.ts';
import { Cursors } from '../../core/cursors.ts';
import {
  missingSecrets,
  parseDestination,
  urlProblem,
  withoutSecrets,
  type Destination,
} from './destination.ts';
import { configuredDestinations } from './configured-destinations.ts';
import { Exporter } from './exporter.ts';
import {
  failedStatus,
  newCounts,
  TIMING,
  type ExporterCounts,
  type ExporterStatus,
  type ExporterTiming,
} from './exporter-state.ts';
import type { ExportOptions } from './options.ts';
import type { CountStored, OpenBatches, StoredCount } from './reader-batches.ts';
import type { ExportOrigin } from './otlp-logs.ts';
import { DestinationStore } from './destination-store.ts';

export type { TestResult } from './otlp-client.ts';
export { READER_OPERATIONS, readerBatches, storedCounter, type StoredCount } from './reader-batches.ts';
export type { ExporterStatus, ExporterTiming } from './exporter-state.ts';
export type { ExportOrigin } from './otlp-logs.ts';

const MAX_CONNECTIONS = 64;

export interface OtlpExportDeps {
  /** The data folder: destinations, cursors and the key are stored there. */
  readonly folder: string;
  readonly openBatches: OpenBatches;
  readonly countStored: CountStored;
  readonly sender: ExportOrigin;
  /** Ports on which weir listens, since weir must not export to itself. */
  readonly ownPorts: () => readonly number[];
  readonly log: Logger;
  readonly timing?: ExporterTiming;
}

/** A destination as the admin API shows it, without header values. */
export type ShownDestination = Readonly<Record<string, unknown>> & { readonly id: string };

/** Result of a change. */
export type DestinationChange =
  { readonly shown: ShownDestination } | { readonly problems: readonly string[] };

/** State of one destination, for metrics. */
export interface ExportReading extends ExporterStatus {
  readonly destination: string;
  readonly requests: ReadonlyMap<string, number>;
}

interface Entry {
  readonly destination: Destination;
  /** It comes from the settings, so the API cannot change it. */
  readonly isFromSettings: boolean;
  /** Why it cannot be exported to; empty if it can. */
  readonly problem: string;
  readonly exporter: Exporter | undefined;
  readonly counts: ExporterCounts;
}

export class OtlpExport {
  readonly name = 'export';
  readonly #configured: readonly Destination[];
  readonly #deps: OtlpExportDeps;
  readonly #store: DestinationStore;
  readonly #cursors: Cursors;
  readonly #entries = new Map<string, Entry>();
  /** The last change, which the next one waits for. */
  #last: Promise<unknown> = Promise.resolve();

  /** Throws a WeirError if the settings contradict each other. */
  constructor(options: ExportOptions, deps: OtlpExportDeps) {
    this.#configured = configuredDestinations(options);
    this.#deps = deps;
    this.#store = new DestinationStore(deps.folder, options.encryption_key);
    this.#cursors = new Cursors(join(deps.folder, 'cursors.json'));
  }

  /** Starts an exporter for each destination. A destination that cannot be used does not stop the others. */
  async start(): Promise<void> {
    const { log } = this.#deps;
    await this.#cursors.load((aside) =>
      log.event('export_state_damaged', {
        problem: `cursors.json is not valid JSON; renamed to ${aside}. Exports begin at their start_from again`,
      }),
    );
    for (const destination of this.#configured) await this.#add(destination, '', true);
    const problem = (text: string) => log.event('export_state_damaged', { problem: text });
    for (const stored of await this.#store.load(problem))
      await this.#add(stored.destination, stored.problem, false);
  }

  /** Sends stored records until `deadlineMs` (performance.now()). The rest is sent after the next start. */
  async stop(deadlineMs: number): Promise<void> {
    await this.#serialized(async () => {
      await Promise.all(
        Array.from(this.#entries.values(), async ({ exporter }) => exporter?.stop(deadlineMs)),
      );
    });
  }

  list(): ShownDestination[] {
    return Array.from(this.#entries.values(), shown);
  }

  get(id: string): ShownDestination | undefined {
    const entry = this.#entries.get(id);
    return entry && shown(entry);
  }

  create(input: unknown): Promise<DestinationChange> {
    return this.#serialized(async () => {
      if (this.#entries.size >= MAX_CONNECTIONS)
        return { problems: [`there are ${MAX_CONNECTIONS} connections already; delete one first`] };
      const parsed = parseDestination(input);
      if ('problems' in parsed) return parsed;
      const id = `otel_${randomBytes(6).toString('hex')}`;
      return this.#put({ ...parsed.settings, id });
    });
  }

  /** Changes the settings in `input`. A new `start_from` resets the cursor. `undefined`: no such destination. */
  async change(id: string, input: unknown): Promise<DestinationChange | undefined> {
    return this.#serialized(async () => {
      const entry = this.#entries.get(id);
      if (entry === undefined) return undefined;
      if (entry.isFromSettings) return { problems: [FROM_SETTINGS] };
      const { id: _, ...before } = entry.destination;
      const given = withoutAddedFields(input);
      const parsed = parseDestination(given, before);
      if ('problems' in parsed) return parsed;
      const { settings } = parsed;
      const missing = missingSecrets(before, settings, given, entry.problem);
      if (missing.length > 0) return { problems: missing };
      return this.#put({ ...settings, id }, settings.start_from !== before.start_from);
    });
  }

  /** Stops the exporter at once and deletes the destination. `false`: there is no such destination. */
  async remove(id: string): Promise<boolean | { readonly problems: readonly string[] }> {
    return this.#serialized(async () => {
      const entry = this.#entries.get(id);
      if (entry === undefined) return false;
      if (entry.isFromSettings) return { problems: [FROM_SETTINGS] };
      await this.#store.remove(id);
      await entry.exporter?.stop(0);
      this.#entries.delete(id);
      await this.#cursors.forget(id);
      return true;
    });
  }

  /** Sends one test record. `undefined`: there is no such destination. */
  async test(id: string): Promise<TestResult | undefined> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    if (entry.exporter === undefined) return { ok: false, status: 0, message: entry.problem, duration_ms: 0 };
    return entry.exporter.test(Date.now(), '');
  }

  status(id: string): ExporterStatus | undefined {
    const entry = this.#entries.get(id);
    return entry && statusOf(entry);
  }

  /** Counts the stored records that wait and that a destination wants. `undefined`: there is no such destination. */
  async waiting(id: string): Promise<StoredCount | undefined> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    const fromMs = entry.exporter?.oldestMs ?? 0;
    const counted = fromMs === 0 ? NOTHING : await this.#deps.countStored(entry.destination, fromMs);
    return 'problem' in counted ? NOTHING : counted;
  }

  /** Counts the stored records that a destination with these settings wants. `endpoint_url` may be missing. */
  async count(input: unknown): Promise<StoredCount | { readonly problems: readonly string[] }> {
    const given = withoutAddedFields(input);
    const parsed = parseDestination(isRecord(given) ? { endpoint_url: ANY_URL, ...given } : given);
    if ('problems' in parsed) return parsed;
    const counted = await this.#deps.countStored({ ...parsed.settings, id: '' }, 0);
    if ('problem' in counted) return { problems: [`query ${counted.problem}`] };
    return counted;
  }

  /** State of all destinations. */
  readings(): ExportReading[] {
    return Array.from(this.#entries.values(), (entry) => ({
      ...statusOf(entry),
      destination: entry.destination.name || entry.destination.id,
      requests: entry.counts.requests,
    }));
  }

  /** Stores a new or changed destination and starts its exporter. `resetsCursor`: begins at `start_from` again. */
  async #put(destination: Destination, resetsCursor = false): Promise<DestinationChange> {
    const problem = urlProblem(destination.endpoint_url, this.#deps.ownPorts());
    if (problem !== '') return { problems: [problem] };
    const isNameTaken = [...this.#entries.values()].some(
      ({ destination: { id, name } }) => id !== destination.id && (name || id) === destination.name,
    );
    if (isNameTaken)
      return {
        problems: [`name is ${JSON.stringify(destination.name)}, which another connection already uses`],
      };
    const batches = this.#deps.openBatches(destination);
    if ('problem' in batches) return { problems: [`query ${batches.problem}`] };
    await this.#store.put(destination);
    await this.#entries.get(destination.id)?.exporter?.stop(0);
    if (resetsCursor) await this.#cursors.forget(destination.id);
    await this.#add(destination, '', false);
    return { shown: this.get(destination.id)! };
  }

  async #add(destination: Destination, problem: string, isFromSettings: boolean): Promise<void> {
    const { sender, log, timing = TIMING, ownPorts } = this.#deps;
    const counts = this.#entries.get(destination.id)?.counts ?? newCounts();
    const batches = this.#deps.openBatches(destination);
    const failure =
      problem ||
      urlProblem(destination.endpoint_url, ownPorts()) ||
      ('problem' in batches ? `query ${batches.problem}` : '');
    const exporter =
      failure !== '' || 'problem' in batches
        ? undefined
        : new Exporter(destination, { batches, cursors: this.#cursors, counts, sender, log, timing });
    this.#entries.set(destination.id, { destination, isFromSettings, problem: failure, exporter, counts });
    if (failure !== '')
      log.error('otlp destination cannot be used', {
        destination: destination.name || destination.id,
        problem: failure,
      });
    if (destination.enabled) await exporter?.start();
  }

  #serialized<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** Removes the fields that `list` and `get` add, so that their result can be sent back as a change. */
function withoutAddedFields(input: unknown): Record<string, unknown> {
  if (!isRecord(input)) return input as never;
  const { id: _, from: __, ...given } = input as Record<string, unknown>;
  return given;
}

const NOTHING: StoredCount = { count: 0, isExact: true };
/** For settings without a receiver. */
const ANY_URL = 'http://receiver.invalid/';

const isRecord = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const FROM_SETTINGS = 'this connection comes from the settings (section export); change it there';

const shown = ({ destination, isFromSettings }: Entry): ShownDestination => {
  const { id, ...settings } = destination;
  return { id, ...withoutSecrets(settings), from: isFromSettings ? 'settings' : 'api' };
};

const statusOf = ({ exporter, problem, counts }: Entry): ExporterStatus =>
  exporter === undefined ? failedStatus(counts, problem) : exporter.status(Date.now());
