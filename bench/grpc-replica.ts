// Replica of the gRPC benchmark: responds to each call with one small message and trailers. Responds to a GET with the
// number of calls so far, so that the benchmark can check that all calls arrived.
// Usage: node grpc-replica.ts PORT
import { createServer } from 'node:http2';

const RESPONSE = Buffer.concat([Buffer.from([0, 0, 0, 0, 32]), Buffer.alloc(32, 'a')]);
let calls = 0;

createServer({ settings: { maxConcurrentStreams: 10_000 } })
  .on('stream', (stream, headers) => {
    stream.on('error', () => stream.destroy());
    if (headers[':method'] === 'GET') {
      stream.respond({ ':status': 200 });
      stream.end(String(calls));
      return;
    }
    // No health service: UNIMPLEMENTED (12).
    if (String(headers[':path']).startsWith('/grpc.health.v1.')) {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' },
        { endStream: true },
      );
      return;
    }
    calls++;
    stream.resume();
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(RESPONSE);
    });
  })
  .listen(Number(process.argv[2]), '127.0.0.1', 4096);
