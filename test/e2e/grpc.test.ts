// gRPC through weir, with @grpc/grpc-js on both sides: the cases of gRPC's interop descriptions, and what weir adds.
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
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
/** list_services_response { service { name: "a.B" } } */
const REFLECTED = Buffer.concat([Buffer.from([0x32, 7, 0x0a, 5, 0x0a, 3]), Buffer.from('a.B')]);
const same = (bytes: Buffer): Buffer => bytes;
const AS_IT_IS = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

/** A call of any method, with messages as bytes. */
async function rawCall(port: number, path: string, requests: Buffer[]) {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const call = client.makeBidiStreamRequest(path, same, same);
  const messages: Buffer[] = [];
  call.on('data', (message: Buffer) => messages.push(message));
  // The status says it.
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
const bytes = (size: number) => ({ payload: { body: Buffer.alloc(size) } });
const wants = (...sizes: number[]) => ({ responseParameters: sizes.map((size) => ({ size })) });
const ENDED = (code: number) => `baseten_inference_requests_total{status_code="${code}",is_async="false"}`;
const sizesOf = (responses: Message[]) => responses.map(({ payload }) => payload.body.length as number);

for (const [lane, args] of [
  ['the fast lane', []],
  ['the full lane', ['--proxy-fast-lane=false']],
] as const)
  describe(`gRPC beside ${lane}`, () => {
    let replica: GrpcReplica;
    let weir: Weir;
    let client: TestClient;

    beforeAll(async () => {
      replica = await startGrpcReplica();
      replica.server.addService(
        { info: { path: REFLECTION, requestStream: true, responseStream: true, ...AS_IT_IS } },
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

    it('empty_unary', async () => {
      const { code, id, responses } = await client.unary('emptyCall').outcome;
      expect(code).toBe(status.OK);
      expect(responses).toHaveLength(1);
      expect(id).toMatch(ID);
      expect(replica.seen.at(-1)!.get('x-baseten-request-id')).toEqual([id]);
      expect(replica.seen.at(-1)!.get('x-request-id')).toEqual([id]);
      expect(replica.seen.at(-1)!.get('traceparent')).toEqual([]);
    });

    it('large_unary', async () => {
      const { code, responses } = await client.unary('unaryCall', { responseSize: 314159, ...bytes(271828) })
        .outcome;
      expect(code).toBe(status.OK);
      expect(sizesOf(responses)).toEqual([314159]);
    });

    it('client_streaming', async () => {
      const { call, outcome } = client.input();
      for (const size of [27182, 8, 1828, 45904]) call.write(bytes(size));
      call.end();
      expect((await outcome).responses).toEqual([{ aggregatedPayloadSize: 74922 }]);
    });

    it('server_streaming', async () => {
      const { responses, code } = await client.output(wants(31415, 9, 2653, 58979)).outcome;
      expect(code).toBe(status.OK);
      expect(sizesOf(responses)).toEqual([31415, 9, 2653, 58979]);
    });

    it('ping_pong', async () => {
      const { call, outcome } = client.duplex();
      const seen: number[] = [];
      call.on('data', ({ payload }: Message) => seen.push(payload.body.length as number));
      for (const [ask, answer] of [
        [27182, 31415],
        [8, 9],
        [1828, 2653],
        [45904, 58979],
      ] as const) {
        call.write({ ...wants(answer), ...bytes(ask) });
        await until(`an answer of ${answer}`, () => seen.at(-1) === answer);
      }
      call.end();
      expect((await outcome).code).toBe(status.OK);
    });

    it('empty_stream', async () => {
      const { call, outcome } = client.duplex();
      call.end();
      expect(await outcome).toMatchObject({ code: status.OK, responses: [] });
    });

    it('status_code_and_message, of one answer and of many', async () => {
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

    it('special_status_message', async () => {
      const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
      const { code, details } = await client.unary('unaryCall', { responseStatus: { code: 2, message } })
        .outcome;
      expect([code, details]).toEqual([2, message]);
    });

    it('custom_metadata: a trace passes unchanged, and look-alikes of weir’s headers do not pass', async () => {
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
      expect(['x_forwarded_for', 'x_baseten-request_id', 'x_other'].map((name) => seen.get(name))).toEqual([
        [],
        [],
        ['1'],
      ]);
    });

    it('custom_metadata: duplicates and binary values both ways', async () => {
      const metadata = [
        ['x-grpc-test-echo-initial', 'test_initial_metadata_value'],
        ['x-grpc-test-echo-initial', 'another'],
        ['x-grpc-test-echo-trailing-bin', Buffer.from([0xab, 0xab, 0xab])],
        ['x-grpc-test-echo-trailing-bin', Buffer.from([0, 1, 255])],
      ] as const;
      const { initial, trailers, code } = await client.unary('unaryCall', { responseSize: 1 }, { metadata })
        .outcome;
      expect(code).toBe(status.OK);
      expect(initial!.get('x-grpc-test-echo-initial').join(',').replaceAll(' ', '')).toBe(
        'test_initial_metadata_value,another',
      );
      expect(trailers.get('x-grpc-test-echo-trailing-bin')).toEqual([
        Buffer.from([0xab, 0xab, 0xab]),
        Buffer.from([0, 1, 255]),
      ]);
    });

    it('unimplemented_method and unimplemented_service are the replica’s answer, with our id', async () => {
      const { code, id, trailers } = await client.unary('unimplementedCall').outcome;
      expect(code).toBe(status.UNIMPLEMENTED);
      expect(id).toMatch(ID);
      expect(trailers.get('x-weir-cause')).toEqual([]);
    });

    it('a service that nobody has is the replica’s answer too, not weir’s', async () => {
      const { code, id, cause } = await rawCall(weir.port, '/nobody.Has/This', []);
      expect([code, cause]).toEqual([status.UNIMPLEMENTED, undefined]);
      expect(id).toMatch(ID);
      expect(await weir.expectExchange(id)).toMatchObject({ status: 12, cause: 'ok', replica: 'r0' });
    });

    it('reflection passes: questions and answers of grpc.reflection.v1, as they are', async () => {
      // list_services, and the answer with one name, as protocol buffers have them.
      const ask = Buffer.concat([Buffer.from([0x3a, 1]), Buffer.from('*')]);
      const answers = await rawCall(weir.port, REFLECTION, [ask, ask]);
      expect(answers.code).toBe(status.OK);
      expect(answers.messages).toEqual([REFLECTED, REFLECTED]);
      expect(answers.id).toMatch(ID);
    });

    it('messages of no bytes are messages', async () => {
      const { code, messages } = await rawCall(weir.port, REFLECTION, [Buffer.alloc(0), Buffer.alloc(0)]);
      expect([code, messages.length]).toEqual([status.OK, 2]);
    });

    it('a client that does not read holds the replica back, not weir’s memory; then it gets everything', async () => {
      const before = weir.residentBytes();
      const sizes = Array.from({ length: 200 }, () => 1024 ** 2);
      const { calls } = replica;
      const { call, outcome } = client.output(wants(...sizes));
      call.pause();
      await until('the replica has it', () => replica.calls > calls);
      // As long as it takes another client to be answered many times, nothing piles up.
      for (let i = 0; i < 50; i++)
        expect((await new TestClient(weir.port).unary('emptyCall').outcome).code).toBe(status.OK);
      expect(weir.residentBytes() - before).toBeLessThan(48 * 1024 ** 2);
      call.resume();
      const { code, responses } = await outcome;
      expect(code).toBe(status.OK);
      expect(sizesOf(responses)).toEqual(sizes);
    }, 60_000);

    it('timeout_on_sleeping_server', async () => {
      const { call, outcome } = client.duplex({ options: { deadline: Date.now() + 1 } });
      call.write({ ...bytes(27182) });
      expect((await outcome).code).toBe(status.DEADLINE_EXCEEDED);
    });

    it('cancel_after_begin reaches the replica', async () => {
      const before = replica.cancelled;
      const { calls } = replica;
      const { call, outcome } = client.duplex();
      call.write(bytes(1));
      await until('the replica has it', () => replica.calls > calls);
      call.cancel();
      expect((await outcome).code).toBe(status.CANCELLED);
      await until('the replica knows', () => replica.cancelled > before);
    });

    it('cancel_after_first_response reaches the replica', async () => {
      const before = replica.cancelled;
      const { call, outcome } = client.duplex();
      call.write({ ...wants(31415), ...bytes(27182) });
      await new Promise((resolve) => call.once('data', resolve));
      call.cancel();
      expect((await outcome).code).toBe(status.CANCELLED);
      await until('the replica knows', () => replica.cancelled > before);
    });

    it('compression flags pass: a compressed call is read by the replica', async () => {
      const packed = new TestClient(weir.port, { 'grpc.default_compression_algorithm': 2 });
      const { call, outcome } = packed.input();
      for (const size of [10_000, 20_000]) call.write(bytes(size));
      call.end();
      expect((await outcome).responses).toEqual([{ aggregatedPayloadSize: 30_000 }]);
    });

    it('messages of 64 MiB pass both ways in bounded memory', async () => {
      const size = 64 * 1024 ** 2;
      const peak = { bytes: 0 };
      const before = weir.residentBytes();
      const timer = setInterval(() => (peak.bytes = Math.max(peak.bytes, weir.residentBytes())), 5);
      const { code, responses } = await client.unary('unaryCall', { responseSize: size, ...bytes(size) })
        .outcome;
      clearInterval(timer);
      expect(code).toBe(status.OK);
      expect(sizesOf(responses)).toEqual([size]);
      expect(peak.bytes - before).toBeLessThan(48 * 1024 ** 2);
    }, 60_000);

    it('thousands of calls at once go over few connections', async () => {
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

    it('the log line and the figures are those of a call: messages’ bytes, grpc-status, cause', async () => {
      const before = (await weir.page()).value(ENDED(2)) ?? 0;
      const { id } = await client.unary('unaryCall', { responseStatus: { code: 2, message: 'no' } }).outcome;
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
      await weir.expectMetric(ENDED(2), before + 1);
      const sized = await client.unary('unaryCall', { responseSize: 10 }).outcome;
      const line = await weir.expectExchange(sized.id);
      // Two bytes of request; fourteen of answer: ten, in two fields with two bytes of head each.
      expect(line).toMatchObject({ status: 0, cause: 'ok', request_bytes: 2, response_bytes: 14 });
      expect(line['first_byte_ms']).toBeGreaterThan(0);
    });

    it('HTTP/1.1 on the same port is refused by a deployment that serves gRPC alone', async () => {
      const answer = await fetch(`${weir.url}/predict`, { method: 'POST', body: '{}' });
      expect(answer.status).toBe(415);
      expect(answer.headers.get('x-weir-cause')).toBe('wrong_protocol');
      expect(await answer.json()).toMatchObject({
        error: 'Protocol not supported: this deployment serves gRPC, the request is HTTP',
      });
    });
  });
