// The peer that Node's http2 makes by itself: stream to stream, headers as objects, no ids, deadlines or figures.
// Usage: node grpc-pass.ts LISTEN_PORT REPLICA_PORT
import { connect, createServer, type IncomingHttpHeaders } from 'node:http2';

const [listen, replica] = process.argv.slice(2).map(Number);
const session = connect(`http://127.0.0.1:${replica}`);

createServer()
  .on('stream', (client, headers) => {
    const to = session.request({ ...headers, ':authority': `127.0.0.1:${replica}` });
    client.on('error', () => to.close());
    to.on('error', () => client.close());
    client.pipe(to);
    to.on('response', (answer) => {
      client.respond({ ...answer }, { waitForTrailers: true });
      let trailers: IncomingHttpHeaders = {};
      to.on('trailers', (got) => (trailers = got));
      client.on('wantTrailers', () => client.sendTrailers({ ...trailers }));
      to.pipe(client);
    });
  })
  .listen(listen, '127.0.0.1', 4096);
