// An admin server with a real log store, in this process, for tests that observe or replace its calls to the store.
// Invariant: every server that was started is stopped by `closeAdmins` after a test.
import { Admin, Downloads, Views, type AdminDeps } from '../../src/control/admin/admin.ts';
import { TAIL_LIMITS, type TailLimits } from '../../src/control/admin/logs/live-tail.ts';
import { formatAddress } from '../../src/core/address.ts';
import { KeyStore } from '../../src/core/keys/key-store.ts';
import { Logger, type LineSink } from '../../src/core/logger.ts';
import { Btql } from '../../src/telemetry/btql/btql.ts';
import { Tracing } from '../../src/telemetry/tracing/tracing.ts';
import { UrlSigner } from '../../src/core/url-signer.ts';
import { Exports } from '../../src/telemetry/exports/exports.ts';
import { Scoring } from '../../src/telemetry/scoring/scoring.ts';
import { Attachments, Projects } from '../../src/telemetry/projects/projects.ts';
import { Prices } from '../../src/telemetry/llm/prices.ts';
import {
  Backups,
  CapturePolicy,
  Deletions,
  Logs,
  RecorderClient,
  type LogStore,
} from '../../src/telemetry/logs/logs.ts';
import { configOf } from './deployment.ts';
import { folder } from './folder.ts';

export interface OpenAdmin {
  readonly url: string;
  readonly port: number;
  readonly admin: Admin;
  readonly logs: Logs;
  readonly exports: Exports;
  readonly scoring: Scoring;
  /** Lines of weir's own log. */
  readonly logLines: string[];
  stop(): Promise<void>;
}

export interface StartAdminOptions {
  readonly args?: string[];
  readonly path?: string;
  readonly limits?: Partial<TailLimits>;
  /** Replaces the log store that the admin server gets. */
  readonly wrap?: (logs: Logs) => AdminDeps['logs'];
  readonly deps?: Partial<AdminDeps>;
  /** How long bodies are kept; default: as long as their records. */
  readonly bodiesMs?: number;
}

/** The log store with some functions replaced. */
export const withChanges = (logs: Logs, changes: Partial<LogStore>): LogStore => ({
  page: (query) => logs.page(query),
  after: (node, cursor, limit) => logs.after(node, cursor, limit),
  head: (cursor) => logs.head(cursor),
  at: (place) => logs.at(place),
  bodies: (place) => logs.bodies(place),
  group: (query, limits) => logs.group(query, limits),
  readPlace: (text) => logs.readPlace(text),
  placeOf: (one) => logs.placeOf(one),
  hasRead: (cursor, one) => logs.hasRead(cursor, one),
  onStored: (listener) => logs.onStored(listener),
  post: (records, bodies) => logs.post(records, bodies),
  postRows: (rows) => logs.postRows(rows),
  postLines: (bytes, origin, count) => logs.postLines(bytes, origin, count),
  ...changes,
});

/** A queue without tasks. */
const noTasks: AdminDeps['tasks'] = {
  facts: async () => undefined,
  list: async () => ({ tasks: [], next: '' }),
  depth: () => ({ queued: 0, inProgress: 0 }),
};

const open = new Set<OpenAdmin>();

export async function startAdmin({
  args = [],
  path = folder(),
  limits = {},
  wrap = (logs) => logs,
  deps = {},
  bodiesMs,
}: StartAdminOptions = {}): Promise<OpenAdmin> {
  const config = configOf(['--admin=127.0.0.1:0', '--model-id=mdl1', ...args]);
  const logLines: string[] = [];
  const sink = {
    write: (line: string) => void logLines.push(line),
    flush: () => undefined,
    dropped: () => 0,
  } as unknown as LineSink;
  const log = new Logger(sink, { level: 'debug', isText: false });
  const logs = new Logs(
    {
      folder: `${path}/logs`,
      maxBytes: 2 ** 30,
      own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }),
      retentionMs: 366 * 86_400_000,
      maxLineBytes: 64 * 1024,
      redactsCommonSecrets: true,
      redactPatterns: [],
      maxBodyBytes: 262_144,
      files: [],
      fileOrigin: { deployment: '', environment: '', replica: '' },
    },
    new RecorderClient({ fd: -1, isText: false }),
    log,
  );
  const deletions = new Deletions({ folder: `${path}/logs`, bodiesMs }, logs, log, {
    delayMs: bodiesMs === undefined ? 3_600_000 : 200,
    retryMs: 1000,
  });
  await deletions.start();
  const backups = new Backups(path, logs, log);
  const prices = new Prices(config.llm, path, log);
  await prices.start();
  const exports = new Exports(config.export_jobs, `${path}/exports`, logs, log);
  await exports.start();
  const downloads = new Downloads(logs, `${path}/downloads`, config.export_jobs.max_bytes, log);
  await downloads.start();
  const projects = new Projects(config.projects, path, log);
  await projects.start();
  const { max_attachments: totalBytes, max_attachment: maxAttachmentBytes } = config.projects;
  const attachments = new Attachments(
    `${path}/attachments`,
    { totalBytes, retentionMs: config.logs.retention },
    log,
  );
  await attachments.start();
  const subject = { modelId: 'mdl1', scheme: 'http', genAi: 'common' } as const;
  const tracing = new Tracing(config.trace, subject);
  const btql = new Btql(logs, subject, () => prices.lists);
  const scoring = new Scoring(config.scoring, {
    folder: path,
    key: '',
    logs,
    log,
    priceOf: (model) => prices.priceOf(model, Date.now()),
    forbiddenPorts: () => [],
  });
  await scoring.start();
  const views = new Views(path, log);
  await views.start();
  const keys = new KeyStore(`${path}/keys.json`, config.admin.key);
  keys.start();
  const admin = new Admin(
    config.admin,
    {
      keys,
      metrics: { page: async () => 'weir_up 1\n', contentType: () => 'text/plain' } as never,
      pool: { snapshot: () => [], isReady: true, drain: () => true, resume: () => true } as never,
      scale: () => [],
      isAccepting: () => true,
      settings: () => [],
      logs: wrap(logs),
      limitsDownloads: !config.logs.download_unlimited,
      modelId: 'mdl1',
      tasks: noTasks,
      capture: new CapturePolicy(config.logs),
      targets: () => ({ deployments: ['dep1'], environments: ['production'] }),
      connections: undefined,
      prices,
      overview: { startedMs: 0 } as never,
      facts: {
        version: '0.0.0',
        model: { id: 'mdl1', name: '' },
        capture: 'metadata',
        retentionMs: config.logs.retention,
        store: () => undefined,
      },
      spansOf: (one) => tracing.spansOf(one),
      exports,
      deletions,
      backups,
      btql,
      scoring,
      projects,
      attachments,
      maxAttachmentBytes,
      urls: new UrlSigner(),
      views,
      downloads,
      dataUrl: (host) => `http://${formatAddress({ host, port: 8080 })}`,
      ...deps,
    },
    log,
    undefined,
    { ...TAIL_LIMITS, ...limits },
  );
  await admin.start();
  const { port } = admin.address;
  const started: OpenAdmin = {
    url: `http://127.0.0.1:${port}`,
    port,
    admin,
    logs,
    exports,
    scoring,
    logLines,
    async stop() {
      open.delete(started);
      await admin.stop(performance.now() + 1000);
      await scoring.stop(performance.now() + 5000);
      await exports.stop(performance.now() + 5000);
      await downloads.stop();
      await btql.stop();
      await backups.stop();
      await deletions.stop(performance.now() + 5000);
      await logs.stop(performance.now() + 5000);
      attachments.stop();
      await projects.stop();
    },
  };
  open.add(started);
  return started;
}

export async function closeAdmins(): Promise<void> {
  await Promise.all(Array.from(open, (one) => one.stop()));
}
