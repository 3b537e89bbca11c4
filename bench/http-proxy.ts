// Peer of the benchmark: http-proxy alone, without request ids, limits or metrics.
// Usage: node http-proxy.ts LISTEN_PORT REPLICA_PORT
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const [listen, replica] = process.argv.slice(2).map(Number);
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${replica}`,
  agent: new Agent({ keepAlive: true, maxFreeSockets: 4096 }),
  xfwd: true,
});
proxy.on('error', () => undefined);
createServer((req, res) => proxy.web(req, res)).listen(listen, '127.0.0.1', 4096, () => console.log('ready'));
