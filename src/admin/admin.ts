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
import type { ScaleReading } from '../scale/scale.ts';
import { isAllowed, isOwnPage } from './auth.ts';
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

interface Endpoint {
  readonly method: 'GET' | 'POST';
  /** `{name}` stands for one segment. */
  readonly path: string;
  readonly does: string;
  /** Open to everyone; others need the key, or loopback when no key is set. */
  readonly isOpen: boolean;
  answer(
    shown: Shown,
    req: IncomingMessage,
    res: ServerResponse,
    names: readonly string[],
  ): void | Promise<void>;
}

const json = (res: ServerResponse, status: number, body: unknown): void => {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(`${JSON.stringify(body, null, 2)}\n`);
};

export const endpoints: readonly Endpoint[] = [
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
    answer: ({ pool }, _, res, names) => actOn(res, names, (its, name) => pool.drain(its, name)),
  },
  {
    method: 'POST',
    path: '/v1/replicas/{deployment}/{replica}/resume',
    does: 'undoes that: the replica is asked whether it is ready, and gets requests again',
    isOpen: false,
    answer: ({ pool }, _, res, names) => actOn(res, names, (its, name) => pool.resume(its, name)),
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
  res: ServerResponse,
  [deployment, replica]: readonly string[],
  act: (deployment: string, replica: string) => boolean,
): void {
  if (act(deployment!, replica!)) json(res, 200, { deployment, replica });
  else fail(res, 'unknown_target', `replica ${replica} of deployment ${deployment}`);
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
    if (error) return fail(res, 'internal');
    res.writeHead(200, { ...headers, 'content-encoding': 'gzip', 'content-length': packed.length });
    res.end(packed);
  });
}

const fail = (res: ServerResponse, failure: Failure, detail = '', allow = ''): void => {
  const { status, headers, body } = errorMessage(failure, requestId(Date.now()), { detail, allow });
  if (failure === 'unauthorized') headers.push('WWW-Authenticate', 'Bearer');
  res.writeHead(status, headers);
  res.end(body);
};

/** What the names in a pattern stand for in a path, or `undefined` where it does not fit. */
function match(pattern: string, path: string): string[] | undefined {
  if (pattern === path) return [];
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return undefined;
  const names: string[] = [];
  for (const [i, part] of wanted.entries())
    if (part.startsWith('{') && given[i] !== '') names.push(given[i]!);
    else if (part !== given[i]) return undefined;
  return names;
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
    const found = endpoints.flatMap((endpoint) => {
      const names = match(endpoint.path, path);
      return names === undefined ? [] : [{ endpoint, names }];
    })[0];
    const endpoint = found?.endpoint;
    // Which routes there are is told to those alone who may use them.
    if (endpoint?.isOpen !== true && !isAllowed(req, this.#options.key))
      return fail(
        res,
        'unauthorized',
        this.#options.key === '' ? 'without admin.key set, only from loopback' : '',
      );
    if (endpoint === undefined)
      return fail(res, 'unknown_route', `there is ${endpoints.map((e) => e.path).join(', ')}`);
    const isRight = req.method === endpoint.method || (req.method === 'HEAD' && endpoint.method === 'GET');
    if (!isRight)
      return fail(res, 'method_not_allowed', '', endpoint.method === 'GET' ? 'GET, HEAD' : 'POST');
    if (endpoint.method === 'POST' && !isOwnPage(req))
      return fail(res, 'unauthorized', 'not from a web page of somebody else');
    try {
      await endpoint.answer(this.#shown, req, res, found!.names);
    } catch {
      fail(res, 'internal');
    }
  }
}
