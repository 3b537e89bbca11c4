// gRPC through weir, with @grpc/grpc-js on both sides: the gRPC interop cases (named in brackets), and what weir adds.
import { Client, credentials, status, type ServerDuplexStream, type StatusObject } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  closeGrpc,
  startGrpcReplica,
  TestClient,
  type GrpcReplica,
  type Message,
} from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { stopAll, type Weir } from '../kit/weir.ts';
import { startWith, type Http2Library } from '../kit/http2-library.ts';

/** Runs the cases for one implementation of HTTP/2. */
export function grpcCallsContract(library: Http2Library): void {
  const startWeir = startWith(library);
  describe('gRPC calls, on HTTP/2 of ' + library, () => {
    const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
    /** list_services_response { service { name: "a.B" } } */
    const REFLECTED = Buffer.concat([Buffer.from([0x32, 7, 0x0a, 5, 0x0a, 3]), Buffer.from('a.B')]);
    const identity = (bytes: Buffer): Buffer => bytes;
    const RAW_BYTES = {
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    };

    /** A call of any method, with messages as bytes. */
    async function rawCall(port: number, path: string, requests: Buffer[]) {
      const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
      const call = client.makeBidiStreamRequest(path, identity, identity);
      const messages: Buffer[] = [];
      call.on('data', (message: Buffer) => messages.push(message));
      // The status event has the error.
      call.on('error', () => undefined);
      const ended = new Promise<StatusObject>((resolve) => call.on('status', resolve));
      for (const request of requests) call.write(request);
      call.end();
      const { code, metadata } = await ended;
      client.close();
      const text = (name: string) => metadata.get(name)[0]?.toString();
      return { code, messages, id: text('x-baseten-request-id'), cause: text('x-weir-cause') };
    }

    const ID = /^[0-9a-f]{37}$/;
    const payloadOf = (size: number) => ({ payload: { body: Buffer.alloc(size) } });
    const responseSizes = (...sizes: number[]) => ({ responseParameters: sizes.map((size) => ({ size })) });
    const requestsWithStatus = (code: number) =>
      `baseten_inference_requests_total{status_code="${code}",is_async="false"}`;
    const sizesOf = (responses: Message[]) => responses.map(({ payload }) => payload.body.length as number);

    for (const [lane, args] of [
      ['the fast lane', []],
      ['the full lane', ['--proxy-fast-lane=false']],
    ] as const)
      describe(`gRPC with ${lane} for HTTP/1.1`, () => {
        let replica: GrpcReplica;
        let weir: Weir;
        let client: TestClient;

        beforeAll(async () => {
          replica = await startGrpcReplica();
          replica.server.addService(
            { info: { path: REFLECTION, requestStream: true, responseStream: true, ...RAW_BYTES } },
            {
              info(call: ServerDuplexStream<Buffer, Buffer>) {
                call.on('data', () => call.write(REFLECTED));
                call.on('end', () => call.end());
              },
            },
          );
          weir = await startWeir(['--replica', replica.url, ...args]);
          client = new TestClient(weir.port);
        });
        afterAll(async () => {
          await stopAll();
          await closeGrpc();
        });

        it('passes an empty unary call, and sends its request id to both sides [empty_unary]', async () => {
          const { code, id, responses } = await client.unary('emptyCall').outcome;
          expect(code).toBe(status.OK);
          expect(responses).toHaveLength(1);
          expect(id).toMatch(ID);
          expect(replica.seen.at(-1)!.get('x-baseten-request-id')).toEqual([id]);
          expect(replica.seen.at(-1)!.get('x-request-id')).toEqual([id]);
          expect(replica.seen.at(-1)!.get('traceparent')).toEqual([]);
        });

        it('passes a large unary call [large_unary]', async () => {
          const { code, responses } = await client.unary('unaryCall', {
            responseSize: 314159,
            ...payloadOf(271828),
          }).outcome;
          expect(code).toBe(status.OK);
          expect(sizesOf(responses)).toEqual([314159]);
        });

        it('passes a stream of requests [client_streaming]', async () => {
          const { call, outcome } = client.input();
          for (const size of [27182, 8, 1828, 45904]) call.write(payloadOf(size));
          call.end();
          expect((await outcome).responses).toEqual([{ aggregatedPayloadSize: 74922 }]);
        });

        it('passes a stream of responses [server_streaming]', async () => {
          const { responses, code } = await client.output(responseSizes(31415, 9, 2653, 58979)).outcome;
          expect(code).toBe(status.OK);
          expect(sizesOf(responses)).toEqual([31415, 9, 2653, 58979]);
        });

        it('passes alternating requests and responses [ping_pong]', async () => {
          const { call, outcome } = client.duplex();
          const seen: number[] = [];
          call.on('data', ({ payload }: Message) => seen.push(payload.body.length as number));
          for (const [ask, response] of [
            [27182, 31415],
            [8, 9],
            [1828, 2653],
            [45904, 58979],
          ] as const) {
            call.write({ ...responseSizes(response), ...payloadOf(ask) });
            await until(`a response of ${response} bytes`, () => seen.at(-1) === response);
          }
          call.end();
          expect((await outcome).code).toBe(status.OK);
        });

        it('passes a stream without messages [empty_stream]', async () => {
          const { call, outcome } = client.duplex();
          call.end();
          expect(await outcome).toMatchObject({ code: status.OK, responses: [] });
        });

        it('passes status code and message of unary and streaming calls [status_code_and_message]', async () => {
          const responseStatus = { code: 2, message: 'test status message' };
          const unary = await client.unary('unaryCall', { responseStatus }).outcome;
          expect(unary).toMatchObject({ code: 2, details: 'test status message' });
          expect(unary.id).toMatch(ID);
          const { call, outcome } = client.duplex();
          call.write({ responseStatus });
          call.end();
          expect(await outcome).toMatchObject({ code: 2, details: 'test status message' });
          expect((await outcome).id).toMatch(ID);
        });

        it('passes a status message with special characters [special_status_message]', async () => {
          const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
          const { code, details } = await client.unary('unaryCall', { responseStatus: { code: 2, message } })
            .outcome;
          expect([code, details]).toEqual([2, message]);
        });

        it('passes a valid trace context, and removes metadata that resembles weir’s headers [custom_metadata]', async () => {
          const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03';
          const asked = async (...metadata: [string, string][]) => {
            const { code, id } = await client.unary('emptyCall', {}, { metadata }).outcome;
            expect(code).toBe(status.OK);
            const seen = replica.seen.at(-1)!;
            expect(seen.get('x-baseten-request-id')).toEqual([id]);
            return { traceparent: seen.get('traceparent'), tracestate: seen.get('tracestate'), seen };
          };
          expect(await asked(['traceparent', valid], ['tracestate', 'a=1'])).toMatchObject({
            traceparent: [valid],
            tracestate: ['a=1'],
          });
          const none = { traceparent: [], tracestate: [] };
          expect(await asked(['tracestate', 'a=1'])).toMatchObject(none);
          expect(await asked(['traceparent', 'junk'], ['tracestate', 'a=1'])).toMatchObject(none);
          const twice = [
            ['traceparent', valid],
            ['traceparent', valid],
            ['tracestate', 'a=1'],
          ] as [string, string][];
          expect(await asked(...twice)).toMatchObject(none);
          const { seen } = await asked(
            ['x_forwarded_for', '9.9.9.9'],
            ['x_baseten-request_id', 'forged'],
            ['x_other', '1'],
          );
          expect(
            ['x_forwarded_for', 'x_baseten-request_id', 'x_other'].map((name) => seen.get(name)),
          ).toEqual([[], [], ['1']]);
        });

        it('passes duplicate and binary metadata both ways [custom_metadata]', async () => {
          const metadata = [
            ['x-grpc-test-echo-initial', 'test_initial_metadata_value'],
            ['x-grpc-test-echo-initial', 'another'],
            ['x-grpc-test-echo-trailing-bin', Buffer.from([0xab, 0xab, 0xab])],
            ['x-grpc-test-echo-trailing-bin', Buffer.from([0, 1, 255])],
          ] as const;
          const { initial, trailers, code } = await client.unary(
            'unaryCall',
            { responseSize: 1 },
            { metadata },
          ).outcome;
          expect(code).toBe(status.OK);
          expect(initial!.get('x-grpc-test-echo-initial').join(',').replaceAll(' ', '')).toBe(
            'test_initial_metadata_value,another',
          );
          expect(trailers.get('x-grpc-test-echo-trailing-bin')).toEqual([
            Buffer.from([0xab, 0xab, 0xab]),
            Buffer.from([0, 1, 255]),
          ]);
        });

        it('passes the replica’s UNIMPLEMENTED for an unknown method, with the request id [unimplemented_method]', async () => {
          const { code, id, trailers } = await client.unary('unimplementedCall').outcome;
          expect(code).toBe(status.UNIMPLEMENTED);
          expect(id).toMatch(ID);
          expect(trailers.get('x-weir-cause')).toEqual([]);
        });

        it('passes the replica’s UNIMPLEMENTED for an unknown service [unimplemented_service]', async () => {
          const { code, id, cause } = await rawCall(weir.port, '/nobody.Has/This', []);
          expect([code, cause]).toEqual([status.UNIMPLEMENTED, undefined]);
          expect(id).toMatch(ID);
          expect(await weir.expectExchange(id)).toMatchObject({ status: 12, cause: 'ok', replica: 'r0' });
        });

        it('passes reflection requests and responses of grpc.reflection.v1 unchanged', async () => {
          // list_services, and the response with one name, encoded as protocol buffers.
          const ask = Buffer.concat([Buffer.from([0x3a, 1]), Buffer.from('*')]);
          const outcome = await rawCall(weir.port, REFLECTION, [ask, ask]);
          expect(outcome.code).toBe(status.OK);
          expect(outcome.messages).toEqual([REFLECTED, REFLECTED]);
          expect(outcome.id).toMatch(ID);
        });

        it('passes messages of zero bytes', async () => {
          const { code, messages } = await rawCall(weir.port, REFLECTION, [Buffer.alloc(0), Buffer.alloc(0)]);
          expect([code, messages.length]).toEqual([status.OK, 2]);
        });

        it('applies backpressure to the replica while the client does not read, then sends everything', async () => {
          const before = weir.residentBytes();
          const sizes = Array.from({ length: 200 }, () => 1024 ** 2);
          const { calls } = replica;
          const { call, outcome } = client.output(responseSizes(...sizes));
          call.pause();
          await until('the replica has the call', () => replica.calls > calls);
          // While another client makes many calls, nothing accumulates.
          for (let i = 0; i < 50; i++)
            expect((await new TestClient(weir.port).unary('emptyCall').outcome).code).toBe(status.OK);
          expect(weir.residentBytes() - before).toBeLessThan(48 * 1024 ** 2);
          call.resume();
          const { code, responses } = await outcome;
          expect(code).toBe(status.OK);
          expect(sizesOf(responses)).toEqual(sizes);
        }, 60_000);

        it('ends a call at the deadline of the client [timeout_on_sleeping_server]', async () => {
          const { call, outcome } = client.duplex({ options: { deadline: Date.now() + 1 } });
          call.write({ ...payloadOf(27182) });
          expect((await outcome).code).toBe(status.DEADLINE_EXCEEDED);
        });

        it('cancels the replica’s call when the client cancels [cancel_after_begin]', async () => {
          const before = replica.cancelled;
          const { calls } = replica;
          const { call, outcome } = client.duplex();
          call.write(payloadOf(1));
          await until('the replica has the call', () => replica.calls > calls);
          call.cancel();
          expect((await outcome).code).toBe(status.CANCELLED);
          await until('the replica’s call is cancelled', () => replica.cancelled > before);
        });

        it('cancels the replica’s call when the client cancels after a response [cancel_after_first_response]', async () => {
          const before = replica.cancelled;
          const { call, outcome } = client.duplex();
          call.write({ ...responseSizes(31415), ...payloadOf(27182) });
          await new Promise((resolve) => call.once('data', resolve));
          call.cancel();
          expect((await outcome).code).toBe(status.CANCELLED);
          await until('the replica’s call is cancelled', () => replica.cancelled > before);
        });

        it('passes compressed messages unchanged', async () => {
          const packed = new TestClient(weir.port, { 'grpc.default_compression_algorithm': 2 });
          const { call, outcome } = packed.input();
          for (const size of [10_000, 20_000]) call.write(payloadOf(size));
          call.end();
          expect((await outcome).responses).toEqual([{ aggregatedPayloadSize: 30_000 }]);
        });

        it('passes messages of 64 MiB both ways in bounded memory', async () => {
          const size = 64 * 1024 ** 2;
          const peak = { bytes: 0 };
          const before = weir.residentBytes();
          const timer = setInterval(() => (peak.bytes = Math.max(peak.bytes, weir.residentBytes())), 5);
          const { code, responses } = await client.unary('unaryCall', {
            responseSize: size,
            ...payloadOf(size),
          }).outcome;
          clearInterval(timer);
          expect(code).toBe(status.OK);
          expect(sizesOf(responses)).toEqual([size]);
          expect(peak.bytes - before).toBeLessThan(48 * 1024 ** 2);
        }, 60_000);

        it('sends 1000 concurrent calls over few connections', async () => {
          let release: () => void = () => undefined;
          replica.hold = new Promise((resolve) => (release = resolve));
          const calls = Array.from(
            { length: 1000 },
            () => client.unary('unaryCall', { responseSize: 3 }).outcome,
          );
          await weir.expectMetric('baseten_concurrent_requests', 1000, 30_000);
          expect((await weir.page()).value('weir_replica_connections{state="active"}')).toBeLessThan(5);
          release();
          replica.hold = undefined;
          for (const { code } of await Promise.all(calls)) expect(code).toBe(status.OK);
          await weir.expectMetric('baseten_concurrent_requests', 0);
        }, 60_000);

        it('counts message bytes, grpc-status and cause in the access log and metrics', async () => {
          const before = (await weir.page()).value(requestsWithStatus(2)) ?? 0;
          const { id } = await client.unary('unaryCall', { responseStatus: { code: 2, message: 'no' } })
            .outcome;
          expect(await weir.expectExchange(id)).toMatchObject({
            protocol: 'grpc',
            method: 'POST',
            path: '/example.TestService/UnaryCall',
            status: 2,
            cause: 'ok',
            request_bytes: 8,
            response_bytes: 0,
            attempts: 1,
            deployment: 'local',
            replica: 'r0',
          });
          await weir.expectMetric(requestsWithStatus(2), before + 1);
          const sized = await client.unary('unaryCall', { responseSize: 10 }).outcome;
          const line = await weir.expectExchange(sized.id);
          // The request has two bytes. The response has fourteen: ten, in two fields with two bytes of header each.
          expect(line).toMatchObject({ status: 0, cause: 'ok', request_bytes: 2, response_bytes: 14 });
          expect(line['first_byte_ms']).toBeGreaterThan(0);
        });

        it('returns 415 for HTTP/1.1 if the deployment serves only gRPC', async () => {
          const response = await fetch(`${weir.url}/predict`, { method: 'POST', body: '{}' });
          expect(response.status).toBe(415);
          expect(response.headers.get('x-weir-cause')).toBe('wrong_protocol');
          expect(await response.json()).toMatchObject({
            error: 'Protocol not supported: this deployment serves gRPC, the request is HTTP',
          });
        });
      });
  });
}
