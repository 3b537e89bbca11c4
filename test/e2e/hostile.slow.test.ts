// Hostile input from clients and replicas: none of it may end the process, leak a request or cause a second response.
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { call, RawClient } from '../kit/client.ts';
import { closeReplicas, startRawReplica, startReplica, type Replica } from '../kit/replica.ts';
import { unusedAddress } from '../kit/port.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';

describe.each([
  ['fast', []],
  ['full', ['--proxy-fast-lane=false']],
])('weir with the %s lane', (_, args) => {
  let raw: Replica;
  let weir: Weir;
  let script: (socket: Socket) => void;

  beforeAll(async () => {
    raw = await startRawReplica((socket) => script(socket));
    script = () => undefined;
    weir = await startWeir([
      '--replica',
      raw.url,
      '--pool-probe-interval=1d',
      '--proxy-first-byte-timeout=2s',
      ...args,
    ]);
  });
  afterAll(async () => {
    await weir.stop('SIGKILL');
    await closeReplicas();
  });
  afterEach(async () => {
    // Scripts apply to new connections, so the next test starts without old ones.
    raw.drop();
    if (weir.process.exitCode !== null) throw new Error('weir has ended');
    await weir.expectMetric('baseten_concurrent_requests', 0);
    await weir.expectMetric('weir_replica_connections{state="idle"}', 0);
    await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
  });

  /** Makes the replica respond to every request with these bytes, and keep its connection. */
  const respondWith = (bytes: string) => {
    script = (socket) => socket.on('data', () => socket.write(bytes, 'latin1'));
  };
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

  it.each([
    [
      'a Trailer header without a chunked body',
      'GET / HTTP/1.1\r\nHost: x\r\nTrailer: x\r\nConnection: close\r\n\r\n',
    ],
    [
      'a Trailer header with a length',
      'POST / HTTP/1.1\r\nHost: x\r\nTrailer: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\na',
    ],
    ['a backslash for a path', 'GET /\\ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['a path like a broken host', 'GET //[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    [
      'a method without a body that Node would chunk',
      'PROPFIND / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ],
    ['an upgrade that is not a GET', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n${UPGRADE}\r\n`],
  ])('serves a client that sends %s', async (_, bytes) => {
    let received = '';
    script = (socket) =>
      socket.on('data', (chunk) => {
        received += chunk.toString();
        socket.write(ok);
      });
    const client = new RawClient(weir.port).send(bytes);
    expect(await client.expectReceived('ok')).toMatch(/^HTTP\/1\.1 200 /);
    expect(received.toLowerCase()).not.toContain('transfer-encoding');
    expect(received.toLowerCase()).not.toContain('\r\ntrailer:');
    client.socket.destroy();
  });

  it.each([
    ['an upgrade with Expect', `GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n${UPGRADE}\r\n`],
    ['an upgrade with a backslash for a path', `GET /\\ HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`],
    ['an upgrade with Trailer', `GET / HTTP/1.1\r\nHost: x\r\nTrailer: x\r\n${UPGRADE}\r\n`],
  ])('passes on %s from a client', async (_, bytes) => {
    respondWith('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno');
    expect(await new RawClient(weir.port).send(bytes).expectClosed()).toMatch(
      /^HTTP\/1\.1 403 No\r\n[\s\S]*\r\n\r\nno$/,
    );
  });

  it('returns 417 with a request id for an unknown expectation', async () => {
    const client = new RawClient(weir.port).send('GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n');
    expect(await client.expectReceived('expectation_failed')).toMatch(
      /^HTTP\/1\.1 417 [\s\S]*X-Baseten-Request-Id: [0-9a-f]{37}/,
    );
    client.socket.destroy();
  });

  it('returns 501 for another transfer coding before chunked', async () => {
    const client = new RawClient(weir.port).send(
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    );
    expect(await client.expectClosed()).toMatch(/^HTTP\/1\.1 501 /);
  });

  it('sends one response to a refused request with a malformed body', async () => {
    const client = new RawClient(weir.port).send(
      'POST /deployment/x/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
    );
    const received = await client.expectClosed();
    expect(received.match(/HTTP\/1\.1 \d+/g)).toHaveLength(1);
  });

  it.each([
    ['a status below 100', 'HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n'],
    ['a control character in its reason', 'HTTP/1.1 200 O\u0001K\r\nContent-Length: 0\r\n\r\n'],
    [
      'an unrequested 101 with upgrade headers',
      'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
    ['an unrequested 101 without headers', 'HTTP/1.1 101 S\r\n\r\n'],
    [
      'a transfer coding that is not passed on',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('returns 502 if the replica responds with %s', async (_, bytes) => {
    respondWith(bytes);
    const response = await call(weir.url, '/x');
    expect([response.status, response.headers['x-weir-cause']]).toEqual([502, 'bad_response']);
  });

  it.each([
    ['a Trailer header and a length', 'HTTP/1.1 200 OK\r\nTrailer: X-T\r\nContent-Length: 2\r\n\r\nok'],
    [
      'two Links in its early hints',
      `HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </b>; rel=preload\r\n\r\n${ok}`,
    ],
    ['nonsense in its early hints', `HTTP/1.1 103 Early Hints\r\nLink: foo\r\n\r\n${ok}`],
    ['an unrequested 100 Continue', `HTTP/1.1 100 Continue\r\n\r\n${ok}`],
    ['thousands of interim responses', `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(3000)}${ok}`],
    ['a head of 40 KB', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(40_000)}\r\nContent-Length: 2\r\n\r\nok`],
  ])('passes on a response with %s', async (_, bytes) => {
    respondWith(bytes);
    const client = new RawClient(weir.port).send('GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await client.expectClosed()).toMatch(/HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
  });

  it.each(['HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'])(
    'passes on a response whose trailers the client cannot get: %s',
    async (request) => {
      script = (socket) =>
        socket.on('data', (chunk) => {
          const body = chunk.toString().startsWith('HEAD') ? '' : '2\r\nok\r\n0\r\nX-T: 1\r\n\r\n';
          socket.write(`HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
        });
      expect(await new RawClient(weir.port).send(request).expectClosed()).toMatch(/^HTTP\/1\.[01] 200 OK/);
    },
  );

  it('sends an error response to HEAD without a body, and keeps the connection in sync', async () => {
    script = (socket) => socket.once('data', () => socket.destroy());
    const client = new RawClient(weir.port).send('HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.expectReceived('\r\n\r\n');
    respondWith(ok);
    client.send('GET /x HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await client.expectReceived('\r\n\r\nok')).toMatch(/^HTTP\/1\.1 502 [^{]*\r\n\r\nHTTP\/1\.1 200 /);
    client.socket.destroy();
  });

  it('breaks a response visibly if the replica resets its connection instead of closing it', async () => {
    let cut: () => void = () => undefined;
    script = (socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\npartial');
        cut = () => socket.resetAndDestroy();
      });
    for (const version of ['1.1', '1.0']) {
      const client = new RawClient(weir.port).send(`GET /x HTTP/${version}\r\nHost: x\r\n\r\n`);
      await client.expectReceived('partial');
      cut();
      const received = await client.expectClosed();
      // Either chunks without the last one, or a reset.
      if (/transfer-encoding: chunked/i.test(received)) expect(received.endsWith('0\r\n\r\n')).toBe(false);
      else expect(client.isReset).toBe(true);
    }
  });

  it('does not retry a request after an interim response', async () => {
    const seen: string[] = [];
    script = (socket) =>
      socket.on('data', (chunk) => {
        seen.push(chunk.toString().slice(0, 4));
        if (seen.length === 1) socket.write(ok);
        else socket.write('HTTP/1.1 102 Processing\r\n\r\n', () => setTimeout(() => socket.destroy(), 50));
      });
    const post = 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
    const client = new RawClient(weir.port).send(post);
    await client.expectReceived('\r\n\r\nok');
    client.send(post);
    await client.expectReceived(' 502 ');
    expect(seen).toEqual(['POST', 'POST']);
    client.socket.destroy();
  });

  it('closes only the client’s connection if its body is malformed after an early response', async () => {
    let replicaSide: Socket | undefined;
    script = (socket) =>
      socket.once('data', () => {
        replicaSide = socket;
        socket.pause();
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
      });
    const client = new RawClient(weir.port).send(
      'POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    await client.expectReceived('abc');
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    let isBlocked = false;
    for (let i = 0; i < 1000 && !isBlocked; i++)
      if (!client.socket.write(chunk))
        isBlocked = await Promise.race([
          once(client.socket, 'drain').then(() => false),
          new Promise<true>((resolve) => setTimeout(resolve, 300, true)),
        ]);
    for (const piece of ['ZZ\r\n', ...Array.from({ length: 8 }, () => '5\r\nhello\r\n')]) {
      client.send(piece);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    replicaSide!.resume();
    await client.expectClosed();
  });

  it('closes the connection of a client that keeps its side open after the keep-alive timeout', async () => {
    let served = 0;
    const replica = await startReplica((_, res) => (served++, res.end('ok')));
    const brief = await startWeir(['--replica', replica.url, '--ingress-keep-alive-timeout=300ms', ...args]);
    const get = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n';
    const clients = Array.from({ length: 5 }, () =>
      connect({ port: brief.port, host: '127.0.0.1', allowHalfOpen: true }),
    );
    let ends = 0;
    let closes = 0;
    for (const client of clients) {
      client.on('error', () => undefined);
      client.on('close', () => closes++);
      client.on('data', () => undefined);
      client.on('end', () => {
        ends++;
        // The client never stops, so only weir can end it. One target is in a form that only the full lane accepts.
        client.write(`${get}GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n`);
      });
      client.write(get);
    }
    await until('all clients have got the end', () => ends === 5, 15_000);
    const pump = setInterval(() => clients.forEach((client) => client.write(get)), 100);
    await until('all connections are closed', () => closes === 5, 15_000);
    clearInterval(pump);
    expect(served).toBe(5);
    await brief.expectMetric('baseten_concurrent_requests', 0);
    await brief.stop('SIGKILL');
    await replica.close();
  });

  it('closes the connection of a client that keeps its side open after the last response', async () => {
    respondWith(ok);
    const requests = [
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: close\r\n\r\n',
      'NO REQUEST\r\n\r\n',
    ];
    let ends = 0;
    let closes = 0;
    const clients = requests.map((request) => {
      const client = connect({ port: weir.port, host: '127.0.0.1', allowHalfOpen: true });
      client.on('error', () => undefined);
      client.on('data', () => undefined);
      client.on('end', () => ends++);
      client.on('close', () => closes++);
      client.write(request);
      return client;
    });
    await until('all clients have got the end', () => ends === requests.length);
    const pump = setInterval(() => clients.forEach((client) => client.write('x')), 100);
    // weir reads on for 2 s. The rest of a body would be read for 30 s, but there is none here.
    await until('all connections are closed', () => closes === requests.length, 15_000).finally(() =>
      clearInterval(pump),
    );
  });

  it('closes the connection of a client that sends endless empty lines', async () => {
    respondWith(ok);
    for (const te of ['', 'TE: trailers\r\n']) {
      const client = connect({ port: weir.port, host: '127.0.0.1' });
      let received = '';
      let isClosed = false;
      client.on('error', () => undefined);
      client.on('data', (chunk) => (received += chunk.toString()));
      client.on('close', () => (isClosed = true));
      // A few empty lines are skipped.
      client.write(`\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n${te}\r\n`);
      await until('the response has arrived', () => received.endsWith('ok'));
      received = '';
      const pump = setInterval(() => client.write('\r\n'), 5);
      await until('the connection is closed', () => isClosed, 15_000).finally(() => clearInterval(pump));
      expect(received).toContain('HTTP/1.1 400 Bad Request');
      await weir.expectLine(
        'the reason',
        (line) => line['detail'] === 'more than 64 bytes of empty lines before a request',
      );
    }
  });

  it('drops bytes that the replica sends after its response', async () => {
    respondWith(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`);
    for (let i = 0; i < 5; i++) expect((await call(weir.url, '/x')).text).toBe('ok');
  });

  it.each([
    ['an upgrade', `GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])(
    'leaves no open request if a client pipelines %s behind open requests and disconnects',
    async (_, last) => {
      script = () => undefined;
      const clients = Array.from({ length: 10 }, () =>
        new RawClient(weir.port).send(
          `GET /h HTTP/1.1\r\nHost: x\r\n\r\nGET /h HTTP/1.1\r\nHost: x\r\n\r\n${last}`,
        ),
      );
      await until('the requests are open or the connections are closed', async () => {
        const page = await weir.page();
        return page.value('baseten_concurrent_requests')! > 0 || clients.every((client) => client.isEnded);
      });
      for (const client of clients) client.socket.destroy();
    },
  );

  it('applies backpressure to the large response of a refused upgrade', async () => {
    const size = 200 * 1024 * 1024;
    let sent = 0;
    script = (socket) =>
      socket.once('data', () => {
        socket.write(`HTTP/1.1 403 No\r\nContent-Length: ${size}\r\n\r\n`);
        const fill = () => {
          while (!socket.destroyed && sent < size) {
            sent += 1024 * 1024;
            if (!socket.write(Buffer.alloc(1024 * 1024))) return void socket.once('drain', fill);
          }
        };
        fill();
      });
    const client = new RawClient(weir.port);
    client.socket.pause();
    client.send(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
    let last = -1;
    await until('the replica is held back', async () => {
      if (sent > 0 && sent === last) return true;
      last = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return false;
    });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    client.socket.destroy();
  });

  it('passes on the chunked response of a refused upgrade', async () => {
    respondWith('HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n');
    const received = await new RawClient(weir.port)
      .send(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`)
      .expectClosed();
    expect(received).toMatch(/^HTTP\/1\.1 403 No\r\n[\s\S]*\r\n\r\nbody$/);
  });

  it('passes on frames that the replica sends together with its 101', async () => {
    respondWith(
      'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\u0081\u0002hi\u0088\u0002\u0003\u00e8',
    );
    const client = new RawClient(weir.port).send(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
    await client.expectReceived('\u0081\u0002hi\u0088\u0002\u0003\u00e8');
    client.socket.destroy();
    await weir.expectLine(
      'the end of the WebSocket',
      (line) => line['protocol'] === 'websocket' && line['status'] === 1000,
    );
  });

  it('counts unknown close codes in one series', async () => {
    script = (socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        socket.on('data', (chunk) => socket.end(chunk));
      });
    const before = (await weir.page()).sum('baseten_inference_requests_total', 'status_code="other"');
    for (const code of [5001, 40_000, 65_535]) {
      const client = new RawClient(weir.port).send(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
      await client.expectReceived('101');
      client.send(Buffer.from([0x88, 2, code >> 8, code & 255]));
      await client.expectClosed();
    }
    await weir.expectMetric(
      'baseten_inference_requests_total{status_code="other",is_async="false"}',
      before + 3,
    );
    const page = await weir.page();
    expect(page.text.match(/^baseten_inference_requests_total\{.*status_code="other"/gm)).toHaveLength(1);
    expect(page.text).not.toContain('status_code="-');
  });

  it('bounds memory and time for a head byte by byte, heads of a megabyte and 3000 silent connections', async () => {
    const replica = await startReplica((_, res) => res.end('served'));
    const patient = await startWeir(['--replica', replica.url, '--ingress-header-timeout=2s', ...args]);
    const before = patient.residentBytes();
    const silent = Array.from({ length: 3000 }, () => new RawClient(patient.port));
    const huge = Array.from({ length: 20 }, () =>
      new RawClient(patient.port).send(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(1024 * 1024)}`),
    );
    const slow = new RawClient(patient.port);
    const head = 'GET /slow HTTP/1.1\r\nHost: x\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaa';
    let sent = 0;
    const dripping = setInterval(() => slow.isEnded || slow.send(head[sent++ % head.length]!), 20);
    for (let i = 0; i < 50; i++) expect((await call(patient.url, '/')).text).toBe('served');
    for (const client of huge) expect(await client.expectClosed()).toMatch(/^HTTP\/1\.1 431 /);
    expect(patient.residentBytes() - before).toBeLessThan(100e6);
    await until(
      'all connections are closed',
      () => [...silent, slow].every((client) => client.isEnded),
      20_000,
    );
    clearInterval(dripping);
    for (const client of [...silent, slow]) expect(client.received).toMatch(/^HTTP\/1\.1 408 /);
    expect((await call(patient.url, '/')).text).toBe('served');
    await patient.expectMetric('baseten_concurrent_requests', 0);
    await patient.stop('SIGKILL');
    await replica.close();
  });

  it('responds to each of 3000 pipelined requests that are refused', async () => {
    const dead = await unusedAddress();
    const other = await startWeir(['--replica', dead.url, '--deployment-max-queue=0', ...args]);
    const client = new RawClient(other.port).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3000));
    await until('all responses have arrived', () => client.received.match(/no_replica/g)?.length === 3000);
    client.socket.destroy();
    await other.stop('SIGKILL');
  });
});

describe('the command line', () => {
  afterEach(stopAll);
  const yaml = (text: string): string => {
    const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
    writeFileSync(file, text);
    return file;
  };

  it('never prints a stack trace for invalid input', async () => {
    const replica = '--replica=http://127.0.0.1:9';
    for (const args of [
      ['run', replica, '--listen=127.0.0.1:0', '--admin=127.0.0.1:0', '--', ''],
      ['check', replica, '--config', yaml('admin: { key: *nope }')],
      ['check', replica, '--config', yaml('just text')],
      ['check', replica, '--config', yaml('__proto__: { x: 1 }')],
      ['check', replica, '--', 'foo'],
    ]) {
      const { code, err } = await runWeir(args);
      expect([2, 69], err).toContain(code);
      expect(err).toMatch(/^weir: .+\n$/);
      expect(err).not.toMatch(/\n\s+at /);
    }
  });

  it('runs weir health with a configuration file of several deployments', async () => {
    const file = yaml(
      'deployments: [{ id: a, replicas: [{ url: "http://127.0.0.1:1" }] }, { id: b, replicas: [{ url: "http://127.0.0.1:2" }] }]',
    );
    expect((await runWeir(['health', '--config', file, '--admin=127.0.0.1:1'])).code).toBe(1);
  });

  it('never prints a secret of a URL or a command', async () => {
    for (const url of [
      'http://user:pa/ss@h',
      'http://user:s3cret@h:8000',
      'http://u:p@s3cret@h',
      'http://h:1?k=s3cret',
    ]) {
      const { code, err } = await runWeir(['check', '--replica', url]);
      expect(code).toBe(2);
      expect(err).not.toMatch(/s3cret|pa\/ss|p@s/);
    }
    const weir = await startWeir(['--replica=http://127.0.0.1:9'], {
      command: 'run',
      rest: ['sleep', '77', '--api-key', 's3cret'],
    }).catch((error: unknown) => String(error));
    expect(JSON.stringify(typeof weir === 'string' ? weir : weir.lines)).not.toContain('s3cret');
  });

  it('ends its replica when it crashes', async () => {
    const fault = join(mkdtempSync(join(tmpdir(), 'weir-')), 'fault.cjs');
    writeFileSync(fault, "process.on('SIGUSR2', () => { throw new Error('planted'); });");
    const weir = await startWeir(['--replica=http://127.0.0.1:9'], {
      command: 'run',
      rest: ['sleep', '77.7'],
      env: { NODE_OPTIONS: `--require=${fault}` },
    });
    const started = await weir.expectLine('its start', (line) => line.event === 'replica process started');
    const pid = Number(started['pid']);
    expect(process.kill(pid, 0)).toBe(true);
    const exit = once(weir.process, 'exit');
    // The planted listener throws an error that is not caught.
    weir.process.kill('SIGUSR2');
    expect((await exit)[0]).toBe(70);
    await weir.expectLine(
      'the crash',
      (line) => line.event === 'uncaught exception' && String(line['error']).includes('planted'),
    );
    await until('the replica has ended', () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
  });
});
