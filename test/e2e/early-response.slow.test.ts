// A replica that responds before it has read the request, and closes. Its response must reach every client, even one
// that sends everything before it reads. Such a response is not a failure of the replica.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { closeReplicas, startRawReplica, type Replica } from '../kit/replica.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const run = promisify(execFile);

const REFUSAL = readFileSync(new URL('../fixtures/early413.resp', import.meta.url), 'latin1');
const LARGE_BODY = 'y'.repeat(300_000);

/** Responses by name: the bytes that the replica sends, and the body that the client must get. */
const RESPONSES = {
  '413 with a length': [REFUSAL, '{"error":"too large"}'],
  '401 without a body': ['HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n', ''],
  '204 that keeps the connection': ['HTTP/1.1 204 No Content\r\n\r\n', ''],
  '200 in chunks': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n0\r\n\r\n', 'early'],
  '503 with a length': ['HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy', 'busy'],
  '500 of 300 KB': [
    `HTTP/1.1 500 Oops\r\nContent-Length: ${LARGE_BODY.length}\r\n\r\n${LARGE_BODY}`,
    LARGE_BODY,
  ],
  '413 that ends with the connection': ['HTTP/1.1 413 Too Large\r\n\r\nno length', 'no length'],
} as const;

/** How the replica ends its connection after the response. */
const ENDS: Record<string, (socket: Socket, response: string) => void> = {
  // Since the upload is unread, the kernel sends a reset.
  closes: (socket, response) => socket.write(response, 'latin1', () => socket.destroy()),
  resets: (socket, response) => socket.write(response, 'latin1', () => socket.resetAndDestroy()),
  'half-closes and reads on': (socket, response) => socket.end(response, 'latin1').resume(),
  'half-closes and reads no more': (socket, response) => socket.end(response, 'latin1').pause(),
  'keeps it and reads no more': (socket, response) =>
    socket.write(response.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'), 'latin1', () =>
      socket.pause(),
    ),
};

interface Upload {
  readonly bytes: number;
  readonly isChunked?: boolean;
  readonly expects?: boolean;
  readonly closes?: boolean;
}

const headOf = ({ bytes, isChunked, expects, closes }: Upload): string =>
  `POST /up HTTP/1.1\r\nHost: x\r\n${isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes}`}\r\n` +
  `${expects ? 'Expect: 100-continue\r\n' : ''}${closes ? 'Connection: close\r\n' : ''}\r\n`;

const bodyOf = ({ bytes, isChunked }: Upload): Buffer => {
  const body = Buffer.alloc(bytes, 'x');
  if (!isChunked) return body;
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes; at += 65_536) {
    const piece = body.subarray(at, at + 65_536);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
};

/** Status and decoded body of the final response in `received`; undefined while it is incomplete. */
function responseIn(received: string): { status: number; body: string } | undefined {
  let rest = received;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return undefined;
    const head = rest.slice(0, end);
    rest = rest.slice(end + 4);
    const status = Number(head.slice(9, 12));
    if (status < 200) continue;
    if (status === 204) return { status, body: '' };
    const length = /content-length: (\d+)/i.exec(head)?.[1];
    if (length !== undefined)
      return rest.length < Number(length) ? undefined : { status, body: rest.slice(0, Number(length)) };
    if (!/transfer-encoding: chunked/i.test(head)) return { status, body: rest };
    let body = '';
    for (;;) {
      const line = rest.indexOf('\r\n');
      if (line === -1) return undefined;
      const size = Number.parseInt(rest, 16);
      if (size === 0) return { status, body };
      body += rest.slice(line + 2, line + 2 + size);
      rest = rest.slice(line + 4 + size);
    }
  }
}

/** Sends one whole request before it reads. Returns the response, or the failure of the connection. */
function upload(
  port: number,
  what: Upload,
  agent?: Socket,
): Promise<{ status: number; body: string } | string> {
  return new Promise((resolve) => {
    const socket = agent ?? connect({ host: '127.0.0.1', port });
    socket.pause();
    let received = '';
    const done = (outcome: { status: number; body: string } | string) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      if (agent === undefined) socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => done(`nothing within 8 s: ${received.slice(-100)}`), 8000);
    socket.on('error', (error) => done(`${error.message} after ${JSON.stringify(received.slice(-100))}`));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      const response = responseIn(received);
      if (response !== undefined && /\r\n(content-length|transfer-encoding):| 204 /i.test(received))
        done(response);
    });
    socket.on('end', () =>
      done(responseIn(received) ?? `ended after ${JSON.stringify(received.slice(-100))}`),
    );
    socket.write(headOf(what));
    socket.write(bodyOf(what), () => socket.resume());
  });
}

describe.each([
  ['fast', []],
  ['full', ['--proxy-fast-lane=false']],
])('an early response in the %s lane', (_, args) => {
  let replica: Replica;
  let weir: Weir;
  let script: (socket: Socket) => void;
  /** Causes other than ok that a test expects of its requests. */
  let failures = '';

  beforeAll(async () => {
    replica = await startRawReplica((socket) => script(socket));
    script = () => undefined;
    weir = await startWeir([
      '--replica',
      replica.url,
      '--pool-probe-interval=1d',
      '--proxy-retry-methods=',
      '--async-max-body=30MiB',
      ...args,
    ]);
  });
  afterAll(async () => {
    await weir.stop('SIGKILL');
    await closeReplicas();
  });
  afterEach(async () => {
    replica.drop();
    await weir.expectMetric('baseten_concurrent_requests', 0);
    await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
    await weir.expectMetric('weir_replica_connections{state="active"}', 0);
    // An early response is not a failure of the replica.
    const failed = weir.lines.filter((line) => line.event === 'exchange' && line['cause'] !== 'ok');
    weir.lines.length = 0;
    const causes = failed.map((line) => line['cause']).join();
    if (causes !== failures) throw new Error(`exchanges ended with ${causes}, not ${failures}`);
    failures = '';
    await weir.expectMetric('baseten_replicas_active', 1);
    if (weir.process.exitCode !== null) throw new Error('weir has ended');
  });

  /** Makes the replica respond at the first bytes of a request, or after `after` bytes. */
  const respondEarly = (response: string, end: keyof typeof ENDS, after = 1) => {
    script = (socket) => {
      let read = 0;
      const look = (chunk: Buffer) => {
        read += chunk.length;
        if (read < after) return;
        socket.off('data', look);
        socket.pause();
        ENDS[end]!(socket, response);
      };
      socket.on('data', look);
    };
  };

  for (const [what, [response, body]] of Object.entries(RESPONSES))
    for (const end of Object.keys(ENDS)) {
      // Only a clean end shows that such a body is complete.
      if (what.includes('ends with') && !end.startsWith('half-closes')) continue;
      // A kernel that sends a reset drops unsent bytes: a long response is lost on the replica's side.
      if (what.includes('KB') && /closes|resets/.test(end) && !end.startsWith('half-closes')) continue;
      it(`reaches the client if the replica sends ${what} and ${end}`, async () => {
        respondEarly(response, end);
        const status = Number(response.slice(9, 12));
        for (const what of [{ bytes: 1000 }, { bytes: 300_000 }, { bytes: 20_000_000, closes: true }])
          expect([what, await upload(weir.port, what)]).toEqual([what, { status, body }]);
      });
    }

  it.each([
    ['with a length', {}],
    ['in chunks', { isChunked: true }],
    ['with Expect: 100-continue', { expects: true }],
    ['in chunks with Expect: 100-continue', { isChunked: true, expects: true }],
    ['in chunks, on a connection that is to be closed', { isChunked: true, closes: true }],
  ])(
    'reaches 20 of 20 clients that upload 20 MB %s if the replica closes',
    async (_name, how) => {
      respondEarly(REFUSAL, 'closes', 100_000);
      const outcomes = [];
      for (let i = 0; i < 20; i++) {
        const outcome = await upload(weir.port, { bytes: 20_000_000, ...how });
        outcomes.push(typeof outcome === 'string' ? outcome : outcome.status);
      }
      expect(outcomes).toEqual(Array.from({ length: 20 }, () => 413));
    },
    60_000,
  );

  it('reaches the client as the second response on a kept-alive connection, which stays usable', async () => {
    script = (socket) => {
      let count = 0;
      socket.on('data', (chunk) => {
        if (!chunk.includes('HTTP/1.1')) return;
        if (++count === 1) return void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        socket.pause();
        ENDS['closes']!(socket, REFUSAL);
      });
    };
    const client = connect({ host: '127.0.0.1', port: weir.port });
    expect(await upload(weir.port, { bytes: 2 }, client)).toEqual({ status: 200, body: 'ok' });
    expect(await upload(weir.port, { bytes: 20_000_000 }, client)).toMatchObject({ status: 413 });
    // After the refused upload the client's connection serves the next request.
    script = (socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    expect(await upload(weir.port, { bytes: 2 }, client)).toEqual({ status: 200, body: 'ok' });
    client.destroy();
  });

  it('reaches curl, with and without Expect', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'upload');
    writeFileSync(file, Buffer.alloc(20_000_000, 'x'));
    respondEarly(REFUSAL, 'closes', 50_000);
    for (const header of ['Expect:', 'Expect: 100-continue', 'Transfer-Encoding: chunked'])
      for (let i = 0; i < 3; i++) {
        const { stdout } = await run('curl', [
          '-sS',
          '-H',
          header,
          '--data-binary',
          `@${file}`,
          `${weir.url}/up`,
        ]);
        expect(stdout, header).toBe('{"error":"too large"}');
      }
  });

  it('reaches an asynchronous task', async () => {
    respondEarly(REFUSAL, 'closes', 50_000);
    const { status } = await call(weir.url, '/production/async_predict', {
      method: 'POST',
      body: JSON.stringify({ model_input: { pad: 'x'.repeat(20_000_000) } }),
    });
    expect(status).toBe(201);
    const line = await weir.expectLine('the run', (one) => one.event === 'exchange' && one['attempts'] === 1);
    expect(line).toMatchObject({ status: 413, cause: 'ok' });
  });

  it('counts as a failure if a reset cuts it off', async () => {
    script = (socket) =>
      socket.once('data', () =>
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', () => socket.resetAndDestroy()),
      );
    expect(await upload(weir.port, { bytes: 300_000 })).toMatch(/half|ECONNRESET/);
    await weir.expectLine('the failed request', (one) => one['cause'] === 'reset_midway');
    failures = 'reset_midway';
  });

  it('ends with a visible break if its end is a reset, and ejects no replica', async () => {
    // The replica has not read the request, so its operating system sends a reset when it closes.
    script = (socket) =>
      socket.once('data', () => {
        socket.pause();
        socket.write('HTTP/1.0 413 Large\r\n\r\nlarge', () => socket.destroy());
      });
    const other = await startRawReplica((socket) => script(socket));
    const two = await startWeir(
      ['--replica', replica.url, '--replica', other.url, '--pool-probe-interval=1d'].concat(args),
    );
    for (let i = 0; i < 16; i++)
      expect(JSON.stringify(await upload(two.port, { bytes: 20_000_000 }))).toMatch(/large|ECONNRESET|EPIPE/);
    expect(
      two.lines.filter((line) => line['to'] === 'ejected' || /ejected/.test(String(line.event))),
    ).toEqual([]);
    await two.stop('SIGKILL');
  });
});
