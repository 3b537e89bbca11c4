// The admin door: what operators, probes and Prometheus ask. `endpoints` lists what there is; it is the README's table.
// Must stay true: nothing here touches a replica or waits for one, and what is not open asks for a key first.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { gzip } from 'node:zlib';
import { errorMessage } from '../http/reply.ts';
import { boundAddress, listen } from '../http/listen.ts';
import { createServer } from '../http/node-http.ts';
import { requestId } from '../base/ids.ts';
import type { Failure } from '../base/errors.ts';
import type { Address } from '../base/settings.ts';
import { formatFor, type Metrics } from '../metrics/metrics.ts';
import type { Pool } from '../pool/pool.ts';
import { isAllowed } from './auth.ts';
import type { AdminOptions } from './options.ts';

/** What the door shows. */
export interface Shown {
  readonly metrics: Metrics;
  readonly pool: Pool;
  /** False from the first moment of a shutdown. */
  readonly isAccepting: () => boolean;
  /** The settings with their sources, secrets hidden. */
  readonly settings: () => unknown;
}

interface Endpoint {
  readonly path: string;
  readonly does: string;
  /** Open to everyone; others need the key, or loopback when no key is set. */
  readonly isOpen: boolean;
  answer(shown: Shown, req: IncomingMessage, res: ServerResponse): void | Promise<void>;
}

const json = (res: ServerResponse, status: number, body: unknown): void => {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(`${JSON.stringify(body, null, 2)}\n`);
};

export const endpoints: readonly Endpoint[] = [
  {
    path: '/metrics',
    does: 'Prometheus text 0.0.4, or OpenMetrics 1.0 by `Accept`; gzip by `Accept-Encoding`',
    isOpen: true,
    answer: servePage,
  },
  {
    path: '/livez',
    does: '200 while the process runs, whatever the load',
    isOpen: true,
    answer: (_, __, res) => json(res, 200, { status: 'alive' }),
  },
  {
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
    path: '/v1/replicas',
    does: 'every replica: state, outstanding requests, what its last probe said',
    isOpen: false,
    answer: ({ pool }, _, res) => json(res, 200, { deployments: pool.snapshot() }),
  },
  {
    path: '/v1/settings',
    does: 'every setting, its value and where it came from; secrets as `***`',
    isOpen: false,
    answer: ({ settings }, _, res) => json(res, 200, { settings: settings() }),
  },
];

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
    if (error) return fail(res, 'internal');
    res.writeHead(200, { ...headers, 'content-encoding': 'gzip', 'content-length': packed.length });
    res.end(packed);
  });
}

const fail = (res: ServerResponse, failure: Failure, detail = ''): void => {
  const { status, headers, body } = errorMessage(failure, requestId(Date.now()), detail);
  if (failure === 'unauthorized') headers.push('WWW-Authenticate', 'Bearer');
  if (failure === 'method_not_allowed') headers.push('Allow', 'GET, HEAD');
  res.writeHead(status, headers);
  res.end(body);
};

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
    this.#server.on('request', (req, res) => void this.#onRequest(req, res));
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

  async #onRequest(req: IncomingMessage, res: ServerResponse): Promise<void> {
    req.resume();
    const path = req.url!.split('?', 1)[0]!;
    const endpoint = endpoints.find((candidate) => candidate.path === path);
    // Which routes there are is told to those alone who may use them.
    if (endpoint?.isOpen !== true && !isAllowed(req, this.#options.key))
      return fail(
        res,
        'unauthorized',
        this.#options.key === '' ? 'without admin.key set, only from loopback' : '',
      );
    if (endpoint === undefined)
      return fail(res, 'unknown_route', `there is ${endpoints.map((e) => e.path).join(', ')}`);
    if (req.method !== 'GET' && req.method !== 'HEAD') return fail(res, 'method_not_allowed');
    try {
      await endpoint.answer(this.#shown, req, res);
    } catch {
      fail(res, 'internal');
    }
  }
}
