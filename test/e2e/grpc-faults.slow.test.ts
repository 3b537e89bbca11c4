// gRPC failures, on HTTP/2 of weir.
import { afterEach, expect, it } from 'vitest';
import { grpcFaultsContract } from '../contract/grpc-faults.ts';
import { CALL_HEAD, closeH2, frame, type Frame, H2Socket, hpack, startFrameReplica } from '../kit/h2.ts';
import { startWith } from '../kit/http2-library.ts';
import { until } from '../kit/until.ts';
import { stopAll } from '../kit/weir.ts';

const RESPONSE_HEAD = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
] as const;

afterEach(async () => {
  await stopAll();
  closeH2();
});

grpcFaultsContract('weir');

it('sends a slow client all of a response whose replica breaks off after its trailers', async () => {
  const [WINDOW_UPDATE, PING] = [8, 6];
  const part = Buffer.alloc(15_000);
  const first = Buffer.concat([Buffer.from([0, 0, 0x01, 0xd4, 0xc0]), part.subarray(5)]);
  let called = 0;
  let isLost = false;
  const replica = await startFrameReplica(
    (stream) => {
      // The first response is to the health check.
      if (called++ === 0) return frame(1, 5, stream, hpack(...RESPONSE_HEAD, ['grpc-status', '12']));
      const data = [first, part, part, part, part, part, part, part];
      return Buffer.concat([
        frame(1, 4, stream, hpack(...RESPONSE_HEAD)),
        ...data.map((one) => frame(0, 0, stream, one)),
        frame(1, 5, stream, hpack(['grpc-status', '0'])),
        frame(PING, 0, 0, Buffer.alloc(8)),
      ]);
    },
    undefined,
    ({ type, flags }, socket) => {
      if (type !== PING || flags !== 1) return;
      socket.on('close', () => (isLost = true));
      socket.destroy();
    },
  );
  const weir = await startWith('weir')(['--replica', replica.url]);
  // The client's window is 0, so that all of the response waits at weir.
  const client = new H2Socket(weir.port, Buffer.from([0, 4, 0, 0, 0, 0]));
  client.socket.write(frame(1, 4, 1, CALL_HEAD));
  await until('the replica is gone', () => isLost);
  const MIB = Buffer.from([0, 0x10, 0, 0]);
  client.socket.write(Buffer.concat([frame(WINDOW_UPDATE, 0, 0, MIB), frame(WINDOW_UPDATE, 0, 1, MIB)]));
  const line = await weir.expectLine('the end of the call', ({ event }) => event === 'exchange');
  expect(line).toMatchObject({ status: 0, cause: 'ok', response_bytes: 119_995 });
  const isTrailers = ({ type, flags, stream }: Frame) => type === 1 && stream === 1 && (flags & 1) === 1;
  await until('the client has the trailers', () => client.frames.some(isTrailers));
  const received = client.frames.filter(({ type }) => type === 0);
  expect(received.reduce((sum, { payload }) => sum + payload.length, 0)).toBe(120_000);
  client.socket.destroy();
  await weir.expectMetric('baseten_concurrent_requests', 0);
});
