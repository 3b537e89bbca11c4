// Who remembers: the record of what happened, the bodies that belong to it, the traces that are made of it, and the
// receivers it is sent to. Joins the rooms logs, trace and export for sidecar.ts.
// Must stay true: nothing is decided here; what the one says is put into the other's words.
import { join } from 'node:path';
import { steadyNow } from '../core/clock.ts';
import type { DeploymentIdentity } from '../core/deployment-identity.ts';
import type { LifecycleEvent } from '../core/events.ts';
import type { Component } from '../core/lifecycle.ts';
import { fileSink, type LineSink, type Logger } from '../core/logger.ts';
import { OutputRelay, type ChildOutput } from '../control/child-process/child-process.ts';
import type { Config } from '../config/config.ts';
import type { Exchanges } from '../core/exchange/exchange.ts';
import { OtlpExport, spanProjection } from '../telemetry/otlp-export/otlp-export.ts';
import { CapturePolicy, Logs, SEVERITY, type LogRecord, type RecordOrigin } from '../telemetry/logs/logs.ts';
import type { ClaimedDelivery } from '../async/queue/queue.ts';
import { Tracing, type Span } from '../telemetry/tracing/tracing.ts';
import { version } from '../core/version.ts';
import type { WebhookDelivery } from '../async/webhook/webhook.ts';

/** The replica that a line belongs to. */
type Owner = Omit<RecordOrigin, 'source'>;

export interface Recording {
  /** `undefined`: nothing is recorded. */
  readonly logs: Logs | undefined;
  readonly connections: OtlpExport | undefined;
  /** In the order in which they are started; stopped in reverse. */
  readonly parts: readonly Component[];
  /** Where a supervised replica writes; `undefined`: where weir does. */
  readonly output: ChildOutput | undefined;
  /** Requests that were recorded without their bodies. */
  bodiesSkipped(): number;
  /** The spans that a request's record stands for. */
  spansOf(record: LogRecord): readonly Span[];
  /** Records what ends from now on. `deploymentAt` gives the deployment of an index. */
  observe(exchanges: Exchanges, deploymentAt: (index: number) => DeploymentIdentity | undefined): void;
  /** Later lines belong to the changed configuration. `supervised`: the replica that weir runs. */
  move(deployments: readonly Configured[], supervised: Owner | undefined): void;
  /** weir has started. Without this call, `weir_stopped` is not written at the end. */
  isUp: boolean;
  /** A delivery to a webhook was made. */
  delivered(delivery: ClaimedDelivery, made: WebhookDelivery, environment: string): void;
}

type Configured = Config['deployments'][number];

/** Owner of lines of followed files that name no known request. */
const firstReplica = ([deployment]: readonly Configured[]): Owner => ({
  deployment: deployment?.id ?? '',
  environment: deployment?.environment ?? '',
  replica: deployment?.replicas[0]?.id ?? '',
});

const hasSeveralReplicas = (deployments: readonly Configured[]): boolean =>
  deployments.reduce((count, { replicas }) => count + replicas.length, 0) > 1;

function openLogs({ data, logs, deployments }: Config, log: Logger): Logs {
  return new Logs(
    {
      folder: join(data.dir, 'logs'),
      maxBytes: logs.max_bytes,
      retentionMs: logs.retention,
      maxLineBytes: logs.max_line,
      redactsCommonSecrets: logs.redact,
      maxBodyBytes: logs.max_body,
      redactPatterns: logs.redact_patterns,
      files: logs.files,
      fileOrigin: firstReplica(deployments),
    },
    log,
  );
}

const LINE_END = Buffer.from('\n');

/** Shows the output of the supervised replica unchanged, and records it as the replica's lines. */
function recorded(
  owner: Owner,
  logs: Logs,
  log: Logger,
): { output: ChildOutput; move: (owner: Owner) => void } {
  const of = (source: string, sink: LineSink) => {
    const echo = new OutputRelay(sink);
    const stream = logs.openStream({ ...owner, source });
    return {
      write(bytes: Uint8Array | undefined) {
        echo.write(bytes);
        // Another process may continue the stream, so the stream stays open, but its last line ends here.
        stream.write(bytes ?? LINE_END);
      },
      move: (other: Owner) => stream.setOrigin({ ...other, source }),
    };
  };
  const streams = { stdout: of('stdout', log.sink), stderr: of('stderr', fileSink(2)) };
  return {
    output: (stream, bytes) => streams[stream].write(bytes),
    move(other) {
      streams.stdout.move(other);
      streams.stderr.move(other);
    },
  };
}

/** A lifecycle event as a record. `environment`: the current environment of its deployment. */
const eventRecord = (event: LifecycleEvent, environment: string): LogRecord => ({
  seq: 0,
  kind: 'event',
  timeNs: BigInt(event.timeMs) * 1_000_000n,
  severity: SEVERITY[event.level],
  message: event.message,
  deployment: event.deployment,
  environment: event.environment ?? environment,
  replica: event.replica,
  source: 'weir',
  requestId: '',
  traceId: '',
  spanId: '',
  parentSpanId: '',
  status: 0,
  durationNs: 0,
  attributes: JSON.stringify(event.attributes),
});

/** Longest wait until the last event is stored, since a locked store must not delay the exit. */
const MAX_WAIT_MS = 2000;

/**
 * Stores what the log says as events. The function that it returns resolves when those so far are stored or lost, by
 * `deadlineMs` (performance.now()) in any case.
 */
function recordEvents(
  log: Logger,
  logs: Logs,
  environmentOf: (id: string) => string,
): (deadlineMs: number) => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  log.recorder = (event) => {
    const environment = event.deployment === '' ? '' : environmentOf(event.deployment);
    // `post` counts what it cannot store.
    last = logs.post([eventRecord(event, environment)]);
  };
  return async (deadlineMs) => {
    let timer: NodeJS.Timeout | undefined;
    const waitMs = Math.max(0, Math.min(MAX_WAIT_MS, deadlineMs - performance.now()));
    await Promise.race([last, new Promise((resolve) => (timer = setTimeout(resolve, waitMs)))]);
    clearTimeout(timer);
  };
}

/**
 * Builds the recording. `supervised`: the replica that weir runs, if it runs one. `environmentOf`: id of a deployment → its
 * current environment.
 */
export function openRecording(
  config: Config,
  log: Logger,
  supervised: Owner | undefined,
  environmentOf: (id: string) => string,
): Recording {
  const capture = new CapturePolicy(config.logs);
  const logs = capture.isOn ? openLogs(config, log) : undefined;
  // With `logs.capture: off` and a recorded route, only that route is recorded.
  const hasEvents = logs !== undefined && config.logs.capture !== 'off';
  const eventsStored = hasEvents ? recordEvents(log, logs, environmentOf) : () => Promise.resolve();
  const child = logs && supervised && recorded(supervised, logs, log);
  // With more than one replica, the supervised process may be several of them, so its lines are assigned by their request.
  let hasSeveral = hasSeveralReplicas(config.deployments);
  // Its spans are shown for whoever asks for a trace, also where weir takes no part in any.
  const tracing = new Tracing(config.trace, {
    modelId: config.model.id,
    scheme: config.ingress.tls.cert === '' ? 'http' : 'https',
  });
  const spansOf = (record: LogRecord) => tracing.spansOf(record);
  if (config.export.traces_endpoint !== '' && !config.trace.enabled)
    log.warn('no spans of weir are exported: trace.enabled is false', { to: 'export.traces_endpoint' });
  const connections =
    logs &&
    new OtlpExport(config.export, {
      folder: config.data.dir,
      openFeed: (wanted) => logs.feed(wanted),
      spans: spanProjection(spansOf, version),
      sender: { modelId: config.model.id, version },
      ownPorts: () => [config.ingress.listen.port, config.admin.listen.port],
      log,
    });
  // Stopped before the exporters and the store, so that the last event is stored and exported.
  const last: Component = {
    name: 'events',
    start: () => undefined,
    async stop(deadlineMs) {
      if (!recording.isUp) return;
      log.flushEvents();
      log.event('weir_stopped', {});
      await eventsStored(deadlineMs);
    },
  };
  const recording: Recording = {
    logs,
    connections,
    parts: [...(logs ? [logs] : []), ...(connections ? [connections] : []), last],
    output: child?.output,
    move(deployments, own) {
      hasSeveral = hasSeveralReplicas(deployments);
      if (own) child?.move(own);
      logs?.setFileOwner(firstReplica(deployments));
    },
    isUp: false,
    bodiesSkipped: () => capture.skipped,
    spansOf,
    delivered(
      { id, deployment, url, traceparent, attempts },
      { result, status, error, durationMs },
      environment,
    ) {
      if (!config.trace.enabled) return;
      const made = { requestId: id, deployment, url, traceparent, attempt: attempts, result, status };
      const startEpochMs = steadyNow() - durationMs;
      const span = tracing.delivery({ ...made, problem: error, startEpochMs, durationMs }, environment);
      if (span) void logs?.post([span]);
    },
    observe(exchanges, deploymentAt) {
      if (config.trace.enabled) {
        exchanges.sample(tracing.sampler);
        exchanges.observe(tracing.observer);
      }
      if (logs === undefined) return;
      if (capture.mayCaptureBodies) exchanges.tap(capture);
      exchanges.observe({
        closed(exchange) {
          if (capture.modeOf(exchange.target) !== 'off')
            logs.requestEnded(exchange, deploymentAt(exchange.recordedAs));
        },
      });
      // Lines of followed files and of the supervised process may name a running request.
      const hasFiles = config.logs.files.length > 0;
      if (hasFiles || child)
        exchanges.observe({
          routed(exchange) {
            if (!hasFiles && !hasSeveral) return;
            const deployment = deploymentAt(exchange.deployment);
            if (deployment) logs.requestRouted(exchange, deployment);
          },
          closed: () => undefined,
        });
    },
  };
  return recording;
}
