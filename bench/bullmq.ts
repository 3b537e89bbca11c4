// Peer of the queue benchmark: BullMQ behind an HTTP server. Adds one job per request and responds 201 when Redis has
// acknowledged it. Usage: node bullmq.ts PORT REDIS_URL
import { createServer } from 'node:http';
import { Queue } from 'bullmq';

const [, , port, url] = process.argv;
const queue = new Queue('bench', { connection: { url: url! } });
createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    void queue.add('task', { body: Buffer.concat(chunks).toString() }, { priority: 1 }).then(({ id }) => {
      const body = JSON.stringify({ request_id: id });
      res.writeHead(201, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      res.end(body);
    });
  });
}).listen(Number(port), '127.0.0.1');
