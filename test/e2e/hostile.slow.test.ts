// Input that once broke something, or could: none of it may end the process, leak an exchange or send a second answer.
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
])('with the %s lane', (_, args) => {
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
    // The next test's script is for new connections.
    raw.drop();
    if (weir.process.exitCode !== null) throw new Error('weir has ended');
    await weir.expectMetric('baseten_concurrent_requests', 0);
    await weir.expectMetric('weir_replica_connections{state="idle"}', 0);
    await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
  });

  /** A replica that answers every request with these bytes and goes on. */
  const answers = (bytes: string) => {
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
    ['an upgrade that is no GET', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n${UPGRADE}\r\n`],
  ])('a client sends %s: served', async (_, bytes) => {
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
  ])('a client sends %s: passed on', async (_, bytes) => {
    answers('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno');
    expect(await new RawClient(weir.port).send(bytes).expectClosed()).toMatch(
      /^HTTP\/1\.1 403 No\r\n[\s\S]*\r\n\r\nno$/,
    );
  });

  it('a client expects what nobody knows: 417, with an id', async () => {
    const client = new RawClient(weir.port).send('GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n');
    expect(await client.expectReceived('expectation_failed')).toMatch(
      /^HTTP\/1\.1 417 [\s\S]*X-Baseten-Request-Id: [0-9a-f]{37}/,
    );
    client.socket.destroy();
  });

  it('a client uses another transfer coding before chunked: 501', async () => {
    const client = new RawClient(weir.port).send(
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    );
    expect(await client.expectClosed()).toMatch(/^HTTP\/1\.1 501 /);
  });

  it('a refused request whose body turns out to be malformed gets one answer', async () => {
    const client = new RawClient(weir.port).send(
      'POST /deployment/x/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
    );
    const received = await client.expectClosed();
    expect(received.match(/HTTP\/1\.1 \d+/g)).toHaveLength(1);
  });

  it.each([
    ['a status below 100', 'HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n'],
    ['a control character in its reason', 'HTTP/1.1 200 O\u0001K\r\nContent-Length: 0\r\n\r\n'],
    ['101 unasked, as an upgrade', 'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
    ['101 unasked, and no more', 'HTTP/1.1 101 S\r\n\r\n'],
    [
      'a coding that is not to be passed on',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('a replica answers with %s: 502', async (_, bytes) => {
    answers(bytes);
    const answer = await call(weir.url, '/x');
    expect([answer.status, answer.headers['x-weir-cause']]).toEqual([502, 'bad_response']);
  });

  it.each([
    ['a Trailer header and a length', 'HTTP/1.1 200 OK\r\nTrailer: X-T\r\nContent-Length: 2\r\n\r\nok'],
    [
      'two Links in its early hints',
      `HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </b>; rel=preload\r\n\r\n${ok}`,
    ],
    ['nonsense in its early hints', `HTTP/1.1 103 Early Hints\r\nLink: foo\r\n\r\n${ok}`],
    ['an interim answer that nobody asked for', `HTTP/1.1 100 Continue\r\n\r\n${ok}`],
    ['thousands of interim answers', `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(3000)}${ok}`],
    ['a head of 40 KB', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(40_000)}\r\nContent-Length: 2\r\n\r\nok`],
  ])('a replica answers with %s: passed on', async (_, bytes) => {
    answers(bytes);
    const client = new RawClient(weir.port).send('GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await client.expectClosed()).toMatch(/HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
  });

  it.each(['HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'])(
    'a replica announces trailers to who cannot get them: %s',
    async (request) => {
      script = (socket) =>
        socket.on('data', (chunk) => {
          const body = chunk.toString().startsWith('HEAD') ? '' : '2\r\nok\r\n0\r\nX-T: 1\r\n\r\n';
          socket.write(`HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
        });
      expect(await new RawClient(weir.port).send(request).expectClosed()).toMatch(/^HTTP\/1\.[01] 200 OK/);
    },
  );

  it('a refusal of HEAD has no body, and the connection goes on in step', async () => {
    script = (socket) => socket.once('data', () => socket.destroy());
    const client = new RawClient(weir.port).send('HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.expectReceived('\r\n\r\n');
    answers(ok);
    client.send('GET /x HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await client.expectReceived('\r\n\r\nok')).toMatch(/^HTTP\/1\.1 502 [^{]*\r\n\r\nHTTP\/1\.1 200 /);
    client.socket.destroy();
  });

  it('an answer that ends with its connection and breaks is seen to break', async () => {
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
      // Chunks without their end, or a reset: either is a break.
      if (/transfer-encoding: chunked/i.test(received)) expect(received.endsWith('0\r\n\r\n')).toBe(false);
      else expect(client.isReset).toBe(true);
    }
  });

  it('a request to which an interim answer came is not sent again', async () => {
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

  it('a body that turns out to be malformed behind an early answer breaks its own connection alone', async () => {
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

  it('a client that does not close after its idle time is let go, and heard no more', async () => {
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
        // On and on, so that only weir can end it; in origin form and in one that the full lane would take.
        client.write(`${get}GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n`);
      });
      client.write(get);
    }
    await until('all have heard the end', () => ends === 5, 15_000);
    const pump = setInterval(() => clients.forEach((client) => client.write(get)), 100);
    await until('all are let go', () => closes === 5, 15_000);
    clearInterval(pump);
    expect(served).toBe(5);
    await brief.expectMetric('baseten_concurrent_requests', 0);
    await brief.stop('SIGKILL');
    await replica.close();
  });

  it('a client that does not close its side after its last answer is let go soon', async () => {
    answers(ok);
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
    await until('all have heard the end', () => ends === requests.length);
    const pump = setInterval(() => clients.forEach((client) => client.write('x')), 100);
    // It is read for 2 s; the rest of a body, of which there is none here, for 30 s.
    await until('all are let go', () => closes === requests.length, 15_000).finally(() =>
      clearInterval(pump),
    );
  });

  it('empty lines without end keep no connection open', async () => {
    answers(ok);
    for (const te of ['', 'TE: trailers\r\n']) {
      const client = connect({ port: weir.port, host: '127.0.0.1' });
      let received = '';
      let isClosed = false;
      client.on('error', () => undefined);
      client.on('data', (chunk) => (received += chunk.toString()));
      client.on('close', () => (isClosed = true));
      // A few of them are skipped.
      client.write(`\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n${te}\r\n`);
      await until('it is answered', () => received.endsWith('ok'));
      received = '';
      const pump = setInterval(() => client.write('\r\n'), 5);
      await until('it is let go', () => isClosed, 15_000).finally(() => clearInterval(pump));
      expect(received).toContain('HTTP/1.1 400 Bad Request');
      await weir.expectLine(
        'why',
        (line) => line['detail'] === 'more than 64 bytes of empty lines before a request',
      );
    }
  });

  it('a replica says more than its answer: the rest reaches nobody', async () => {
    answers(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`);
    for (let i = 0; i < 5; i++) expect((await call(weir.url, '/x')).text).toBe('ok');
  });

  it.each([
    ['an upgrade', `GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('a client pipelines %s behind unanswered requests and leaves', async (_, last) => {
    script = () => undefined;
    const clients = Array.from({ length: 10 }, () =>
      new RawClient(weir.port).send(
        `GET /h HTTP/1.1\r\nHost: x\r\n\r\nGET /h HTTP/1.1\r\nHost: x\r\n\r\n${last}`,
      ),
    );
    await until('they are served or cut', async () => {
      const page = await weir.page();
      return page.value('baseten_concurrent_requests')! > 0 || clients.every((client) => client.isEnded);
    });
    for (const client of clients) client.socket.destroy();
  });

  it('a refused upgrade with a large answer is held back for a client that does not read', async () => {
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

  it('a refused upgrade with a chunked answer arrives whole', async () => {
    answers('HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n');
    const received = await new RawClient(weir.port)
      .send(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`)
      .expectClosed();
    expect(received).toMatch(/^HTTP\/1\.1 403 No\r\n[\s\S]*\r\n\r\nbody$/);
  });

  it('a replica that speaks at once with its 101: nothing of it is lost', async () => {
    answers(
      'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\u0081\u0002hi\u0088\u0002\u0003\u00e8',
    );
    const client = new RawClient(weir.port).send(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
    await client.expectReceived('\u0081\u0002hi\u0088\u0002\u0003\u00e8');
    client.socket.destroy();
    await weir.expectLine('it', (line) => line['protocol'] === 'websocket' && line['status'] === 1000);
  });

  it('close codes that no protocol knows are counted in one series', async () => {
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

  it('a head byte by byte, heads of a megabyte and thousands of silent connections cost little and end by deadline', async () => {
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
      'all were told and closed',
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

  it('thousands of pipelined requests that are refused', async () => {
    const dead = await unusedAddress();
    const other = await startWeir(['--replica', dead.url, '--deployment-max-queue=0', ...args]);
    const client = new RawClient(other.port).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3000));
    await until('all are answered', () => client.received.match(/no_replica/g)?.length === 3000);
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

  it('never answers with a stack trace', async () => {
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

  it('asks how a weir is whatever its file says of deployments', async () => {
    const file = yaml(
      'deployments: [{ id: a, replicas: [{ url: "http://127.0.0.1:1" }] }, { id: b, replicas: [{ url: "http://127.0.0.1:2" }] }]',
    );
    expect((await runWeir(['health', '--config', file, '--admin=127.0.0.1:1'])).code).toBe(1);
  });

  it('repeats no secret of a URL or a command', async () => {
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

  it('leaves no replica behind when it crashes', async () => {
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
    // The planted listener throws: an error that nobody catches.
    weir.process.kill('SIGUSR2');
    expect((await exit)[0]).toBe(70);
    await weir.expectLine(
      'the crash',
      (line) => line.event === 'uncaught exception' && String(line['error']).includes('planted'),
    );
    await until('the replica is gone', () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
  });
});
