// Routes of probes and Prometheus: liveness, readiness and metrics.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzip } from 'node:zlib';
import { formatFor, type Metrics } from '../../../telemetry/metrics/metrics.ts';
import { fail, json, type Endpoint } from '../endpoint.ts';
import { acceptsGzip } from '../../../protocol/http/accept-coding.ts';
import type { WithPool } from './replicas.ts';

/** Modules of these routes. */
export interface WithMetrics extends WithPool {
  readonly metrics: Metrics;
  /** False as soon as a shutdown begins. */
  readonly isAccepting: () => boolean;
}

export const healthEndpoints: readonly Endpoint<WithMetrics>[] = [
  {
    method: 'GET',
    path: '/metrics',
    does: 'returns the metrics as Prometheus text 0.0.4, or OpenMetrics 1.0 by `Accept`; gzip by `Accept-Encoding`',
    scope: 'metrics',
    handle: servePage,
  },
  {
    method: 'GET',
    path: '/livez',
    does: 'returns 200 while the process runs, under any load',
    scope: 'open',
    handle: (_, __, res) => json(res, 200, { status: 'alive' }),
  },
  {
    method: 'GET',
    path: '/readyz',
    does: 'returns 200 while a replica accepts requests, otherwise 503 with the reason; 503 as soon as a shutdown begins',
    scope: 'open',
    handle: ({ pool, isAccepting }, _, res) => {
      if (!isAccepting()) json(res, 503, { status: 'draining' });
      else if (pool.isReady) json(res, 200, { status: 'ready' });
      else json(res, 503, { status: 'no replica is ready', reason: pool.whyNotReady() });
    },
  },
];

async function servePage({ metrics }: WithMetrics, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const format = formatFor(req.headers.accept);
  const page = await metrics.page(format);
  const headers = { 'content-type': metrics.contentType(format), vary: 'Accept, Accept-Encoding' };
  if (!acceptsGzip(req.headers['accept-encoding'])) {
    res.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(page) });
    res.end(page);
    return;
  }
  // Runs in libuv's thread pool, so that it does not block the event loop.
  gzip(page, (error, compressed) => {
    if (error) return fail(req, res, 'internal');
    res.writeHead(200, { ...headers, 'content-encoding': 'gzip', 'content-length': compressed.length });
    res.end(compressed);
  });
}
