// What the metrics say of HTTP/2 connections, their streams and the bytes that they hold.
import { once } from 'node:events';
import { connect, type ClientHttp2Session } from 'node:http2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { closeH2, startH2Replica } from '../kit/h2.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const MIB = 1024 ** 2;
const HEAD = { ':status': 200, 'content-type': 'application/grpc' };
const CALL = { ':method': 'POST', ':path': '/x.Y/Z', 'content-type': 'application/grpc', te: 'trailers' };
const CANCEL = 8;
/** A message of 4 MiB with its prefix. */
const LARGE = Buffer.alloc(5 + 4 * MIB);
LARGE.writeUInt32BE(4 * MIB, 1);

let weir: Weir;
let client: ClientHttp2Session;

beforeEach(async () => {
  // Responds once the client has ended its side.
  const replica = await startH2Replica((stream) => {
    stream.resume();
    stream.on('end', () => {
      stream.respond(HEAD, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(LARGE);
    });
  });
  weir = await startWeir(['--replica', replica.url, '--proxy-http2-max-held=8MiB']);
  client = connect(weir.url);
  await once(client, 'remoteSettings');
});
afterEach(async () => {
  client.destroy();
  await stopAll();
  closeH2();
});

const SIDES = ['client', 'replica'];

it('count connections and streams while they are open, on both sides', async () => {
  const call = client.request(CALL);
  for (const side of SIDES) {
    await weir.expectMetric(`weir_http2_connections{side="${side}"}`, 1);
    await weir.expectMetric(`weir_http2_streams{side="${side}"}`, 1);
  }
  call.resume().end();
  for (const side of SIDES) await weir.expectMetric(`weir_http2_streams{side="${side}"}`, 0);
  client.close();
  await weir.expectMetric('weir_http2_connections{side="client"}', 0);
  const page = await weir.page();
  expect(page.value('weir_http2_connections{side="replica"}')).toBe(1);
  expect(page.value('weir_http2_connections_ended_total{side="client",reason="socket"}')).toBe(0);
});

it('say who resets streams', async () => {
  const call = client.request(CALL);
  await weir.expectMetric('weir_http2_streams{side="replica"}', 1);
  call.close(CANCEL);
  await weir.expectMetric('weir_http2_streams_reset_total{side="client",by="peer"}', 1);
  await weir.expectMetric('weir_http2_streams_reset_total{side="replica",by="weir"}', 1);
  await weir.expectMetric('weir_http2_streams{side="replica"}', 0);
  const page = await weir.page();
  expect(page.value('weir_http2_streams_reset_total{side="client",by="weir"}')).toBe(0);
});

it('show the bytes that are held for a client that does not read, and their limit', async () => {
  const held = async () => (await weir.page()).value('weir_http2_held_bytes{}')!;
  expect(await held()).toBe(0);
  // The client does not read the response.
  client.request(CALL).end();
  await until('much is held', async () => (await held()) > MIB / 2);
  expect((await weir.page()).value('weir_http2_held_limit_bytes{}')).toBe(8 * MIB);
  client.destroy();
  await weir.expectMetric('weir_http2_held_bytes{}', 0);
});
