// What probes and Prometheus ask: alive, ready, figures. Must stay true: none of it waits for a replica.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzip } from 'node:zlib';
import { formatFor, type Metrics } from '../../../telemetry/metrics/metrics.ts';
import { fail, json, type Endpoint } from '../endpoint.ts';
import type { WithPool } from './replicas.ts';

/** What these routes need to know. */
export interface WithMetrics extends WithPool {
  readonly metrics: Metrics;
  /** False from the first moment of a shutdown. */
  readonly isAccepting: () => boolean;
}

export const healthEndpoints: readonly Endpoint<WithMetrics>[] = [
  {
    method: 'GET',
    path: '/metrics',
    does: 'Prometheus text 0.0.4, or OpenMetrics 1.0 by `Accept`; gzip by `Accept-Encoding`',
    scope: 'metrics',
    answer: servePage,
  },
  {
    method: 'GET',
    path: '/livez',
    does: '200 while the process runs, whatever the load',
    scope: 'open',
    answer: (_, __, res) => json(res, 200, { status: 'alive' }),
  },
  {
    method: 'GET',
    path: '/readyz',
    does: '200 while a replica takes requests, else 503 with the reason; 503 as soon as a shutdown begins',
    scope: 'open',
    answer: ({ pool, isAccepting }, _, res) => {
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
