// Peer of the gRPC benchmark: node:http2 with piped streams, without request ids, deadlines or metrics.
// Usage: node grpc-pass.ts LISTEN_PORT REPLICA_PORT
import { connect, createServer, type IncomingHttpHeaders } from 'node:http2';

const [listen, replica] = process.argv.slice(2).map(Number);
const session = connect(`http://127.0.0.1:${replica}`);

createServer()
  .on('stream', (client, headers) => {
    const upstream = session.request({ ...headers, ':authority': `127.0.0.1:${replica}` });
    client.on('error', () => upstream.close());
    upstream.on('error', () => client.close());
    client.pipe(upstream);
    upstream.on('response', (response) => {
      client.respond({ ...response }, { waitForTrailers: true });
      let trailers: IncomingHttpHeaders = {};
      upstream.on('trailers', (got) => (trailers = got));
      client.on('wantTrailers', () => client.sendTrailers({ ...trailers }));
      upstream.pipe(client);
    });
  })
  .listen(listen, '127.0.0.1', 4096);
