// Generated heads through both lanes as raw bytes, split at any position. The replica must get the same request and the
// client the same response in both lanes, also if weir refuses the request.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { byteResponse, byteRequest, cutAt } from '../kit/head-arbitrary.ts';
import { exchangeBytes, startByteReplica, type ByteReplica } from '../kit/byte-replica.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const runs = Math.ceil(Number(process.env['FUZZ_RUNS'] ?? 1500) / 5);

/** Fields that differ between requests, or between the lanes without a difference in meaning. */
const INCIDENTAL =
  /^(x-baseten-request-id|server-timing|date|connection|keep-alive|content-length|transfer-encoding)$/;

/** The first line, and the header lines sorted. */
function comparable(head: string): string[] {
  const [first, ...lines] = head.split('\r\n');
  const fields = lines
    .filter((line) => line !== '')
    .flatMap((line) => {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      // A request id that weir generates differs between requests.
      const value = line
        .slice(colon + 1)
        .trim()
        .replace(/^[0-9a-f]{37}$/, 'ID');
      // Cookie lines may be joined (RFC 9113 8.2.3).
      return (name === 'cookie' ? value.split(/; ?/) : [value]).map((one) => `${name}: ${one.trim()}`);
    })
    .filter((line) => !INCIDENTAL.test(line.slice(0, line.indexOf(':'))));
  return [first!, ...fields.sort()];
}

/** The heads of all responses that a client received, and the body of the last one. */
function responsesIn(received: string): unknown {
  const heads: string[][] = [];
  let rest = received;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) break;
    const head = comparable(rest.slice(0, end));
    heads.push(head);
    rest = rest.slice(end + 4);
    if (!/^HTTP\/1\.1 1\d\d/.test(head[0]!)) break;
  }
  // The body of an error contains the request id.
  return { heads, body: rest.replaceAll(/[0-9a-f]{37}/g, 'ID').replace(/^2\r\nok\r\n0\r\n\r\n$/, 'ok') };
}

let replica: ByteReplica;
let lanes: Weir[];

beforeAll(async () => {
  replica = await startByteReplica();
  const args = ['--replica', replica.replica.url, '--proxy-retry-methods=', '--pool-probe-interval=1d'];
  lanes = [await startWeir(args), await startWeir([...args, '--proxy-fast-lane=false'])];
});
afterAll(async () => {
  await Promise.all(lanes.map((weir) => weir.stop('SIGKILL')));
  await replica.replica.close();
});

it(`both lanes forward ${runs} generated heads alike`, async () => {
  let served = 0;
  await fc.assert(
    fc.asyncProperty(
      byteRequest,
      byteResponse,
      cutAt,
      cutAt,
      async (request, response, cutRequest, cutResponse) => {
        replica.next = cutResponse(response.text);
        replica.closes = response.closes;
        const outcomes = [];
        for (const weir of lanes) {
          replica.heads.length = 0;
          const got = await exchangeBytes(weir.port, cutRequest(request));
          outcomes.push({ seen: replica.heads.map(comparable), got: responsesIn(got) });
        }
        expect(outcomes[0]).toEqual(outcomes[1]);
        if (outcomes[0]!.seen.length > 0) served++;
      },
    ),
    { numRuns: runs },
  );
  // A third of the generated heads must be valid, or the test compares too little.
  expect(served).toBeGreaterThan(runs / 3);
  for (const weir of lanes) {
    await weir.expectMetric('baseten_concurrent_requests', 0);
    expect((await weir.page()).sum('weir_exchanges_total')).toBeGreaterThanOrEqual(runs);
  }
}, 1_200_000);

it('both lanes forward heads of requests and responses alike, split at any position', async () => {
  const request =
    'POST /x HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\nX-A: caf\u00c3\u00a9\r\nContent-Length: 0\r\n\r\n';
  const text = `HTTP/1.1 103 E\u00fc\r\nX-A: \u00fc\r\n\r\nHTTP/1.1 200 O\u00fc\r\nX-A: \u00fc\r\nContent-Length: 2, 2\r\n\r\nok`;
  replica.closes = false;
  const outcomes: unknown[] = [];
  for (const weir of lanes)
    for (let at = 0; at < Math.max(request.length, text.length); at++) {
      replica.heads.length = 0;
      replica.next = [text.slice(0, at), text.slice(at)].filter((piece) => piece !== '');
      const pieces = [request.slice(0, at), request.slice(at)].filter((piece) => piece !== '');
      const got = await exchangeBytes(weir.port, pieces);
      outcomes.push({ seen: replica.heads.map(comparable), got: responsesIn(got) });
    }
  for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0]);
}, 120_000);
