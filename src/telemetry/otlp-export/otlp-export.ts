// The door of the room: the destinations of logs and spans, and an exporter for each that is enabled.
// Must stay true: changes come one after the other, and what a change has answered for is on disk. The header's value
// goes in here and never comes out.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from '../../core/logger.ts';
import { SEVERITY, type Logs, type RecordFeed } from '../logs/logs.ts';
import type { ProjectSpans, TestResult } from './otlp-client.ts';
import { Cursors } from './cursors.ts';
import { readDestination, refusalOf, secretsToRepeat, shownForm, type Destination } from './destination.ts';
import { configured } from './configured-destinations.ts';
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
import type { ExportOrigin } from './otlp-logs.ts';
import { DestinationStore } from './destination-store.ts';

export type { ProjectSpans, TestResult } from './otlp-client.ts';
export { spanProjection } from './otlp-spans.ts';
export type { ExporterStatus, ExporterTiming } from './exporter-state.ts';
export type { ResourceSpans, ExportOrigin } from './otlp-logs.ts';

const MAX_CONNECTIONS = 64;

export interface ConnectionsDeps {
  /** Folder for what must survive a restart. */
  readonly folder: string;
  readonly openFeed: Logs['feed'];
  readonly spans: ProjectSpans;
  readonly sender: ExportOrigin;
  /** Ports on which weir listens: what it exports must not come in again. */
  readonly ownPorts: () => readonly number[];
  readonly log: Logger;
  readonly timing?: ExporterTiming;
}

/** A destination as it may be shown, and how it goes. */
export type ShownDestination = Readonly<Record<string, unknown>> & { readonly id: string };

/** What came of a change. */
export type DestinationChange =
  { readonly shown: ShownDestination } | { readonly problems: readonly string[] };

/** One destination for the metrics. */
export interface ExportReading extends ExporterStatus {
  readonly destination: string;
  readonly requests: ReadonlyMap<string, number>;
}

interface Entry {
  readonly destination: Destination;
  /** It comes from the settings, and cannot be changed here. */
  readonly isOfSettings: boolean;
  /** Why it cannot be sent to; empty: it can. */
  readonly problem: string;
  readonly exporter: Exporter | undefined;
  readonly counts: ExporterCounts;
}

export class OtlpExport {
  readonly name = 'export';
  readonly #configured: readonly Destination[];
  readonly #deps: ConnectionsDeps;
  readonly #vault: DestinationStore;
  readonly #cursors: Cursors;
  readonly #entries = new Map<string, Entry>();
  #last: Promise<unknown> = Promise.resolve();

  /** Throws a Fault where the settings contradict themselves. */
  constructor(options: ExportOptions, deps: ConnectionsDeps) {
    this.#configured = configured(options);
    this.#deps = deps;
    this.#vault = new DestinationStore(deps.folder, options.encryption_key);
    this.#cursors = new Cursors(join(deps.folder, 'cursors.json'));
  }

  /** Begins with what the settings and the folder know. One that cannot be sent to does not keep the others from it. */
  async start(): Promise<void> {
    const { log } = this.#deps;
    await this.#cursors.load((aside) =>
      log.event('export_state_damaged', {
        problem: `what was known of how far exports are was set aside as ${aside}`,
      }),
    );
    for (const destination of this.#configured) await this.#enter(destination, '', true);
    const problem = (text: string) => log.event('export_state_damaged', { problem: text });
    for (const kept of await this.#vault.load(problem))
      await this.#enter(kept.destination, kept.problem, false);
  }

  /** Sends what is stored, as far as the time goes; the rest is sent after the next start. */
  async stop(deadlineMs: number): Promise<void> {
    await this.#inTurn(async () => {
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
    return this.#inTurn(async () => {
      if (this.#entries.size >= MAX_CONNECTIONS)
        return { problems: [`there are ${MAX_CONNECTIONS} connections already; delete one first`] };
      const read = readDestination(input);
      if ('problems' in read) return read;
      const id = `otel_${randomBytes(6).toString('hex')}`;
      return this.#take({ ...read.said, id });
    });
  }

  /** Changes what `input` says, and nothing else; another `start_from` places the cursor anew; `undefined`: there is none of this id. */
  async change(id: string, input: unknown): Promise<DestinationChange | undefined> {
    return this.#inTurn(async () => {
      const entry = this.#entries.get(id);
      if (entry === undefined) return undefined;
      if (entry.isOfSettings) return { problems: [OF_SETTINGS] };
      const { id: _, ...before } = entry.destination;
      // So that what was read here can be given back with a change in it.
      const given = withoutOurs(input);
      const read = readDestination(given, before);
      if ('problems' in read) return read;
      const missing = secretsToRepeat(before, read.said, given, entry.problem);
      if (missing.length > 0) return { problems: missing };
      return this.#take({ ...read.said, id }, read.said.start_from !== before.start_from);
    });
  }

  /** Stops at once and forgets; false: there is none of this id. */
  async remove(id: string): Promise<boolean | { readonly problems: readonly string[] }> {
    return this.#inTurn(async () => {
      const entry = this.#entries.get(id);
      if (entry === undefined) return false;
      if (entry.isOfSettings) return { problems: [OF_SETTINGS] };
      await this.#vault.remove(id);
      await entry.exporter?.stop(0);
      this.#entries.delete(id);
      await this.#cursors.forget(id);
      return true;
    });
  }

  /** Sends one record that says that it is a test; `undefined`: there is none of this id. */
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

  /** All of them, read from memory. */
  readings(): ExportReading[] {
    return Array.from(this.#entries.values(), (entry) => ({
      ...statusOf(entry),
      destination: entry.destination.name || entry.destination.id,
      requests: entry.counts.requests,
    }));
  }

  /** A new or changed destination, if it can be sent to. */
  async #take(destination: Destination, isFromAnew = false): Promise<DestinationChange> {
    const refusal = refusalOf(destination.endpoint_url, this.#deps.ownPorts());
    if (refusal !== '') return { problems: [refusal] };
    const twin = [...this.#entries.values()].some(
      ({ destination: { id, name } }) => id !== destination.id && (name || id) === destination.name,
    );
    if (twin)
      return { problems: [`name is ${JSON.stringify(destination.name)}, which another connection has`] };
    const feed = this.#feedOf(destination);
    if ('problem' in feed) return { problems: [`query ${feed.problem}`] };
    await this.#vault.put(destination);
    await this.#entries.get(destination.id)?.exporter?.stop(0);
    if (isFromAnew) await this.#cursors.forget(destination.id);
    await this.#enter(destination, '', false);
    return { shown: this.get(destination.id)! };
  }

  #feedOf({ signal, min_level: level, query }: Destination): RecordFeed | { readonly problem: string } {
    return this.#deps.openFeed({
      kinds: signal === 'logs' ? ['line', 'request', 'event'] : ['span', 'request'],
      minSeverity: level === '' ? 0 : SEVERITY[level],
      query,
    });
  }

  async #enter(destination: Destination, problem: string, isOfSettings: boolean): Promise<void> {
    const { spans, sender, log, timing = TIMING, ownPorts } = this.#deps;
    const counts = this.#entries.get(destination.id)?.counts ?? newCounts();
    const feed = this.#feedOf(destination);
    const found =
      problem ||
      refusalOf(destination.endpoint_url, ownPorts()) ||
      ('problem' in feed ? `query ${feed.problem}` : '');
    const exporter =
      found !== '' || 'problem' in feed
        ? undefined
        : new Exporter(destination, { feed, cursors: this.#cursors, counts, sender, spans, log, timing });
    this.#entries.set(destination.id, { destination, isOfSettings, problem: found, exporter, counts });
    if (found !== '')
      log.error('otlp export', { destination: destination.name || destination.id, problem: found });
    if (destination.enabled) await exporter?.start();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** Without what `list` and `get` say besides. */
function withoutOurs(input: unknown): Record<string, unknown> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input as never;
  const { id: _, from: __, ...given } = input as Record<string, unknown>;
  return given;
}

const OF_SETTINGS = 'this connection comes from the settings (section export): change it there';

const shown = ({ destination, isOfSettings }: Entry): ShownDestination => {
  const { id, ...said } = destination;
  return { id, ...shownForm(said), from: isOfSettings ? 'settings' : 'api' };
};

const statusOf = ({ exporter, problem, counts }: Entry): ExporterStatus =>
  exporter === undefined ? failedStatus(counts, problem) : exporter.status(Date.now());
