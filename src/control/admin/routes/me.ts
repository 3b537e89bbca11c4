// Route of the caller: the key, this weir, its deployments and its log store.
// Invariant: it needs no scope, so it says nothing that a key of any scope may not know.
import type { IncomingMessage } from 'node:http';
import { DAY_NS, EARLIEST_NS, LATEST_NS } from '../../../core/time.ts';
import { TIMED_OUT, waitAtMost } from '../../../core/wait.ts';
import { phaseOf } from '../../../data-plane/replicas/pool.ts';
import type { LogRecord, LogStore } from '../../../telemetry/logs/logs.ts';
import { callerKey } from '../auth.ts';
import { json, type Endpoint } from '../endpoint.ts';
import { TAIL_LIMITS } from '../logs/live-tail.ts';
import type { MeJson, MeKeyJson, MeStoreJson } from '../overview/me-json.ts';
import { nsText } from '../overview/overview-figures.ts';
import type { StoreReading } from '../overview/overview-sources.ts';
import { MAX_DOWNLOAD_NS, MAX_DOWNLOAD_ROWS, type WithLogs } from './logs.ts';
import type { WithOverview } from './overview.ts';
import type { WithPool } from './replicas.ts';

/** What GET /v1/me says of this weir. */
export interface WeirFacts {
  readonly version: string;
  readonly model: { readonly id: string; readonly name: string };
  readonly capture: string;
  readonly retentionMs: number;
  /** `undefined` if nothing is stored. */
  readonly store: () => StoreReading | undefined;
}

/** Modules of this route. */
export interface WithMe extends WithOverview, WithPool, WithLogs {
  readonly isAccepting: () => boolean;
  readonly facts: WeirFacts;
}

/** Longest wait for the oldest and the newest record. */
const STORE_MS = 500;

const keyJson = (context: WithMe, req: IncomingMessage): MeKeyJson => {
  const key = callerKey(context.keys, req);
  const isWithoutKey = !context.keys.hasAdminKey;
  if (key === undefined || isWithoutKey)
    return { id: null, name: null, scopes: ['admin'], expires_at: null, is_without_key: true };
  return {
    id: key.id,
    name: key.name,
    scopes: key.scopes,
    expires_at: key.expiresMs === undefined ? null : new Date(key.expiresMs).toISOString(),
    is_without_key: false,
  };
};

/** The first record in an order of time; `undefined`: there is none, or it was not read in time. */
async function firstRecord(logs: LogStore, direction: 'up' | 'down'): Promise<LogRecord | undefined> {
  const query = {
    node: { op: 'all' },
    fromNs: EARLIEST_NS,
    toNs: LATEST_NS,
    direction,
    after: undefined,
    limit: 1,
  } as const;
  const page = await waitAtMost(STORE_MS, logs.page(query));
  return page === TIMED_OUT ? undefined : page.records[0];
}

async function storeJson({ logs, facts }: WithMe): Promise<MeStoreJson | null> {
  const reading = facts.store();
  if (logs === undefined || reading === undefined) return null;
  const [oldest, newest] = await Promise.all([firstRecord(logs, 'up'), firstRecord(logs, 'down')]);
  return {
    capture: facts.capture,
    oldest_ns: oldest ? String(oldest.timeNs) : null,
    newest_ns: newest ? String(newest.timeNs) : null,
    oldest_place: oldest ? logs.placeOf(oldest) : null,
    newest_place: newest ? logs.placeOf(newest) : null,
    newest_seq: newest?.seq ?? null,
    bytes: reading.bytes,
    max_bytes: reading.maxBytes,
    retention_ms: facts.retentionMs,
    lost: reading.lost,
  };
}

export const meEndpoints: readonly Endpoint<WithMe>[] = [
  {
    method: 'GET',
    path: '/v1/me',
    does: 'returns the caller’s key with its scopes, the version and clock of weir, its deployments and environments, the state of the log store, and limits',
    scope: 'any',
    async handle(context, req, res) {
      const { pool, overview, facts, limitsDownloads, isAccepting } = context;
      const environments = pool.current.map(({ options }) => options.environment);
      const me: MeJson = {
        key: keyJson(context, req),
        weir: {
          version: facts.version,
          started_ns: nsText(overview.startedMs),
          time_ns: nsText(Date.now()),
          is_draining: !isAccepting(),
        },
        model: facts.model,
        deployments: pool.current.map(({ options, replicas }) => ({
          id: options.id,
          environment: options.environment,
          phase: phaseOf(options),
          traffic_weight: options.traffic_weight,
          replicas: replicas.filter(({ isLeaving }) => !isLeaving).length,
          ready_replicas: replicas.filter(({ state, isLeaving }) => state === 'ready' && !isLeaving).length,
        })),
        environments: [...new Set(environments.filter((name) => name !== ''))],
        store: await storeJson(context),
        limits: {
          download_rows: limitsDownloads ? MAX_DOWNLOAD_ROWS : null,
          download_days: limitsDownloads ? Number(MAX_DOWNLOAD_NS / DAY_NS) : null,
          tails: TAIL_LIMITS.maxTails,
        },
      };
      json(res, 200, me);
    },
  },
];
