// The admin door: what operators, probes and Prometheus ask. `endpoints` lists what there is; it is the README's table.
// Must stay true: nothing here touches a replica or waits for one, and what is not open asks for a key first.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { gzip } from 'node:zlib';
import { boundAddress, listen } from '../http/listen.ts';
import { createServer } from '../http/node-http.ts';
import type { Address } from '../base/settings.ts';
import { formatFor, type Metrics } from '../metrics/metrics.ts';
import type { Pool } from '../pool/pool.ts';
import type { ScaleReading } from '../scale/scale.ts';
import { dispatch, fail, json, type Endpoint } from './endpoint.ts';
import type { AdminOptions } from './options.ts';

/** What the door shows. */
export interface Shown {
  readonly metrics: Metrics;
  readonly pool: Pool;
  readonly scale: () => readonly ScaleReading[];
  /** False from the first moment of a shutdown. */
  readonly isAccepting: () => boolean;
  /** The settings with their sources, secrets hidden. */
  readonly settings: () => unknown;
}

export const endpoints: readonly Endpoint<Shown>[] = [
  {
    method: 'GET',
    path: '/metrics',
    does: 'Prometheus text 0.0.4, or OpenMetrics 1.0 by `Accept`; gzip by `Accept-Encoding`',
    isOpen: true,
    answer: servePage,
  },
  {
    method: 'GET',
    path: '/livez',
    does: '200 while the process runs, whatever the load',
    isOpen: true,
    answer: (_, __, res) => json(res, 200, { status: 'alive' }),
  },
  {
    method: 'GET',
    path: '/readyz',
    does: '200 while a replica takes requests; 503 before that and from the first moment of a shutdown',
    isOpen: true,
    answer: ({ pool, isAccepting }, _, res) => {
      if (!isAccepting()) json(res, 503, { status: 'draining' });
      else if (pool.isReady) json(res, 200, { status: 'ready' });
      else json(res, 503, { status: 'no replica is ready' });
    },
  },
  {
    method: 'GET',
    path: '/v1/replicas',
    does: 'every replica: state, outstanding requests, what its last probe said',
    isOpen: false,
    answer: ({ pool }, _, res) => json(res, 200, { deployments: pool.snapshot() }),
  },
  {
    method: 'POST',
    path: '/v1/replicas/{deployment}/{replica}/drain',
    does: 'gives a replica no more requests; those that it holds may end (see `outstanding`)',
    isOpen: false,
    answer: ({ pool }, req, res, names) => actOn(req, res, names, (its, name) => pool.drain(its, name)),
  },
  {
    method: 'POST',
    path: '/v1/replicas/{deployment}/{replica}/resume',
    does: 'undoes that: the replica is asked whether it is ready, and gets requests again',
    isOpen: false,
    answer: ({ pool }, req, res, names) => actOn(req, res, names, (its, name) => pool.resume(its, name)),
  },
  {
    method: 'GET',
    path: '/v1/scale',
    does: 'how many replicas there should be, and every figure that decided it',
    isOpen: false,
    answer: ({ scale }, _, res) => json(res, 200, { deployments: scale() }),
  },
  {
    method: 'GET',
    path: '/v1/settings',
    does: 'every setting, its value and where it came from; secrets as `***`',
    isOpen: false,
    answer: ({ settings }, _, res) => json(res, 200, { settings: settings() }),
  },
];

/** Answers what became of an act on one replica. */
function actOn(
  req: IncomingMessage,
  res: ServerResponse,
  [deployment, replica]: readonly string[],
  act: (deployment: string, replica: string) => boolean,
): void {
  if (act(deployment!, replica!)) json(res, 200, { deployment, replica });
  else fail(req, res, 'unknown_target', `replica ${replica} of deployment ${deployment}`);
}

async function servePage({ metrics }: Shown, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const format = formatFor(req.headers.accept);
  const page = await metrics.page(format);
  const headers = { 'content-type': metrics.contentType(format), vary: 'Accept, Accept-Encoding' };
  if (!/\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:\s*[,;]|\s*$))/i.test(req.headers['accept-encoding'] ?? '')) {
    res.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(page) });
    res.end(page);
    return;
  }
  // On a thread of its own pool: the event loop forwards requests meanwhile.
  gzip(page, (error, packed) => {
    if (error) return fail(req, res, 'internal');
    res.writeHead(200, { ...headers, 'content-encoding': 'gzip', 'content-length': packed.length });
    res.end(packed);
  });
}

export class Admin {
  readonly name = 'admin';
  readonly #options: AdminOptions;
  readonly #shown: Shown;
  readonly #server: Server;

  constructor(options: AdminOptions, shown: Shown) {
    this.#options = options;
    this.#shown = shown;
    this.#server = createServer({
      headersTimeout: 10_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 1000,
      noDelay: true,
    });
    this.#server.maxConnections = 1000;
    this.#server.on('request', (req, res) => {
      void dispatch(endpoints, this.#shown, this.#options.key, req, res);
    });
  }

  start(): Promise<void> {
    return listen(this.#server, this.#options.listen, '--admin');
  }

  get address(): Address {
    return boundAddress(this.#server);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
