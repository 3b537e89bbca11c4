// Generated requests and responses through both lanes. The replica must get the same request and the client the same
// response in both lanes.
import { request } from 'node:http';
import { once } from 'node:events';
import { Agent, type IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { plainRequest } from '../kit/http-arbitrary.ts';
import { bodyOf, startReplica, onBody, type Replica } from '../kit/replica.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 1500);

/**
 * Fields that differ between requests, or between the lanes without a difference in meaning: a body without a length
 * ends with the connection or is chunked.
 */
const INCIDENTAL =
  /^(x-baseten-request-id|x-request-id|traceparent|server-timing|date|connection|keep-alive|transfer-encoding)$/i;

/** Headers as sorted `name: value` lines, names in lower case. Cookie lines may be joined (RFC 9113 8.2.3). */
const comparable = (raw: readonly string[]): string[] =>
  raw
    .flatMap((name, i) => {
      if (i % 2 === 1 || INCIDENTAL.test(name)) return [];
      const values = name.toLowerCase() === 'cookie' ? raw[i + 1]!.split(/; ?/) : [raw[i + 1]];
      return values.map((value) => `${name.toLowerCase()}: ${value}`);
    })
    .sort();

const reply = fc.record({
  status: fc.constantFrom(200, 200, 200, 201, 204, 304, 400, 404, 500, 503),
  headers: fc.array(
    fc.constantFrom(
      'X-A: 1',
      'x-a: 2',
      'Set-Cookie: a=b',
      'Set-Cookie: c=d',
      'Connection: x-hop',
      'X-Hop: 1',
      'Keep-Alive: timeout=9',
      'X-Baseten-Request-Id: theirs',
    ),
    { maxLength: 4 },
  ),
  body: fc.string({ maxLength: 200 }),
  framing: fc.constantFrom('length', 'chunked', 'close'),
  pieces: fc.integer({ min: 1, max: 4 }),
});
type Reply = typeof reply extends fc.Arbitrary<infer R> ? R : never;

let replica: Replica;
let lanes: Weir[];
let next: Reply;
let seen: unknown;

beforeAll(async () => {
  replica = await startReplica((req, res) => {
    void onBody(req, (body) => {
      seen = {
        method: req.method,
        url: req.url,
        headers: comparable(req.rawHeaders),
        body: body.toString('latin1'),
      };
      const body2 = Buffer.from(next.body);
      const raw = next.headers.flatMap((line) => line.split(': '));
      const hasBody = next.status !== 204 && next.status !== 304;
      if (next.framing === 'length' && hasBody) raw.push('Content-Length', String(body2.length));
      if (next.framing === 'close') raw.push('Connection', 'close');
      res.useChunkedEncodingByDefault = next.framing === 'chunked';
      res.writeHead(next.status, 'Reason', raw);
      const size = Math.ceil(body2.length / next.pieces) || 1;
      if (hasBody) for (let at = 0; at < body2.length; at += size) res.write(body2.subarray(at, at + size));
      res.end();
    });
  });
  lanes = await Promise.all([
    startWeir(['--replica', replica.url, '--proxy-retry-methods=']),
    startWeir(['--replica', replica.url, '--proxy-retry-methods=', '--proxy-fast-lane=false']),
  ]);
});
afterAll(async () => {
  await Promise.all(lanes.map((weir) => weir.stop('SIGKILL')));
  await replica.close();
});

it(`both lanes forward ${runs} generated requests and responses alike`, async () => {
  const agents = [
    new Agent({ keepAlive: true, maxSockets: 1 }),
    new Agent({ keepAlive: true, maxSockets: 1 }),
  ];
  await fc.assert(
    fc.asyncProperty(plainRequest, reply, async (generated, response) => {
      next = response;
      const outcomes = [];
      for (const [i, weir] of lanes.entries()) {
        const headers = ['Host', 'model.example', ...generated.headers.flat()];
        if (generated.body !== undefined && !generated.isChunked)
          headers.push('Content-Length', String(generated.body.length));
        if (generated.body !== undefined && generated.isChunked) headers.push('Transfer-Encoding', 'chunked');
        if (!generated.keepAlive) headers.push('Connection', 'close');
        seen = undefined;
        const req = request({
          host: '127.0.0.1',
          port: weir.port,
          method: generated.method,
          path: generated.target,
          headers,
          agent: agents[i]!,
        });
        req.useChunkedEncodingByDefault = false;
        req.end(generated.body);
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        const body = await bodyOf(res);
        outcomes.push({
          seen,
          got: {
            status: res.statusCode,
            reason: res.statusMessage,
            headers: comparable(res.rawHeaders),
            body: body.toString('latin1').replace(/[0-9a-f]{37}/, 'ID'),
            isComplete: res.complete,
          },
        });
      }
      expect(outcomes[0]).toEqual(outcomes[1]);
    }),
    { numRuns: runs },
  );
  for (const agent of agents) agent.destroy();
  for (const weir of lanes) {
    await weir.expectMetric('baseten_concurrent_requests', 0);
    expect((await weir.page()).sum('weir_exchanges_total')).toBe(runs);
  }
}, 600_000);
