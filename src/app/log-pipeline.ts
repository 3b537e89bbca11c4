// Connects the log store, body capture, tracing and OTLP export.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { steadyNow } from '../core/clock.ts';
import type { Component } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { ChildOutput } from '../control/child-process/child-process.ts';
import type { Config } from '../config/config.ts';
import {
  OtlpExport,
  READER_OPERATIONS,
  readerBatches,
  storedCounter,
} from '../telemetry/otlp-export/otlp-export.ts';
import {
  Backups,
  CapturePolicy,
  Deletions,
  Logs,
  type LogRecord,
  type MaskPlace,
  type RecorderClient,
  type RecordWriter,
} from '../telemetry/logs/logs.ts';
import type { ClaimedDelivery } from '../async/queue/queue.ts';
import { Btql } from '../telemetry/btql/btql.ts';
import type { PriceLists } from '../telemetry/llm/prices.ts';
import { Tracing, type Span } from '../telemetry/tracing/tracing.ts';
import { version } from '../core/version.ts';
import type { WebhookDelivery } from '../async/webhook/webhook.ts';
import { storedOutput, type LineOwner, type StoredOutput } from './child-output.ts';
import { recordEvents, type EventsStored } from './event-recorder.ts';
import { RequestRecords, traceSubject, type NamedRequests, type RecordTarget } from './request-records.ts';

type DeploymentConfig = Config['deployments'][number];

/** What the log pipeline asks of other modules. Called after the start only. */
export interface LogSurroundings {
  /** Id of a deployment → its current environment. */
  readonly environmentOf: (deployment: string) => string;
  /** Id of the data folder. */
  readonly folderId: () => string;
  /** Prices of tokens. */
  readonly priceLists: () => PriceLists;
}

export class LogPipeline {
  /** `undefined`: nothing is stored, since `logs.capture` is off. */
  readonly logs: Logs | undefined;
  /** Export to OTLP destinations; `undefined` without a log store. */
  readonly connections: OtlpExport | undefined;
  /** Backups of the data folder; `undefined` without a log store. */
  readonly backups: Backups | undefined;
  /** Deletion of records; `undefined` without a log store. */
  readonly deletions: Deletions | undefined;
  /** Queries of Braintrust's language; `undefined` without a log store. */
  readonly btql: Btql | undefined;
  /** True after the start. Otherwise `weir_stopped` is not written at the end. */
  isUp = false;
  readonly #config: Config;
  readonly #log: Logger;
  readonly #capture: CapturePolicy;
  readonly #tracing: Tracing;
  readonly #child: StoredOutput | undefined;
  readonly #eventsStored: EventsStored;
  /** What is recorded of the exchanges of the main thread. */
  readonly requests: RequestRecords;
  /** Records requests once the store belongs to the next weir. */
  #handedOver: RecordTarget['ended'] | undefined;
  /** Whether log lines may name running requests. */
  readonly namedRequests: NamedRequests;

  /** `supervised`: the replica that weir runs, if it runs one. */
  constructor(
    config: Config,
    recorder: RecorderClient,
    log: Logger,
    supervised: LineOwner | undefined,
    { environmentOf, folderId, priceLists }: LogSurroundings,
  ) {
    this.#config = config;
    this.#log = log;
    this.#capture = new CapturePolicy(config.logs, recorder.input.figures);
    const own = (): RecordWriter => ({ pod: podOf(config, folderId()), modelId: config.model.id });
    const logs = this.#capture.isOn ? openLogs(config, recorder, log, own) : undefined;
    this.logs = logs;
    // `logs.capture: off` with a captured route stores that route only, and no events.
    const hasEvents = logs !== undefined && config.logs.capture !== 'off';
    this.#eventsStored = hasEvents ? recordEvents(log, logs, environmentOf) : () => Promise.resolve();
    this.#child = logs && supervised && storedOutput(supervised, logs, log);
    // Also with trace.enabled false, since the admin API shows the spans of stored requests.
    this.#tracing = new Tracing(config.trace, traceSubject(config));
    // The supervised process may be several replicas; then its lines are assigned by their request.
    const ofChild = this.#child ? 'with several replicas' : 'never';
    this.namedRequests = logs && config.logs.files.length > 0 ? 'always' : ofChild;
    this.requests = new RequestRecords(config, this.#capture, this.#tracing, this.namedRequests, {
      ended: (exchange, deployment) => this.record(exchange, deployment),
      logged: (exchange, deployment) => recorder.input.request(exchange, deployment, false),
      routed: (exchange, deployment) => logs?.requestRouted(exchange, deployment),
    });
    if (config.export.traces_endpoint !== '' && !config.trace.enabled)
      log.warn('spans of weir are not exported, since trace.enabled is false', {
        to: 'export.traces_endpoint',
      });
    this.connections = logs && this.#openExport(logs, own);
    this.backups = logs && new Backups(config.data.dir, logs, log);
    this.deletions =
      logs && new Deletions({ folder: storeFolder(config), bodiesMs: bodiesMs(config) }, logs, log);
    this.btql = logs && new Btql(logs, traceSubject(config), priceLists);
  }

  /** True if requests or lines of weir's log go to the recorder. */
  get isRecording(): boolean {
    return this.logs !== undefined || this.#config.log.access;
  }

  /** Opens the log store now, so that data threads can record into it. */
  openStore(): void {
    this.logs?.open();
  }

  /** In the order of the start. The last event is stored before the exporters and the store stop. */
  get components(): readonly Component[] {
    const lastEvent: Component = {
      name: 'events',
      start: () => undefined,
      stop: (deadlineMs) => this.#writeLastEvent(deadlineMs),
    };
    return [this.logs, this.connections, this.deletions, this.backups, this.btql, lastEvent].filter(
      (one) => one !== undefined,
    );
  }

  /** Receives the output of the supervised process; `undefined`: the process writes to weir's own output. */
  get output(): ChildOutput | undefined {
    return this.#child?.write;
  }

  /** The settings that decide what is stored of a request. */
  get captureRules(): Pick<CapturePolicy, 'ruleOf' | 'maxBytes'> {
    return this.#capture;
  }

  /** Spans of a stored request. */
  spansOf(record: LogRecord): readonly Span[] {
    return this.#tracing.spansOf(record);
  }

  /** Records a request that has ended, here or in an earlier weir. */
  readonly record: RecordTarget['ended'] = (exchange, deployment) => {
    if (this.#handedOver) this.#handedOver(exchange, deployment);
    else this.logs?.requestEnded(exchange, deployment);
  };

  /** Gives the requests that end from here on to `record`, since the store belongs to the next weir soon. */
  handOver(record: RecordTarget['ended']): void {
    this.isUp = false;
    this.#log.recorder = undefined;
    this.#handedOver = this.logs && record;
  }

  /** Applies a changed configuration to later lines. `supervised`: the replica that weir runs. */
  update(deployments: readonly DeploymentConfig[], supervised: LineOwner | undefined): void {
    this.requests.update(deployments);
    if (supervised) this.#child?.setOwner(supervised);
    this.logs?.setFileOwner(firstReplica(deployments));
  }

  /** Stores the span of a webhook delivery, if its trace is sampled. */
  recordDelivery(delivery: ClaimedDelivery, made: WebhookDelivery, environment: string): void {
    if (!this.#config.trace.enabled) return;
    const { id, deployment, url, traceparent, attempts } = delivery;
    const { result, status, error, durationMs } = made;
    const span = this.#tracing.delivery(
      {
        requestId: id,
        deployment,
        url,
        traceparent,
        attempt: attempts,
        result,
        status,
        problem: error,
        startEpochMs: steadyNow() - durationMs,
        durationMs,
      },
      environment,
    );
    if (span) void this.logs?.post([span]);
  }

  #openExport(logs: Logs, own: () => RecordWriter): OtlpExport {
    const config = this.#config;
    return new OtlpExport(config.export, {
      folder: config.data.dir,
      openBatches: readerBatches(logs, { version, own }, traceSubject(config)),
      countStored: storedCounter(logs),
      sender: { version, own },
      ownPorts: () => [config.ingress.listen.port, config.admin.listen.port],
      log: this.#log,
    });
  }

  async #writeLastEvent(deadlineMs: number): Promise<void> {
    if (!this.isUp) return;
    this.#log.flushEvents();
    this.#log.event('weir_stopped', {});
    await this.#eventsStored(deadlineMs);
  }
}

/** `<name>-<id of the data folder>`. The name has only letters, digits, dots, dashes and underscores. */
function podOf({ logs, kubernetes }: Config, folderId: string): string {
  const name = logs.pod || kubernetes.pod_name || hostname();
  return `${name.replace(/[^\w.-]/g, '-')}-${folderId}`;
}

/** How long bodies are kept; `undefined`: as long as their records. */
const bodiesMs = ({ logs }: Config): number | undefined =>
  logs.retention_bodies === 0 || logs.retention_bodies >= logs.retention ? undefined : logs.retention_bodies;

const storeFolder = ({ data }: Pick<Config, 'data'>): string => join(data.dir, 'logs');

function openLogs(
  { data, logs, deployments }: Config,
  recorder: RecorderClient,
  log: Logger,
  own: () => RecordWriter,
): Logs {
  return new Logs(
    {
      folder: storeFolder({ data }),
      maxBytes: logs.max_bytes,
      own,
      readerModule: READER_OPERATIONS,
      retentionMs: logs.retention,
      maxLineBytes: logs.max_line,
      redactsCommonSecrets: logs.redact,
      maxBodyBytes: logs.max_body,
      redactPatterns: logs.redact_patterns,
      masking: {
        rules: logs.mask,
        places: logs.mask_in as readonly MaskPlace[],
        paths: logs.mask_paths,
        routes: logs.routes,
        keyFolder: data.dir,
      },
      files: logs.files,
      fileOrigin: firstReplica(deployments),
    },
    recorder,
    log,
  );
}

/** Owner of lines in followed files that name no known request. */
const firstReplica = ([deployment]: readonly DeploymentConfig[]): LineOwner => ({
  deployment: deployment?.id ?? '',
  environment: deployment?.environment ?? '',
  replica: deployment?.replicas[0]?.id ?? '',
});
