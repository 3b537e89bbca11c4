// gRPC through weir, with @grpc/grpc-js on both sides: the cases of gRPC's interop descriptions, and what weir adds.
import { status } from '@grpc/grpc-js';
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

const ID = /^[0-9a-f]{37}$/;
const bytes = (size: number) => ({ payload: { body: Buffer.alloc(size) } });
const wants = (...sizes: number[]) => ({ responseParameters: sizes.map((size) => ({ size })) });
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
      expect(replica.seen.at(-1)!.get('traceparent')[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
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
  });
