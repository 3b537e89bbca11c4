// gRPC failures, on HTTP/2 of Node.
import { status } from '@grpc/grpc-js';
import { afterEach, expect, it } from 'vitest';
import { grpcFaultsContract } from '../contract/grpc-faults.ts';
import { CALL_HEAD, closeH2, frame, H2Socket, hpack, startFrameReplica } from '../kit/h2.ts';
import { startWith } from '../kit/http2-library.ts';
import { stopAll } from '../kit/weir.ts';

const RESPONSE_HEAD = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
] as const;

afterEach(async () => {
  await stopAll();
  closeH2();
});

grpcFaultsContract('node');

it('fails a call whose replica breaks off while the client reads slowly, even after trailers', async () => {
  const [WINDOW_UPDATE, PING] = [8, 6];
  const part = Buffer.alloc(15_000);
  const first = Buffer.concat([Buffer.from([0, 0, 0x01, 0xd4, 0xc0]), part.subarray(5)]);
  let called = 0;
  let isRead = false;
  const replica = await startFrameReplica(
    (stream) => {
      // The first response is to the health check.
      if (called++ === 0) return frame(1, 5, stream, hpack(...RESPONSE_HEAD, ['grpc-status', '12']));
      const data = [first, part, part, part].map((one) => frame(0, 0, stream, one));
      return Buffer.concat([frame(1, 4, stream, hpack(...RESPONSE_HEAD)), ...data]);
    },
    undefined,
    ({ type, flags, stream }, socket) => {
      // Half of the data was read. The rest follows, and the connection breaks once all has arrived.
      if (called === 2 && type === WINDOW_UPDATE && stream > 0 && !isRead) {
        isRead = true;
        for (const one of [part, part, part, part]) socket.write(frame(0, 0, stream, one));
        socket.write(frame(1, 5, stream, hpack(['grpc-status', '0'])));
        socket.write(frame(PING, 0, 0, Buffer.alloc(8)));
      }
      if (type === PING && flags === 1) socket.destroy();
    },
  );
  const weir = await startWith('node')(['--replica', replica.url]);
  // The client's window is 0: part of the response waits at weir to be sent, the rest to be read.
  const client = new H2Socket(weir.port, Buffer.from([0, 4, 0, 0, 0, 0]));
  client.socket.write(frame(1, 4, 1, CALL_HEAD));
  const line = await weir.expectLine('the end of the call', ({ event }) => event === 'exchange');
  expect(line).toMatchObject({ status: status.UNAVAILABLE, cause: 'reset_midway' });
  client.socket.destroy();
  await weir.expectMetric('baseten_concurrent_requests', 0);
});
