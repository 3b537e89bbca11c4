// The admin door: what operators, probes and Prometheus ask. `endpoints` lists what there is; it is the README's table.
// Must stay true: nothing here touches a replica or waits for one, and what is not open asks for a key first.
//   endpoint.ts  what a route is     auth.ts, keys.ts, scopes.ts  who may use it     body.ts  what clients send
//   routes/      the routes          logs/  questions to the record, and the forms of their answers
import type { Server } from 'node:http';
import { join } from 'node:path';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Address } from '../../core/settings.ts';
import { boundAddress, listen } from '../../protocol/http/listen.ts';
import { createServer } from '../../protocol/http/node-http.ts';
import { Guard } from './auth.ts';
import { dispatch, type Endpoint } from './endpoint.ts';
import { KeyStore } from './key-store.ts';
import { TAIL_LIMITS, LiveTails, type TailLimits } from './logs/live-tail.ts';
import type { AdminOptions } from './options.ts';
import { contractEndpoints, type WithModel } from './routes/contract-logs.ts';
import { countEndpoints } from './routes/counts.ts';
import { healthEndpoints, type WithMetrics } from './routes/health.ts';
import { intakeEndpoints } from './routes/post-logs.ts';
import { keyEndpoints, type WithKeys } from './routes/keys.ts';
import { otelEndpoints, type WithConnections } from './routes/otlp-destinations.ts';
import { recordEndpoints } from './routes/record.ts';
import { replicaEndpoints } from './routes/replicas.ts';
import { searchEndpoints, type WithLogs } from './routes/logs.ts';
import { settingsEndpoints, type WithSettings } from './routes/settings.ts';
import { traceEndpoints, type WithTraces } from './routes/traces.ts';

type Known = WithMetrics & WithSettings & WithKeys & WithLogs & WithModel & WithTraces & WithConnections;
/** What the door shows. */
export type AdminView = Omit<Known, 'keys' | 'tails'>;

export const endpoints: readonly Endpoint<Known>[] = [
  ...healthEndpoints,
  ...searchEndpoints,
  ...recordEndpoints,
  ...countEndpoints,
  ...traceEndpoints,
  ...contractEndpoints,
  ...intakeEndpoints,
  ...otelEndpoints,
  ...keyEndpoints,
  ...replicaEndpoints,
  ...settingsEndpoints,
];

/** What live tails have to say their last word. */
const LAST_WORD_MS = 500;

export class Admin {
  readonly name = 'admin';
  readonly #options: AdminOptions;
  readonly #keys: KeyStore;
  readonly #tails: LiveTails;
  readonly #server: Server;

  /** `folder`: where keys are kept. */
  constructor(
    options: AdminOptions,
    folder: string,
    shown: AdminView,
    log: Logger,
    tailLimits: TailLimits = TAIL_LIMITS,
  ) {
    this.#options = options;
    this.#keys = new KeyStore(join(folder, 'keys.json'), options.key);
    this.#tails = new LiveTails(tailLimits);
    const guard = new Guard(this.#keys, options.protect_metrics, (route, error) =>
      log.error('an admin route failed', { route, error: describe(error) }),
    );
    const known: Known = { ...shown, keys: this.#keys, tails: this.#tails };
    this.#server = createServer({
      headersTimeout: 10_000,
      // Of the request alone: answers may take as long as their clients like.
      requestTimeout: 60_000,
      connectionsCheckingInterval: 1000,
      noDelay: true,
    });
    this.#server.maxConnections = 1000;
    this.#server.on('request', (req, res) => void dispatch(endpoints, known, guard, req, res));
  }

  /** Opens the door; rejects with a Fault, also where the keys cannot be read. */
  start(): Promise<void> {
    this.#keys.load();
    return listen(this.#server, this.#options.listen, '--admin');
  }

  get address(): Address {
    return boundAddress(this.#server);
  }

  /** Live tails that run now. */
  get tails(): number {
    return this.#tails.count;
  }

  /** Closes the door: live tails are told, everything else is cut. */
  async stop(deadlineMs: number): Promise<void> {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    const hadTails = this.#tails.count > 0;
    this.#tails.end('shutdown');
    this.#server.closeIdleConnections();
    if (hadTails) {
      const patience = Math.max(0, Math.min(LAST_WORD_MS, deadlineMs - performance.now()));
      const late = setTimeout(resolve, patience);
      await closed;
      clearTimeout(late);
    }
    this.#server.closeAllConnections();
  }
}
