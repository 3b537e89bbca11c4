// Admin server: the HTTP API for operators, probes and Prometheus. `endpoints` lists all routes.
// Invariant: no route sends a request to a replica or waits for one.
//   endpoint.ts  a route, and dispatch   auth.ts  authorization (keys: core/keys/)   read-body.ts  request bodies
//   routes/      the routes              logs/                             queries of the log store, and their output
//   portkey/     the routes of clients of Portkey
//   braintrust/  routes of Braintrust's clients
//   answers/     what clients in TypeScript may import      views/      saved views of the page
//   records/     what is known about one id: find, waterfall, request, task
//   overview/    what GET /v1/overview and /v1/me return
//   downloads/   downloads as jobs
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Address } from '../../core/address.ts';
import { waitAtMost } from '../../core/wait.ts';
import type { ServerCertificate } from '../../core/server-certificate.ts';
import { ConnectionsPerAddress } from '../../protocol/http/connections-per-address.ts';
import { boundAddress, listen } from '../../protocol/http/listen.ts';
import { createServer, STATUS_CODES } from '../../protocol/http/node-http.ts';
import { ServerFront, takeConnections } from '../../protocol/http/server-front.ts';
import { isTlsHandshake } from '../../protocol/http/tls-acceptor.ts';
import { WebPage } from '../page/web-page.ts';
import { adminCaller } from './audit.ts';
import { Guard } from './auth.ts';
import { dispatch, type DispatchReports, type Endpoint } from './endpoint.ts';
import { TAIL_LIMITS, LiveTails, type TailLimits } from './logs/live-tail.ts';
import type { AdminOptions } from './options.ts';
import { exportEndpoints, type WithExports } from './portkey/export-routes.ts';
import { feedbackEndpoints } from './portkey/feedback-routes.ts';
import { braintrustEndpoints, type WithBraintrust } from './braintrust/braintrust.ts';
import { asyncTaskEndpoints, type WithTasks } from './routes/async-tasks.ts';
import { backupEndpoints, type WithBackups } from './routes/backups.ts';
import { contractLogEndpoints, type WithModel } from './routes/contract-logs.ts';
import { countEndpoints } from './routes/counts.ts';
import { findEndpoints } from './routes/find.ts';
import { healthEndpoints, type WithMetrics } from './routes/health.ts';
import { meEndpoints, type WithMe } from './routes/me.ts';
import { overviewEndpoints } from './routes/overview.ts';
import { postLogEndpoints } from './routes/post-logs.ts';
import { keyEndpoints, type WithKeys } from './routes/keys.ts';
import { maskingEndpoints } from './routes/masking.ts';
import { deletionEndpoints, type WithDeletions } from './routes/deletions.ts';
import { downloadEndpoints, type WithDownloads } from './routes/downloads.ts';
import { destinationEndpoints, type WithConnections } from './routes/otlp-destinations.ts';
import { priceEndpoints, type WithPrices } from './routes/prices.ts';
import { recordEndpoints, type WithDetails } from './routes/record.ts';
import { annotationEndpoints } from './routes/annotations.ts';
import { replicaEndpoints } from './routes/replicas.ts';
import { logEndpoints, type WithLogs } from './routes/logs.ts';
import { seriesEndpoints, type WithSeries } from './routes/series.ts';
import { settingsEndpoints, type WithSettings } from './routes/settings.ts';
import { traceEndpoints, type WithTraces } from './routes/traces.ts';
import { viewEndpoints, type WithViews } from './routes/views.ts';

export { Overview } from './overview/overview.ts';

type Context = WithMetrics &
  WithSettings &
  WithKeys &
  WithLogs &
  WithModel &
  WithTasks &
  WithDetails &
  WithTraces &
  WithConnections &
  WithPrices &
  WithExports &
  WithSeries &
  WithDeletions &
  WithBackups &
  WithViews &
  WithDownloads &
  WithBraintrust &
  WithMe;
/** Modules that the routes use. */
export type AdminDeps = Omit<Context, 'tails' | 'deniedFields'>;

export const endpoints: readonly Endpoint<Context>[] = [
  ...healthEndpoints,
  ...meEndpoints,
  ...overviewEndpoints,
  ...logEndpoints,
  ...findEndpoints,
  ...recordEndpoints,
  ...annotationEndpoints,
  ...countEndpoints,
  ...seriesEndpoints,
  ...traceEndpoints,
  ...asyncTaskEndpoints,
  ...contractLogEndpoints,
  ...postLogEndpoints,
  ...feedbackEndpoints,
  ...downloadEndpoints,
  ...exportEndpoints,
  ...destinationEndpoints,
  ...keyEndpoints,
  ...deletionEndpoints,
  ...backupEndpoints,
  ...maskingEndpoints,
  ...priceEndpoints,
  ...replicaEndpoints,
  ...settingsEndpoints,
  ...viewEndpoints,
  ...braintrustEndpoints,
];

/** Half of them may be from one address, so that it cannot keep probes and operators out. */
const MAX_CONNECTIONS = 1000;

/** Time for running answers to end, and for live tails to receive their last event. */
const LAST_ANSWERS_MS = 500;

/** Status for an error of Node's parser; 400 for all others. */
const STATUS_OF_ERROR: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** An error of Node's parser, with the bytes that it refused. */
interface ParserError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

export { Downloads } from './downloads/downloads.ts';
export { Views } from './views/view-store.ts';

export class Admin {
  readonly name = 'admin';
  readonly #options: AdminOptions;
  readonly #tails: LiveTails;
  readonly #server: Server;
  readonly #front: ServerFront;
  readonly perAddress = new ConnectionsPerAddress(MAX_CONNECTIONS / 2);
  readonly #latest = new WeakMap<Socket, ServerResponse>();
  #isStopping = false;

  /** `certificate`: `undefined` means clear text. */
  constructor(
    options: AdminOptions,
    deps: AdminDeps,
    log: Logger,
    certificate: ServerCertificate | undefined,
    tailLimits: TailLimits = TAIL_LIMITS,
  ) {
    this.#options = options;
    this.#tails = new LiveTails(tailLimits);
    const guard = new Guard(deps.keys, options.protect_metrics);
    const reports: DispatchReports = {
      failed: (route, error) => log.error('admin route failed', { route, error: describe(error) }),
      changed: (change) => log.event('admin_change', change),
      callerOf: (req) => adminCaller(deps.keys, req),
    };
    const context: Context = {
      ...deps,
      tails: this.#tails,
      deniedFields: options.denied_export_fields,
    };
    this.#server = createServer({
      headersTimeout: 10_000,
      // For receiving the request only. A response may take any time.
      requestTimeout: 60_000,
      connectionsCheckingInterval: 1000,
      noDelay: true,
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#front = new ServerFront({
      server: this.name,
      listen: options.listen,
      certificate,
      connections: { perAddress: this.perAddress },
      log,
      protocols: () => ['http/1.1'],
      connected: (socket, protocol) => (protocol === 'http2' ? socket.destroy() : serve(socket)),
    });
    const serve = takeConnections(this.#server, this.#front.accept);
    this.#server.on('clientError', (error: ParserError, socket: Socket) =>
      this.#onClientError(error, socket),
    );
    const page = options.page
      ? new WebPage((error) => log.error('a file of the page cannot be read', { error: describe(error) }))
      : undefined;
    this.#server.on('request', (req, res) => {
      this.#latest.set(req.socket, res);
      if (this.#isStopping) res.shouldKeepAlive = false;
      // No answer is read as a script, or embedded by pages of other origins.
      res.setHeader('X-Content-Type-Options', 'nosniff');
      res.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
      if (page?.handle(req, res) === true) return;
      void dispatch(endpoints, context, guard, reports, req, res);
    });
  }

  /** Rejects with a WeirError that names the address if it cannot listen. */
  start(): Promise<void> {
    return listen(this.#server, this.#options, '--admin');
  }

  get address(): Address {
    return boundAddress(this.#server, this.#options.listen);
  }

  /** The server that listens. */
  get listener(): Server {
    return this.#server;
  }

  /** Answers what Node's parser refuses, as Node itself does, and tells clients that speak TLS apart. */
  #onClientError({ code = '', rawPacket }: ParserError, socket: Socket): void {
    if (rawPacket !== undefined && isTlsHandshake(rawPacket)) return this.#front.refuseTls(socket);
    const latest = this.#latest.get(socket);
    const isResponding = latest?.headersSent === true && !latest.writableFinished;
    if (socket.writable && !isResponding && code !== 'ECONNRESET') {
      const status = STATUS_OF_ERROR[code] ?? 400;
      socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
    }
    socket.destroy();
  }

  /** Number of live tails. */
  get tails(): number {
    return this.#tails.count;
  }

  /** Ends live tails with an event, lets short answers end, then closes all connections. */
  async stop(deadlineMs: number): Promise<void> {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#isStopping = true;
    this.#server.close(() => resolve());
    this.#tails.end('shutdown');
    this.#server.closeIdleConnections();
    this.#front.close();
    await waitAtMost(Math.min(LAST_ANSWERS_MS, deadlineMs - performance.now()), closed);
    this.#server.closeAllConnections();
  }
}
