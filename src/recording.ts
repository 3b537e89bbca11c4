// Who remembers: the record of what happened, the bodies that belong to it, the traces that are made of it, and the
// receivers it is sent to. Joins the rooms logs, trace and export for sidecar.ts.
// Must stay true: nothing is decided here; what the one says is put into the other's words.
import { join } from 'node:path';
import { steadyNow } from './base/clock.ts';
import type { Part } from './base/lifecycle.ts';
import { fileSink, type LineSink, type Log } from './base/log.ts';
import { Echo, type Output } from './child/child.ts';
import type { Config } from './config/config.ts';
import type { Exchanges } from './exchange/exchange.ts';
import { Connections, spanProjection } from './export/export.ts';
import { Capture, Logs, type LogRecord, type Origin } from './logs/logs.ts';
import type { ClaimedDelivery } from './queue/queue.ts';
import { Tracing, type Span } from './trace/trace.ts';
import { version } from './version.ts';
import type { Delivery } from './webhook/webhook.ts';

/** A deployment as the record names it. */
interface Named {
  readonly id: string;
  readonly environment: string;
}

export interface Recording {
  /** `undefined`: nothing is recorded. */
  readonly logs: Logs | undefined;
  readonly connections: Connections | undefined;
  /** In the order in which they are started; stopped in reverse. */
  readonly parts: readonly Part[];
  /** Where a supervised replica writes; `undefined`: where weir does. */
  readonly output: Output | undefined;
  /** Requests that were recorded without their bodies. */
  bodiesSkipped(): number;
  /** The spans that a request's record stands for. */
  spansOf(record: LogRecord): readonly Span[];
  /** Records what ends from now on. `deploymentAt` gives the deployment of an index. */
  observe(exchanges: Exchanges, deploymentAt: (index: number) => Named | undefined): void;
  /** A delivery to a webhook was made. */
  delivered(delivery: ClaimedDelivery, made: Delivery, environment: string): void;
}

/** Whose lines are those that nobody else is named for. */
const firstReplica = ([deployment]: Config['deployments']): Omit<Origin, 'source'> => ({
  deployment: deployment?.id ?? '',
  environment: deployment?.environment ?? '',
  replica: deployment?.replicas[0]?.id ?? '',
});

function openLogs({ data, logs, deployments }: Config, log: Log): Logs {
  return new Logs(
    {
      folder: join(data.dir, 'logs'),
      maxBytes: logs.max_bytes,
      retentionMs: logs.retention,
      maxLineBytes: logs.max_line,
      redactsKnown: logs.redact,
      maxBodyBytes: logs.max_body,
      redactPatterns: logs.redact_patterns,
      files: logs.files,
      fileOrigin: firstReplica(deployments),
    },
    log,
  );
}

const LINE_END = Buffer.from('\n');

/** What the supervised replica writes is shown as before, and recorded as lines of the first replica. */
function recorded({ deployments }: Config, logs: Logs, log: Log): Output {
  const of = (source: string, sink: LineSink) => {
    const echo = new Echo(sink);
    const stream = logs.stream({ ...firstReplica(deployments), source });
    return (bytes: Uint8Array | undefined) => {
      echo.write(bytes);
      // Another process may go on where this one ended: the stream stays, its last line does not.
      stream.write(bytes ?? LINE_END);
    };
  };
  const streams = { stdout: of('stdout', log.sink), stderr: of('stderr', fileSink(2)) };
  return (stream, bytes) => streams[stream](bytes);
}

/** Builds what remembers. `isSupervising`: weir runs the replica. */
export function openRecording(config: Config, log: Log, isSupervising: boolean): Recording {
  const capture = new Capture(config.logs);
  const logs = capture.isOn ? openLogs(config, log) : undefined;
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
    new Connections(config.export, {
      folder: config.data.dir,
      openFeed: (wanted) => logs.feed(wanted),
      spans: spanProjection(spansOf, version),
      sender: { modelId: config.model.id, version },
      ownPorts: () => [config.ingress.listen.port, config.admin.listen.port],
      log,
    });
  return {
    logs,
    connections,
    parts: [...(logs ? [logs] : []), ...(connections ? [connections] : [])],
    output: logs && isSupervising ? recorded(config, logs, log) : undefined,
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
      if (capture.isEverFull) exchanges.tap(capture);
      exchanges.observe({
        closed(exchange) {
          if (capture.modeOf(exchange.target) !== 'off')
            logs.request(exchange, deploymentAt(exchange.deployment));
        },
      });
    },
  };
}
