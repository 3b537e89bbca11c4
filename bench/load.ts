// Load generator of the benchmarks, on raw sockets. Runs one job and prints one line of JSON.
//   requests PORT CONNECTIONS SECONDS         POST /small, as fast as possible
//   kilobytes PORT CONNECTIONS SECONDS        POST /kilobyte with 1 KB of JSON, as fast as possible
//   handshakes PORT CONNECTIONS SECONDS       one request per connection, as fast as possible
//   rate     PORT CONNECTIONS SECONDS RATE    RATE requests per second; prints latencies
//   streams  PORT STREAMS COUNT EVERY_MS      concurrent streams of COUNT events, one every EVERY_MS
//   chats    PORT STREAMS COUNT EVERY_MS      the same with streams of a chat; STREAMS of them at a time
//   answers  PORT CONNECTIONS SECONDS BYTES   POST /answer/BYTES, as fast as possible
//   chatting PORT STREAMS                     opens streams, prints when all have begun, waits for a line
//   down     PORT BYTES TIMES                 downloads, one after the other
//   up       PORT BYTES TIMES                 uploads, one after the other
//   idle     PORT CONNECTIONS                 opens connections, sends one request on each, prints, waits for a line
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { once } from 'node:events';
import { requestBodies } from './texts.ts';

const [job, portText, ...rest] = process.argv.slice(2);
const port = Number(portText);
const numbers = rest.map(Number);

const BODY = '{"model":"m","prompt":"The river","max_tokens":7}';
const headers =
  'Host: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: application/json\r\nAuthorization: Bearer sk-0123456789abcdef\r\n';
/** Body of 1 KB for async_predict. Used if BENCH_SUBMIT is set. */
const SUBMIT = `{"model_input":{"prompt":"${'x'.repeat(970)}"}}`;
const SMALL = Buffer.from(
  process.env['BENCH_SUBMIT'] !== undefined
    ? `POST /production/async_predict HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: ${SUBMIT.length}\r\n\r\n${SUBMIT}`
    : `POST /small HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
);

const answerRequest = (bytes: number): Buffer =>
  Buffer.from(
    `POST /answer/${bytes} HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  );

/** Requests with 1 KB of JSON, for one connection after the other. */
function kilobyteRequests(): () => Buffer {
  const requests = requestBodies().map((body) =>
    Buffer.from(
      `POST /kilobyte HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    ),
  );
  let n = 0;
  return () => requests[n++ % requests.length]!;
}

/** A connection that sends the next request after each response, as long as `responded` returns true. */
function client(
  responded: () => boolean,
  next: () => Buffer = () => SMALL,
): { socket: Socket; send: () => void } {
  let left = 0;
  let head = '';
  const options = {
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafeSlow(64 * 1024),
      callback(size, bytes) {
        let from = 0;
        if (left === 0) {
          // One response at a time: the head has the length, and the body is counted.
          head += (bytes as Buffer).toString('latin1', 0, size);
          const end = head.indexOf('\r\n\r\n');
          if (end === -1) return true;
          if (!head.startsWith('HTTP/1.1 2')) throw new Error(`${job}: ${head.slice(0, 60)}`);
          const at = head.toLowerCase().indexOf('content-length: ');
          left = parseInt(head.slice(at + 16, at + 28), 10);
          from = size - (head.length - end - 4);
          head = '';
        }
        left -= size - from;
        if (left === 0 && responded()) socket.write(next());
        return true;
      },
    },
  } satisfies NetConnectOpts;
  // The load does not test the certificate.
  const socket =
    process.env['BENCH_TLS'] === undefined
      ? connect(options)
      : connectTls({ ...options, rejectUnauthorized: false });
  socket.on('error', (error) => {
    throw error;
  });
  return { socket, send: () => socket.write(next()) };
}

const percentile = (sorted: Float64Array, p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]!;

async function requests(connections: number, seconds: number, next?: () => Buffer): Promise<object> {
  let count = 0;
  let isOver = false;
  const clients = Array.from({ length: connections }, () => client(() => (count++, !isOver), next));
  for (const { send } of clients) send();
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  isOver = true;
  return { count, seconds: (performance.now() - startMs) / 1000 };
}

/** One request on each connection: for the cost of a connection, and of TLS with BENCH_TLS. */
async function handshakes(connections: number, seconds: number): Promise<object> {
  let count = 0;
  const endMs = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < endMs) {
        const { promise: answered, resolve } = Promise.withResolvers<void>();
        const { socket, send } = client(() => (count++, resolve(), false));
        send();
        await answered;
        socket.destroy();
      }
    }),
  );
  return { count };
}

async function rate(connections: number, seconds: number, perSecond: number): Promise<object> {
  const free: ReturnType<typeof client>[] = [];
  const times: number[] = [];
  for (let i = 0; i < connections; i++) {
    let startMs = 0;
    const one = client(() => {
      times.push(performance.now() - startMs);
      free.push(entry);
      return false;
    });
    const entry = { ...one, send: () => ((startMs = performance.now()), one.send()) };
    free.push(entry);
    await once(one.socket, 'connect');
  }
  const startMs = performance.now();
  let sent = 0;
  while (performance.now() - startMs < seconds * 1000) {
    const due = ((performance.now() - startMs) / 1000) * perSecond;
    for (; sent < due && free.length > 0; sent++) free.shift()!.send();
    // Yields to the sockets. A timer of 1 ms would be too coarse.
    await new Promise((resolve) => setImmediate(resolve));
  }
  // The first tenth is the warm-up.
  const sorted = Float64Array.from(times.slice(Math.floor(times.length / 10))).sort();
  return { count: times.length, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

async function streams(
  count: number,
  chunks: number,
  everyMs: number,
  request = `GET /stream/${chunks}/${everyMs} HTTP/1.1\r\n${headers}\r\n`,
): Promise<object> {
  let bytes = 0;
  let events = 0;
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      let isHead = true;
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        events++;
        // A head that comes alone may end like the last chunk.
        const from = isHead ? chunk.indexOf('\r\n\r\n') + 4 : 0;
        isHead = false;
        if (chunk.subarray(Math.max(from, chunk.length - 5)).toString() === '0\r\n\r\n') socket.end();
      });
      socket.write(request);
      await once(socket, 'close');
    }),
  );
  return { chunks: count * chunks, bytes, events };
}

const chatRequest = (chunks: number, everyMs: number): string =>
  `POST /chat/${chunks}/${everyMs} HTTP/1.1\r\n${headers}Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

async function chatting(count: number): Promise<object> {
  for (let i = 0; i < count; i++) {
    const socket = opened();
    socket.write(chatRequest(1_000_000, 1000));
    await once(socket, 'data');
    socket.on('data', () => undefined);
  }
  console.log(JSON.stringify({ streams: count }));
  await once(process.stdin, 'data');
  return {};
}

/** Opens a connection. Throws if it closes before the job ends. */
function opened(): Socket {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('close', () => {
    throw new Error(`${job}: the connection was closed`);
  });
  return socket;
}

/** Downloads `times` bodies of `size` bytes, one after the other on one connection. */
async function down(size: number, times: number): Promise<object> {
  const socket = opened();
  for (let i = 0; i < times; i++) {
    let left = size;
    let isHead = true;
    socket.write(`GET /down/${size} HTTP/1.1\r\n${headers}\r\n`);
    await new Promise<void>((resolve) => {
      const onData = (chunk: Buffer) => {
        // The head arrives whole, alone or with the first part of the body.
        left -= isHead ? chunk.length - chunk.indexOf('\r\n\r\n') - 4 : chunk.length;
        isHead = false;
        if (left > 0) return;
        socket.off('data', onData);
        resolve();
      };
      socket.on('data', onData);
    });
  }
  return { bytes: size * times };
}

async function up(size: number, times: number): Promise<object> {
  const socket = opened();
  const block = Buffer.alloc(256 * 1024, 'x');
  for (let i = 0; i < times; i++) {
    const responded = once(socket, 'data');
    socket.write(`POST /up HTTP/1.1\r\n${headers}Content-Length: ${size}\r\n\r\n`);
    for (let left = size; left > 0; left -= block.length)
      if (!socket.write(left < block.length ? block.subarray(0, left) : block)) await once(socket, 'drain');
    await responded;
  }
  return { bytes: size * times };
}

async function idle(connections: number): Promise<object> {
  let responses = 0;
  const clients = [];
  for (let i = 0; i < connections; i++) {
    const one = client(() => (responses++, false));
    clients.push(one);
    await once(one.socket, 'connect');
    one.send();
  }
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (responses < connections) return;
      clearInterval(timer);
      resolve();
    }, 20);
  });
  console.log(JSON.stringify({ connections }));
  await once(process.stdin, 'data');
  return {};
}

const jobs: Record<string, () => Promise<object>> = {
  requests: () => requests(numbers[0]!, numbers[1]!),
  kilobytes: () => requests(numbers[0]!, numbers[1]!, kilobyteRequests()),
  handshakes: () => handshakes(numbers[0]!, numbers[1]!),
  chats: () => streams(numbers[0]!, numbers[1]!, numbers[2]!, chatRequest(numbers[1]!, numbers[2]!)),
  answers: () => requests(numbers[0]!, numbers[1]!, () => answerRequest(numbers[2]!)),
  chatting: () => chatting(numbers[0]!),
  rate: () => rate(numbers[0]!, numbers[1]!, numbers[2]!),
  streams: () => streams(numbers[0]!, numbers[1]!, numbers[2]!),
  down: () => down(numbers[0]!, numbers[1]!),
  up: () => up(numbers[0]!, numbers[1]!),
  idle: () => idle(numbers[0]!),
};
console.log(JSON.stringify(await jobs[job!]!()));
process.exit(0);
